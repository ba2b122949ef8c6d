"""Machines' protocols: messages laid out by their standards, checksums by what the standards' examples give."""

import struct

import pytest
from inspecting import TCP, UDP, inspect

from portcall.dissectors import industrial
from portcall.records.detections import WAIT, Role

IEC_104 = bytes.fromhex("680407000000") + bytes.fromhex("680e0000000064010600010000000014")
DNP3 = bytes.fromhex("056405c001000004e921")
"""A reset of the link by a master; the checksum is that of IEEE 1815's algorithm (scapy's and Wireshark's captures)."""
ENIP = bytes.fromhex("65000400") + bytes(20) + bytes.fromhex("01000000")
OPC_UA = b"HELF" + struct.pack("<I", 32) + bytes(24)
KNX = bytes.fromhex("06100201000e0801c0a858e7a17f")
BACNET = bytes.fromhex("810b000c0120ffff00ff1008")
SYNCHROPHASOR = bytes.fromhex("aa41001200f100000000000000000005d7d0")
DLMS = bytes.fromhex("7ea00703 21930f017e".replace(" ", ""))
ADS = b"\0\0" + struct.pack("<I", 32) + bytes(16) + struct.pack("<HHI", 4, 4, 0) + bytes(8)
SAMPLES = [
    (TCP, IEC_104), (TCP, DNP3), (TCP, ENIP), (TCP, OPC_UA), (UDP, KNX), (UDP, BACNET), (TCP, SYNCHROPHASOR),
    (TCP, DLMS), (TCP, ADS),
]  # fmt: skip


@pytest.mark.parametrize(
    ("transport", "sent", "protocol"),
    [
        (TCP, IEC_104, "iec-104"),
        (TCP, DNP3, "dnp3"),
        (TCP, ENIP, "ethernet-ip"),
        (TCP, OPC_UA, "opc-ua"),
        (UDP, KNX, "knx"),
        (UDP, BACNET, "bacnet"),
        (TCP, SYNCHROPHASOR, "synchrophasor"),
        (UDP, SYNCHROPHASOR, "synchrophasor"),
        (TCP, DLMS, "dlms"),
        (TCP, ADS, "beckhoff-ads"),
    ],
)
def test_a_message_tells_on_any_port(transport, sent, protocol):
    assert inspect(industrial, transport, sent).protocol == protocol


@pytest.mark.parametrize("sent", [DNP3, SYNCHROPHASOR], ids=["dnp3", "synchrophasor"])
def test_a_wrong_checksum_is_refused(sent):
    assert inspect(industrial, TCP, sent[:-1] + bytes([sent[-1] ^ 1])) is None


def test_a_master_is_a_client():
    assert inspect(industrial, TCP, DNP3).role == Role.CLIENT


def test_a_frame_that_nothing_known_follows_is_refused():
    assert inspect(industrial, TCP, IEC_104[:6] + b"GET / HTTP/1.1") is None


def test_half_a_header_is_waited_for():
    assert inspect(industrial, TCP, IEC_104[:3]) is WAIT
