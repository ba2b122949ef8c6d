"""UDP questions: other people's dissectors know them, and only their own answers count as such."""

from __future__ import annotations

import shutil
import struct
import subprocess

import pytest

from portcall.probes.questions import RANDOM_BYTES, question_for

RANDOM = bytes(range(0x41, 0x41 + RANDOM_BYTES))
PORTS = {53: "dns", 123: "ntp", 161: "snmp", 443: "quic", 3478: "stun", 5353: "mdns"}


def answer_of(port: int) -> bytes:
    """An answer as its protocol has it, made without the code under test."""
    question = question_for(port, RANDOM).data
    return {
        53: question[:2] + b"\x81\x85" + question[4:],
        123: b"\x24" + bytes(23) + RANDOM[:8] + bytes(16),
        161: question.replace(b"\xa0", b"\xa8"),
        443: b"\xe5" + bytes(4) + question[14:23] + question[5:14] + b"\0\0\0\1",
        3478: b"\x01\x01\x00\x00" + question[4:],
        5353: question[:2] + b"\x84\x00" + question[4:],
    }[port]


@pytest.mark.parametrize("port", PORTS)
def test_an_answer_that_repeats_our_random_bytes_counts(port):
    assert question_for(port, RANDOM).is_answer(answer_of(port))


@pytest.mark.parametrize("port", PORTS)
def test_an_answer_to_somebody_else_does_not_count(port):
    assert not question_for(port, bytes(reversed(RANDOM))).is_answer(answer_of(port))


@pytest.mark.parametrize("port", PORTS)
def test_our_own_question_echoed_is_no_answer(port):
    question = question_for(port, RANDOM)

    assert not question.is_answer(question.data)


@pytest.mark.parametrize("port", PORTS)
def test_cut_answers_make_nothing_fail(port):
    question = question_for(port, RANDOM)
    whole = answer_of(port)

    verdicts = [question.is_answer(whole[:length]) for length in range(len(whole))]

    assert not verdicts[0]


def test_a_port_of_no_known_protocol_gets_an_empty_datagram():
    question = question_for(9, RANDOM)

    assert (question.protocol, question.data) == (None, b"")


@pytest.mark.parametrize("port", PORTS)
def test_tshark_knows_the_question_and_finds_no_fault(port, tmp_path):
    if not shutil.which("tshark"):
        pytest.skip("needs tshark: sudo apt install tshark")
    capture = tmp_path / "question.pcap"
    capture.write_bytes(_capture_of(port, question_for(port, RANDOM).data))

    fields = ["-T", "fields", "-e", "frame.protocols", "-e", "_ws.malformed"]
    run = subprocess.run(["tshark", "-r", capture, *fields], capture_output=True, text=True, check=True)

    protocols, _, malformed = run.stdout.strip("\n").partition("\t")
    assert (protocols.rpartition("udp:")[2], malformed) == (PORTS[port], "")


def _capture_of(port: int, data: bytes) -> bytes:
    """One UDP datagram in a pcap of raw IPv4."""
    ends = bytes([192, 0, 2, 1, 192, 0, 2, 2])
    frame = struct.pack(">BxHHHBBH", 0x45, 28 + len(data), 0, 0, 64, 17, 0) + ends
    frame += struct.pack(">HHHH", 40000, port, 8 + len(data), 0) + data
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
    return head + struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame
