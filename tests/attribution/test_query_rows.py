"""Rows by DNS question: each frame counts for what it asks or answers, and the rest adds up to the capture."""

import io
from collections import defaultdict
from functools import partial
from pathlib import Path

import pytest
from scapy.layers.dns import DNS, DNSQR, DNSRR
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw
from scapy.utils import RawPcapNgReader, RawPcapReader, wrpcap

import portcall
from portcall.attribution.attribution import Attribution
from portcall.errors import UsageError
from portcall.inspection import server_names
from portcall.inspection.inspection_bounds import InspectionBounds
from portcall.inspection.server_names import ServerNames
from portcall.runs import offline
from portcall.runs.tracker import Tracker
from portcall.sources.captures import open_capture
from portcall.views.tables import write_table

CAPTURES = Path(__file__).resolve().parents[2] / "captures"
CLIENT, OTHER, RESOLVER = "10.0.0.1", "10.0.0.2", "10.0.0.53"


def frame(content, *, client=CLIENT, port=40000, is_answer=False):
    """One message between a client and the resolver."""
    ends = {"src": RESOLVER, "dst": client} if is_answer else {"src": client, "dst": RESOLVER}
    ports = {"sport": 53, "dport": port} if is_answer else {"sport": port, "dport": 53}
    return Ether() / IP(**ends) / UDP(**ports) / content


def asks(name, kind="A", client=CLIENT, port=40000):
    message = DNS(id=7, qd=DNSQR(qname=name, qtype=kind))
    return frame(message, client=client, port=port)


def answers(name, kind="A", client=CLIENT, port=40000, code=0, addresses=()):
    records = [DNSRR(rrname=name, type="A", rdata=address, ttl=60) for address in addresses]
    message = DNS(id=7, qr=1, rcode=code, qd=DNSQR(qname=name, qtype=kind), an=records)
    return frame(message, client=client, port=port, is_answer=True)


@pytest.fixture
def rows_of(tmp_path):
    """Rows of frames, which add up to them."""

    def read(frames, **options):
        wrpcap(str(tmp_path / "made.pcap"), frames)
        report = portcall.read(tmp_path / "made.pcap", by="query", **options)
        assert sum(row["bytes_to_server"] + row["bytes_to_client"] for row in report) == sum(map(len, frames))
        assert sum(row["packets_to_server"] + row["packets_to_client"] for row in report) == len(frames)
        return report

    return read


def facts(report, *names):
    return sorted((tuple(row[name] for name in names) for row in report if row["query"] is not None), key=str)


def test_a_question_and_its_answer_are_a_row_of_the_client(rows_of):
    frames = [asks("www.example.com"), answers("www.example.com", addresses=["192.0.2.1", "192.0.2.2"])]

    (row,) = rows_of(frames)

    assert {name: row[name] for name in ("query", "query_type", "client_ip", "resolvers", "response_codes")} == {
        "query": "www.example.com",
        "query_type": "A",
        "client_ip": CLIENT,
        "resolvers": [RESOLVER],
        "response_codes": ["NOERROR"],
    }
    assert (row["questions"], row["responses"], row["answers"]) == (1, 1, 2)
    assert (row["bytes_to_server"], row["bytes_to_client"]) == tuple(map(len, frames))
    assert row["unattributed_reason"] is None


def test_what_is_asked_again_adds_up_whatever_its_letters_and_ports(rows_of):
    frames = [
        asks("WwW.eXample.com"),
        asks("www.example.com", port=40001),
        answers("www.example.com", port=40001, code=2),
        answers("www.example.com", port=40001, code=0, addresses=["192.0.2.1"]),
        answers("www.example.com", port=40001, code=2),
    ]

    report = rows_of(frames)

    assert facts(report, "query", "questions", "responses", "answers", "response_codes") == [
        ("www.example.com", 2, 3, 1, ["SERVFAIL", "NOERROR"])
    ]


def test_clients_types_and_names_are_told_apart_on_one_connection(rows_of):
    frames = [
        *(asks("a.example", kind) for kind in ("A", "AAAA", 65300)),
        asks("b.example"),
        asks("a.example", client=OTHER),
    ]

    assert facts(rows_of(frames), "query", "query_type", "client_ip") == [
        ("a.example", "A", CLIENT),
        ("a.example", "A", OTHER),
        ("a.example", "AAAA", CLIENT),
        ("a.example", "TYPE65300", CLIENT),
        ("b.example", "A", CLIENT),
    ]


def test_over_tcp_the_handshake_asks_nothing(rows_of):
    message = bytes(DNS(id=7, qd=DNSQR(qname="www.example.com")))
    ends = Ether() / IP(src=CLIENT, dst=RESOLVER)
    segment = ends / TCP(sport=40000, dport=53, flags="PA", seq=2, ack=1) / Raw(b"\0" + bytes([len(message)]) + message)
    syn = ends / TCP(sport=40000, dport=53, flags="S", seq=1)

    report = rows_of([syn, segment])

    assert [(row["query"], row["unattributed_reason"], row["bytes_to_server"]) for row in report] == [
        ("www.example.com", None, len(segment)),
        (None, "no-question", len(syn)),
    ]


def test_a_frame_of_several_questions_counts_for_the_first_of_them(rows_of):
    several = DNS(qd=[DNSQR(qname="a.local", qtype="PTR"), DNSQR(qname="b.local", qtype="PTR")])
    multicast = Ether() / IP(src=CLIENT, dst="224.0.0.251") / UDP(sport=5353, dport=5353) / several

    report = rows_of([multicast])

    assert facts(report, "query", "questions", "bytes_to_server") == [("a.local", 1, len(multicast)), ("b.local", 1, 0)]


def test_what_is_no_dns_and_what_is_no_ip_are_rows_with_their_reasons(rows_of):
    web = Ether() / IP(src=CLIENT, dst="192.0.2.80") / UDP(sport=5000, dport=9) / Raw(b"x")
    broken = frame(Raw(b"\0" * 20))

    report = rows_of([asks("a.example"), broken, web, Ether(type=0x88CC) / Raw(b"x" * 50)])

    assert {row["unattributed_reason"] for row in report} == {None, "no-question", "not-ip"}


def naive_sums(path):
    """(client, name, type) → bytes, of messages over UDP with one question, as scapy reads them."""
    with (RawPcapNgReader if path.suffix == ".pcapng" else RawPcapReader)(str(path)) as reader:
        contents = [content for content, _ in reader]
    sums = defaultdict(int)
    for content in contents:
        packet = Ether(content)
        if not packet.haslayer(UDP) or not packet.haslayer(DNS):
            continue
        message, network = packet[DNS], packet[UDP].underlayer
        for question in list(message.qd or ())[:1]:
            client = network.dst if message.qr else network.src
            sums[client, question.qname.decode().rstrip(".").lower(), question.qtype] += len(content)
    return dict(sums)


@pytest.mark.parametrize("name", ["dns.pcap", "office.pcapng"])
def test_questions_have_the_bytes_that_another_reader_finds(name):
    types = {"A": 1, "AAAA": 28, "PTR": 12, "TXT": 16, "MX": 15}

    report = portcall.read(CAPTURES / name, by="query", filter="udp")

    found = {(row["client_ip"], row["query"], types[row["query_type"]]): row for row in report if row["query"]}
    naive = naive_sums(CAPTURES / name)
    assert naive
    assert {key: found[key]["bytes_to_server"] + found[key]["bytes_to_client"] for key in naive} == naive


def test_coverage_is_that_of_any_other_grouping():
    by_query, by_app = (portcall.read(CAPTURES / "office.pcapng", by=by).coverage for by in ("query", "app"))

    assert by_query.bytes_attributed == by_app.bytes_attributed
    assert by_query.frames == by_app.frames


def test_messages_beyond_the_bound_ask_nothing_and_are_counted(rows_of, monkeypatch):
    monkeypatch.setattr(server_names, "InspectionBounds", partial(InspectionBounds, most_messages=2))

    report = rows_of([asks(f"{letter}.example", port=40000 + at) for at, letter in enumerate("abcde")])

    assert len(facts(report, "query")) == 2
    assert [note.reason for note in report.degradations if note.feature == "questions"] == [
        "there was no room for 3 messages of DNS, which count as asking nothing"
    ]


def test_names_beyond_the_bound_are_counted_too(rows_of, monkeypatch):
    monkeypatch.setattr(server_names, "InspectionBounds", partial(InspectionBounds, most_question_characters=400))

    report = rows_of([asks(f"{letter}.example", port=40000 + at) for at, letter in enumerate("abcde")])

    assert len(facts(report, "query")) == 2


def test_without_payloads_there_are_no_questions_and_that_is_an_error():
    with pytest.raises(UsageError, match="--no-names"):
        offline.read([str(CAPTURES / "dns.pcap")], by="query", names=False)


def test_filters_choose_questions(rows_of):
    frames = [asks("a.example"), answers("a.example", code=3), asks("b.example", port=1)]

    chosen = portcall.read(rows_of(frames).source, by="query", where="response_codes=NXDOMAIN")

    assert facts(chosen, "query") == [("a.example",)]
    assert chosen.rows_left_out == 1


def test_hostile_names_reach_a_terminal_escaped(rows_of):
    stream = io.StringIO()

    write_table(rows_of([asks(b"\x1b[2J\xff\x07.example")]), stream)

    assert "\x1b" not in stream.getvalue()
    assert "\\x1b[2j\\xff\\x07.example" in stream.getvalue()


def test_parts_of_a_table_merge_to_the_whole():
    tracker = Tracker(names=ServerNames(with_questions=True))
    for batch in open_capture(str(CAPTURES / "dns.pcap")).source.batches():
        tracker.feed(batch)
    (table,) = tracker.tables
    parts = [Attribution("query", names=tracker.names) for _ in range(3)]

    ((rows, flows),) = table.flows.indexed_chunks()
    parts[0].add(flows, found=table.detected(rows))
    for part, some in zip(parts[1:], (slice(0, 5), slice(5, None)), strict=True):
        part.add(flows[some], found=table.detected(rows[some]))
    parts[1].merge(parts[2])

    assert list(parts[1].rows({})) == list(parts[0].rows({}))
