"""The order of packets is told as Zeek tells it: letters, bytes that were missed, lengths of IP packets."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP, fragment
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6, IPv6ExtHdrHopByHop
from scapy.layers.l2 import Ether
from scapy.packet import Raw
from scapy.utils import rdpcap, wrpcap

from examples import examples
from portcall.exports._zeek_conn import NEEDED
from portcall.flows.packet_order import PacketOrder
from portcall.records.histories import (
    BYTES_OF_CLIENT,
    HISTORY_TEXT,
    IP_BYTES_OF_CLIENT,
    IP_BYTES_OF_SERVER,
    MISSED_BYTES,
    PACKETS_OF_CLIENT,
)
from portcall.runs import offline
from portcall.runs.streaming.stream_options import StreamOptions

CAPTURES = Path(__file__).parents[2] / "captures"
CLIENT, SERVER = ("10.0.0.1", 40000), ("10.0.0.2", 80)
HANDSHAKE = [("c", "S", 100, 0, 0), ("s", "SA", 500, 101, 0), ("c", "A", 101, 501, 0)]


def segment(end, flags, sequence, ack, size, window=1000):
    (source, port), (target, other) = (CLIENT, SERVER) if end == "c" else (SERVER, CLIENT)
    fields = {"flags": flags, "seq": sequence, "ack": ack, "window": window}
    return Ether() / IP(src=source, dst=target) / TCP(sport=port, dport=other, **fields) / Raw(b"x" * size)


def told(tmp_path, frames, **options):
    """What is told of each conversation, in order."""
    path = str(tmp_path / "made.pcap")
    for at, frame in enumerate(frames):
        frame.time = 1_700_000_000 + at
    wrpcap(path, frames)
    report = offline.read([path], by="flow", logs=True, names=False, **options).report
    blocks = report.rows.ordered_by("first_ns").blocks(names=NEEDED)
    return [row for block in blocks for row in block.rows(sorted(NEEDED)) if row["protocol"]]


def only(rows):
    (row,) = rows
    return row


@pytest.mark.parametrize(
    ("history", "segments"),
    [
        ("ShADadFf", [("c", "PA", 101, 501, 9), ("s", "A", 501, 110, 0), ("s", "PA", 501, 110, 9),
                      ("c", "A", 110, 510, 0), ("c", "FA", 110, 510, 0),
                      ("s", "FA", 510, 111, 0), ("c", "A", 111, 511, 0)]),
        ("ShAR", [("c", "R", 101, 0, 0)]),
        ("ShARR", [("c", "R", 101, 0, 0), ("c", "R", 105, 0, 0)]),  # another number
        ("ShAR", [("c", "R", 101, 0, 0), ("c", "R", 101, 0, 0)]),
        ("ShADT", [("c", "PA", 101, 501, 9), ("c", "PA", 101, 501, 9)]),
        ("ShADTT", [("c", "PA", 101, 501, 9)] * 11),  # the tenth
        ("ShADaW", [("c", "PA", 101, 501, 9), ("s", "A", 501, 110, 0), ("c", "A", 110, 501, 0, 0)]),
        ("ShAI", [("c", "FRA", 101, 501, 0)]),
        ("ShAq", [("s", "SRA", 501, 101, 0)]),
        ("ShAi", [("s", "FRA", 501, 101, 0)]),
    ],
)  # fmt: skip
def test_a_history_has_a_letter_for_what_happens_upper_case_of_who_began(tmp_path, history, segments):
    frames = [segment(*one) for one in [*HANDSHAKE, *segments]]

    assert only(told(tmp_path, frames))[HISTORY_TEXT] == history


def test_bytes_that_the_other_end_acknowledges_and_nobody_saw_were_missed(tmp_path):
    segments = [("c", "PA", 101, 501, 10), ("c", "PA", 131, 501, 10), ("s", "A", 501, 141, 0)]

    row = only(told(tmp_path, [segment(*one) for one in [*HANDSHAKE, *segments]]))

    assert (row[HISTORY_TEXT], row[MISSED_BYTES]) == ("ShADaG", 20)


def test_two_holes_are_two_gaps_and_what_is_between_them_was_not_missed(tmp_path):
    later = [("c", "PA", at, 501, 10) for at in (131, 111, 161)]  # holes before 111 and 131, and before 161
    segments = [*later, ("s", "A", 501, 171, 0)]

    row = only(told(tmp_path, [segment(*one) for one in [*HANDSHAKE, *segments]]))

    assert (row[HISTORY_TEXT], row[MISSED_BYTES]) == ("ShADTaG", 10 + 10 + 20)


def test_a_hole_that_is_filled_late_is_none(tmp_path):
    segments = [("c", "PA", 111, 501, 10), ("c", "PA", 101, 501, 10), ("s", "A", 501, 121, 0)]

    row = only(told(tmp_path, [segment(*one) for one in [*HANDSHAKE, *segments]]))

    assert (row[HISTORY_TEXT], row[MISSED_BYTES]) == ("ShADTa", 0)


def test_what_the_capture_cut_off_was_missed_as_in_zeek(tmp_path):
    frames = [segment(*one) for one in [*HANDSHAKE, ("c", "PA", 101, 501, 200), ("s", "A", 501, 301, 0)]]
    frames[3].wirelen = len(frames[3])
    cut = Ether(bytes(frames[3])[:80])
    cut.wirelen = len(frames[3])

    row = only(told(tmp_path, [*frames[:3], cut, frames[4]]))

    assert row[MISSED_BYTES] == 200


@pytest.mark.parametrize(
    ("history", "segments"),
    [
        ("^hA", [("s", "SA", 500, 101, 0), ("c", "A", 101, 501, 0)]),
        ("^dA", [("s", "PA", 500, 101, 5), ("c", "A", 101, 505, 0)]),
        ("DA", [("c", "PA", 101, 501, 5), ("c", "A", 106, 505, 0)]),
    ],
)
def test_a_circumflex_says_that_the_server_was_seen_first(tmp_path, history, segments):
    assert only(told(tmp_path, [segment(*one) for one in segments]))[HISTORY_TEXT] == history


def test_a_syn_that_comes_behind_its_answer_turns_the_direction_back(tmp_path):
    high, low = ("10.0.0.2", 50001), ("10.0.0.1", 50002)
    ends = {"src": high[0], "dst": low[0]}, {"src": low[0], "dst": high[0]}
    ports = {"sport": high[1], "dport": low[1]}, {"sport": low[1], "dport": high[1]}
    answer, syn = (Ether() / IP(**ends[i]) / TCP(**ports[i]) for i in (0, 1))
    answer[TCP].flags, answer[TCP].seq, answer[TCP].ack = "SA", 500, 101
    syn[TCP].flags, syn[TCP].seq = "S", 100

    assert only(told(tmp_path, [answer, syn]))[HISTORY_TEXT] == "Hs^"


def test_datagrams_have_a_letter_an_end_and_icmp_has_none(tmp_path):
    ends = {"src": "10.0.0.1", "dst": "10.0.0.2"}
    frames = [Ether() / IP(**ends) / UDP(sport=40000, dport=53) / Raw(b"x")] * 3
    frames += [Ether() / IP(src="10.0.0.2", dst="10.0.0.1") / UDP(sport=53, dport=40000)]

    rows = told(tmp_path, [*frames, Ether() / IP(**ends) / ICMP()])

    assert [row[HISTORY_TEXT] for row in rows] == ["Dd", None]
    assert [row[IP_BYTES_OF_CLIENT] for row in rows] == [3 * 29, 28]


def test_fragments_count_as_the_datagram_that_they_are(tmp_path):
    whole = IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=40000, dport=53) / Raw(b"x" * 3000)

    row = only(told(tmp_path, [Ether() / one for one in fragment(whole, 1000)]))

    assert row[IP_BYTES_OF_CLIENT] == len(whole)


def test_lengths_are_of_the_header_that_the_addresses_are_from(tmp_path):
    inner = IPv6(src="2001:db8::1", dst="2001:db8::2") / IPv6ExtHdrHopByHop() / UDP(sport=40000, dport=53) / Raw(b"xyz")
    outer = Ether() / IP(src="10.0.0.1", dst="10.0.0.2", proto=41) / inner

    assert only(told(tmp_path, [outer]))[IP_BYTES_OF_CLIENT] == len(inner)


@pytest.mark.parametrize("name", ["dns.pcap", "ssh.pcap", "reuse.pcap", "database.pcap", "scan.pcap"])
def test_lengths_of_ip_are_those_that_another_reader_sums(name):
    path = str(CAPTURES / name)
    lengths = [
        frame[IP].len if frame.haslayer(IP) else 40 + frame[IPv6].plen
        for frame in rdpcap(path)
        if frame.haslayer(IP) or frame.haslayer(IPv6)
    ]

    rows = offline.read([path], by="flow", logs=True).report.rows
    columns = (IP_BYTES_OF_CLIENT, IP_BYTES_OF_SERVER)
    told = [row[column] for block in rows.blocks() for row in block.rows(columns) for column in columns]

    assert sum(filter(None, told)) == sum(lengths)


def test_what_stays_keeps_its_history_when_others_leave(tmp_path):
    short = [Ether() / IP(src=f"10.1.0.{i}", dst="10.0.0.2") / UDP(sport=4000, dport=53) for i in range(1, 40)]
    segments = [*HANDSHAKE, ("c", "PA", 121, 501, 10)]
    last = [("c", "PA", 131, 501, 10), ("s", "A", 501, 141, 0)]
    frames = [segment(*one) for one in segments]
    for one in short:
        frames += [one, segment("c", "A", 101, 501, 0)]
    frames += [segment(*one) for one in last]

    rows = told(tmp_path, frames, stream=StreamOptions(idle_timeout_s=10.0))

    (row,) = [row for row in rows if row["protocol"] == "tcp"]
    assert (row[HISTORY_TEXT], row[MISSED_BYTES]) == ("ShADaG", 20)


def test_segments_behind_holes_are_bounded_and_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(PacketOrder.__init__, "__kwdefaults__", {"cut_is_missed": True, "most_islands": 1})
    far = [("c", "PA", 201 + 20 * i, 501, 10) for i in range(5)]
    path = str(tmp_path / "made.pcap")
    wrpcap(path, [segment(*one) for one in [*HANDSHAKE, *far]])

    report = offline.read([path], by="flow", logs=True).report

    assert "no room for 4 TCP segments" in " ".join(note.reason for note in report.degradations)


def test_more_letters_than_there_is_room_for_are_counted(tmp_path):
    resets = [("c", "R", 101 + i, 0, 0) for i in range(60)]
    path = str(tmp_path / "made.pcap")
    wrpcap(path, [segment(*one) for one in [*HANDSHAKE, *resets]])

    report = offline.read([path], by="flow", logs=True).report

    assert "1 conversations have more letters than 40" in " ".join(note.reason for note in report.degradations)


def damaged_sum(frame):
    built = Ether(bytes(frame))
    layer = built[TCP] if built.haslayer(TCP) else built[UDP] if built.haslayer(UDP) else built[ICMP]
    layer.chksum ^= 0x0101
    return built


def test_checksums_are_not_judged_unless_somebody_asks(tmp_path):
    frames = [damaged_sum(segment(*one)) for one in HANDSHAKE]

    assert only(told(tmp_path, frames))[HISTORY_TEXT] == "ShA"
    assert only(told(tmp_path, frames, checksums=True))[HISTORY_TEXT] == "Cc"


def test_a_packet_with_a_wrong_checksum_is_a_letter_and_counts_for_nothing(tmp_path):
    data = segment("c", "PA", 101, 501, 10)
    frames = [*(segment(*one) for one in HANDSHAKE), *[damaged_sum(data)] * 10, data]

    row = only(told(tmp_path, frames, checksums=True))

    assert (row[HISTORY_TEXT], row[IP_BYTES_OF_CLIENT]) == ("ShACCD", 2 * 40 + 50)


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("transport", [TCP(sport=40000, dport=53), UDP(sport=40000, dport=53), ICMP()])
@pytest.mark.parametrize("size", [0, 1, 8, 13])
def test_right_checksums_are_known_by_another_programs(tmp_path, version, transport, size):
    if version == 6 and transport.haslayer(ICMP):
        transport = ICMPv6EchoRequest()
    network = IP(src="10.0.0.1", dst="10.0.0.2") if version == 4 else IPv6(src="2001:db8::1", dst="2001:db8::2")
    right = Ether() / network / transport.copy() / Raw(b"\xfe" * size)

    assert only(told(tmp_path, [right], checksums=True))[PACKETS_OF_CLIENT] == 1
    if version == 4:
        assert only(told(tmp_path, [damaged_sum(right)], checksums=True))[PACKETS_OF_CLIENT] == 0


def test_a_datagram_without_a_checksum_is_right(tmp_path):
    frame = Ether() / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=40000, dport=53, chksum=0) / Raw(b"x")

    row = only(told(tmp_path, [frame], checksums=True))

    assert (row[HISTORY_TEXT], row[BYTES_OF_CLIENT]) == ("D", 1)


def missed_by_hand(said):
    """Bytes that were acknowledged and had not come by then, each once; ("d", first, size) or ("a", up to)."""
    known, missed = set(), 0
    for kind, first, *size in said:
        if kind == "d":
            known.update(range(first, first + size[0]))
        else:
            lost = set(range(first)) - known
            missed, known = missed + len(lost), known | lost
    return missed


data_or_acks = st.lists(
    st.one_of(
        st.tuples(st.just("d"), st.integers(0, 60), st.integers(1, 20)),
        st.tuples(st.just("a"), st.integers(1, 80)),
    ),
    max_size=30,
)


@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(said=data_or_acks, start=st.sampled_from([100, 2**32 - 30]))
def test_missed_bytes_are_those_of_a_plain_reading_in_any_order_and_where_numbers_wrap(tmp_path, said, start):
    wrap = 1 << 32
    frames = [segment("c", "S", start, 0, 0), segment("s", "SA", 500, (start + 1) % wrap, 0)]
    frames.append(segment("c", "A", (start + 1) % wrap, 501, 0))
    for kind, first, *size in said:
        number = (start + 1 + first) % wrap
        frames.append(segment("c", "PA", number, 501, size[0]) if kind == "d" else segment("s", "A", 501, number, 0))

    assert only(told(tmp_path, frames))[MISSED_BYTES] == missed_by_hand(said)
