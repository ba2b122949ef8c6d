"""Payloads that the capture has cut: the kernel tells what the dissectors tell, and leaves the commonest to nobody."""

from __future__ import annotations

import pytest
from scapy.layers.inet import IP, TCP

from made_conversations import CLIENT, SERVER, answered, batch_of, dialogue, inspected_in
from portcall.decoding.decoder import Decoder
from portcall.flows.table import FlowTable
from portcall.inspection.server_names import ServerNames

RECORD = b"\x17\x03\x03\x05\xa3" + b"\xb0" * 0x5A3
ASKED = answered("www.example.com")
OPENED = dialogue([b"", RECORD], 443)
IN_THE_MIDDLE = [IP(src=SERVER, dst=CLIENT) / TCP(sport=443, dport=40000, flags="A", seq=9, ack=9) / RECORD]
LONG_BEGUN = [IP(src=SERVER, dst=CLIENT) / TCP(sport=8080, dport=40000, flags="A", seq=9, ack=9) / RECORD]
AN_ANSWER_THAT_ASKS_TWICE = bytes(ASKED[1]).replace(b"\0\1\0\1\0\0\0\0\3www", b"\0\2\0\1\0\0\0\0\3www")


def left_to_dissectors(packets, snap):
    """How many payloads the kernel leaves to the dissectors."""
    table = FlowTable(inspects=True)
    inspector = ServerNames().inspector_for(table)
    batch = batch_of(packets, snap)
    decoded = Decoder().decode(batch)
    inspector.inspect(batch, decoded, table.update(decoded), 1)
    return sum(1 for _ in iter(inspector._kernel.next_deferred, None))


@pytest.mark.parametrize("snap", range(28, 96, 7))
@pytest.mark.parametrize(
    "packets", [ASKED, [*ASKED, *ASKED], ASKED[1:], [IP(AN_ANSWER_THAT_ASKS_TWICE)], OPENED, IN_THE_MIDDLE, LONG_BEGUN]
)
def test_wherever_it_is_cut_the_kernel_tells_what_the_dissectors_tell(packets, snap):
    by_dissectors = list(inspected_in(packets, by_dissectors=True, snap=snap))

    assert list(inspected_in(packets, with_details=True, snap=snap)) == by_dissectors
    assert [row["evidence_frame"] for row in inspected_in(packets, snap=snap)] == [
        row["evidence_frame"] for row in by_dissectors
    ]


@pytest.mark.parametrize("snap", [40, 41, 45, 53, 59, 61])  # within the question, which begins at byte 40
def test_a_question_that_is_cut_is_left_to_nobody(snap):
    assert left_to_dissectors(ASKED, snap) == 0
    assert [row["application_protocol"] for row in inspected_in(ASKED, snap=snap)] == ["dns"]


@pytest.mark.parametrize(("packets", "port"), [(OPENED, 443), (IN_THE_MIDDLE, 443), (LONG_BEGUN, 8080)])
def test_a_record_that_is_cut_is_enough_at_a_port_of_tls_alone(packets, port):
    assert left_to_dissectors(packets, 60) == (port == 8080)
    assert [row["application_protocol"] for row in inspected_in(packets, snap=60)] == ["tls" if port == 443 else None]
