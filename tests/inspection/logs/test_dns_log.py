"""Questions and the answers to them."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.dns import DNS, DNSQR, DNSRR, DNSRRDNSKEY, DNSRRDS, DNSRRMX, DNSRRNSEC, DNSRRRSIG, DNSRRSOA, DNSRRSRV

from examples import examples
from portcall.inspection.logs.dns_log import DnsLog

ASKS, TELLS = 0, 1


def logged(*said, transport="udp", ports=(40000, 53)):
    log = DnsLog(transport, ports)
    entries = [entry for at, (side, data) in enumerate(said) for entry in log.feed(side, bytes(data), at * 10**9)]
    return [(entry.ts_ns, dict(entry.fields)) for entry in (*entries, *log.finish())]


def asked(name="a.example", kind="A", number=7):
    return DNS(id=number, rd=1, qd=[DNSQR(qname=name, qtype=kind)])


def told(*records, name="a.example", kind="A", number=7, **fields):
    return DNS(id=number, qr=1, qd=[DNSQR(qname=name, qtype=kind)], an=list(records), **fields)


def test_an_answer_belongs_to_its_question():
    records = [DNSRR(rrname="a.example", type="CNAME", rdata="b.example", ttl=9),
               DNSRR(rrname="b.example", rdata="192.0.2.1", ttl=5)]  # fmt: skip

    ((ts_ns, line),) = logged((ASKS, asked("A.example")), (TELLS, told(*records, ra=1, aa=1)))

    assert ts_ns == 0
    assert (line["query"], line["qtype_name"], line["qclass_name"]) == (b"a.example", "A", "C_INTERNET")
    assert (line["answers"], line["TTLs"]) == ([b"b.example", b"192.0.2.1"], [9.0, 5.0])
    assert (line["rtt"], line["rcode_name"], line["rejected"]) == (1.0, "NOERROR", False)
    assert (line["RD"], line["RA"], line["AA"], line["TC"]) == (True, True, True, False)


def test_questions_on_one_connection_are_told_apart_by_number_and_name():
    lines = logged(
        (ASKS, asked("a.example", number=1)),
        (ASKS, asked("b.example", number=1)),
        (ASKS, asked("c.example", number=2)),
        (TELLS, told(name="b.example", number=1, rcode=3)),
    )

    assert [(line["query"], line.get("rcode_name")) for _, line in lines] == [
        (b"b.example", "NXDOMAIN"),
        (b"a.example", None),
        (b"c.example", None),
    ]


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (DNSRR(rrname="a", type="AAAA", rdata="2001:db8::1"), b"2001:db8::1"),
        (DNSRRMX(rrname="a", preference=5, exchange="mx.example"), b"mx.example"),
        (DNSRRSRV(rrname="a", port=5060, target="sip.example"), b"sip.example"),
        (DNSRRSOA(rrname="a", mname="ns.example", rname="who.example"), b"ns.example"),
        (DNSRR(rrname="a", type="TXT", rdata=[b"one", b"tw\xff"]), b"TXT 3 one TXT 3 tw\xff"),
        (DNSRR(rrname="a", type=99, rdata=b"\6v=spf1"), b"SPF 6 v=spf1"),
        (DNSRR(rrname="a", type=35, rdata=b"\0\1\0\2\1s\3SIP\0\1b\0"), b"NAPTR 1 2 s SIP b"),
        (DNSRR(rrname="a", type=35, rdata=b"\0\1"), b"NAPTR 1 0   "),
        (DNSRR(rrname="a", type=65300, rdata=b"x"), b"<unknown type=65300>"),
        (DNSRRRSIG(rrname="a", typecovered=28, signersname="Example"), b"RRSIG 28 example"),
        (DNSRRDNSKEY(rrname="a", algorithm=8, publickey=b"k"), b"DNSKEY 8"),
        (DNSRRDS(rrname="a", algorithm=8, digesttype=2, digest=b"d"), b"DS 8 2"),
        (DNSRRNSEC(rrname="a", nextname="b.example"), b"NSEC a b.example"),
        (DNSRR(rrname="a", type=44, rdata=b"\1\2\xab\xcd"), b"SSHFP: abcd"),
        (DNSRR(rrname="a", type=46, rdata=b""), b"RRSIG 0 <Root>"),
        (DNSRR(rrname="a", type=29, rdata=b"\0\x12\x15\x13" + bytes(12)), b"LOC:  18 21 19"),
    ],
)
def test_records_are_written_as_zeek_writes_them(record, text):
    assert logged((TELLS, told(record)))[0][1]["answers"] == [text]


@pytest.mark.parametrize("kind", [13, 65, 249])
def test_what_zeeks_scripts_take_no_note_of_is_no_answer(kind):
    ((_, line),) = logged((ASKS, asked("a.example")), (TELLS, told(DNSRR(rrname="a", type=kind, rdata=b"x"), aa=1)))

    assert {"answers", "rtt"}.isdisjoint(line)
    assert (line["rcode_name"], line["AA"]) == ("NOERROR", False)


def test_several_messages_of_a_stream_come_in_any_pieces():
    stream = b"".join(len(bytes(one)).to_bytes(2, "big") + bytes(one) for one in (asked("a.b"), asked("c.d", number=8)))

    lines = logged(*((ASKS, stream[at : at + 5]) for at in range(0, len(stream), 5)), transport="tcp")

    assert [line["query"] for _, line in lines] == [b"a.b", b"c.d"]


def test_mdns_answers_are_lines_of_their_own():
    answer = DNS(qr=1, an=[DNSRR(rrname="printer.local", rdata="192.0.2.9", ttl=120)], qd=[])

    lines = logged((ASKS, asked("printer.local", number=0)), (TELLS, answer), ports=(5353, 5353))

    assert [(line["query"], line.get("answers")) for _, line in lines] == [
        (b"printer.local", None),
        (b"printer.local", [b"192.0.2.9"]),
    ]


def test_a_refusal_without_records_is_rejected():
    refused = DNS(id=7, qr=1, rcode=5, qd=[])

    assert logged((TELLS, refused))[0][1]["rejected"] is True


def test_a_message_that_asks_nothing_waits_for_nothing():
    nothing = DNS(id=7, qd=[])

    lines = logged((ASKS, nothing), (TELLS, told(rcode=3)), (ASKS, nothing))

    assert [line["rcode_name"] for _, line in lines] == ["NXDOMAIN"]


def test_more_questions_than_anybody_waits_for_are_lines_at_once():
    log = DnsLog("udp", (40000, 53))

    entries = [entry for number in range(1000) for entry in log.feed(ASKS, bytes(asked(number=number)), number)]

    assert len(entries) + len(log.finish()) == 1000
    assert len(entries) >= 700


headers = st.tuples(st.integers(0, 1), st.sampled_from([0, 0x8000, 0x8180]), st.integers(0, 2), st.integers(0, 2))


@settings(max_examples=examples(200))
@given(st.lists(st.tuples(headers, st.sampled_from([b"", b"\1a\0\0\1\0\1", b"\xc0\x0c"])), max_size=12))
def test_no_order_of_messages_makes_it_raise_or_lose_a_question(messages):
    log, entries, asked = DnsLog("udp", (40000, 53)), [], 0

    for (number, flags, questions, answers), body in messages:
        data = struct.pack(">6H", number, flags, questions, answers, 0, 0) + body * 2
        entries += log.feed(0, data, 0)
        asked += questions if not flags & 0x8000 and len(body) * 2 >= questions * 7 and body[:1] == b"\1" else 0
    entries += log.finish()

    assert not log._waiting
    assert log._count == 0
    assert len([entry for entry in entries if "query" in entry.fields]) >= asked


@settings(max_examples=examples(200))
@given(
    st.lists(st.tuples(st.sampled_from([0, 1]), st.binary(max_size=60)), max_size=8), st.sampled_from(["udp", "tcp"])
)
def test_no_bytes_make_it_raise(said, transport):
    logged(*said, transport=transport)
