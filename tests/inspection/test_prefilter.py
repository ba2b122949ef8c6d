"""Who need not be asked: what the tables promise of the order in which dissectors are asked."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP

from examples import examples
from made_conversations import CLIENT, SERVER, inspected_in
from portcall.dissectors import tls
from portcall.inspection import candidates
from portcall.inspection.prefilter import _tables, dissectors_of, hinted_ports
from portcall.inspection.reassembly import Stream
from portcall.records.detections import Ends

IP_TCP = 6
TABLES = _tables()


@given(st.lists(st.sampled_from(sorted(hinted_ports())) | st.integers(0, 65535), min_size=2, max_size=2))
@settings(max_examples=examples(200))
def test_whoever_is_passed_over_for_records_is_asked_after_tls(ports):
    order = candidates._ordered(IP_TCP, candidates._hints(Ends(IP_TCP, *ports)))

    low, high = TABLES.asked_after_tls[max(TABLES.homes[port] for port in ports)].tolist()

    assert not dissectors_of(IP_TCP, low | high << 64) & set(order[: order.index(tls) + 1])


@pytest.mark.parametrize("port", [443, 5432, 3306, 53, 20000, 25565, 40000])
def test_short_records_are_what_whoever_is_asked_first_says_they_are(port):
    for size in range(1, 32):
        sent = struct.pack(">BHH", 23, 0x0303, size) + b"\xa5" * size
        packet = IP(src=SERVER, dst=CLIENT) / TCP(sport=port, dport=40001, flags="PA", seq=1) / sent

        (row,) = inspected_in([packet])

        assert row["application_protocol"] == first_said(Ends(IP_TCP, port, 40001), sent), size


def first_said(ends, sent):
    """The protocol by asking everybody in turn."""
    stream = Stream(None)
    stream.add(1, sent, 1, is_cut=False)
    _, detection = candidates.Conversation(ends, 0, (stream, Stream(None))).ask(0, stream.payload())
    return detection and detection.protocol
