"""FTP's announcements of the connections that carry its data."""

import pytest
from inspecting import TCP, inspect

from portcall.dissectors import ftp
from portcall.records.detections import ExpectedFlow, Role

IPV4, IPV6 = bytes([192, 0, 2, 7]), bytes.fromhex("20010db8000000000000000000000007")
SAMPLES = [
    (
        TCP,
        b"USER anonymous\r\nPORT 192,0,2,7,195,80\r\nEPRT |2|2001:db8::7|50000|\r\nLPRT 4,4,192,0,2,7,2,1,2\r\n",
    ),
    (TCP, b"220 FTP ready\r\n227 Entering Passive Mode (192,0,2,7,195,80).\r\n229 Ok (|||50000|)\r\n"),
]


def to(address, port=50000):
    return ExpectedFlow("ftp-data", TCP, port, address)


@pytest.mark.parametrize(
    ("line", "role", "expected"),
    [
        (b"PORT 192,0,2,7,195,80", Role.CLIENT, (to(IPV4), to(b""))),
        (b"port 192,0,2,7,195,80", Role.CLIENT, (to(IPV4), to(b""))),
        (b"227 Entering Passive Mode (192,0,2,7,195,80).", Role.SERVER, (to(IPV4), to(b""))),
        (b"227 =192,0,2,7,195,80", Role.SERVER, (to(IPV4), to(b""))),
        (b"EPRT |1|192.0.2.7|50000|", Role.CLIENT, (to(IPV4),)),
        (b"EPRT !2!2001:db8::7!50000!", Role.CLIENT, (to(IPV6),)),
        (b"229 Entering Extended Passive Mode (|||50000|)", Role.SERVER, (to(b""),)),
        (b"LPRT 4,4,192,0,2,7,2,195,80", Role.CLIENT, (to(IPV4), to(b""))),
        (
            b"228 Entering Long Passive Mode (6,16,32,1,13,184,0,0,0,0,0,0,0,0,0,0,0,7,2,195,80)",
            Role.SERVER,
            (to(IPV6), to(b"")),
        ),
    ],
)
def test_each_way_to_announce_a_transfer_is_read_also_by_itself(line, role, expected):
    inspected = inspect(ftp, TCP, line + b"\r\n")

    assert (inspected.protocol, inspected.role, inspected.expected) == ("ftp", role, expected)


@pytest.mark.parametrize(
    "line",
    [
        b"227 Entering Passive Mode (192,0,2,7,0,0)",
        b"229 Entering Extended Passive Mode (|||70000|)",
        b"229 Entering Extended Passive Mode (|||0|)",
        b"EPRT |2|2001:db8:::7|50000|",
        b"LPRT 4,5,192,0,2,7,2,195,80,0",
        b"LPRT 6,255,0,0,0,0,2,195,80",
    ],
)
def test_nothing_is_expected_at_what_is_no_port_or_address(line):
    assert inspect(ftp, TCP, line + b"\r\n").expected == ()


@pytest.mark.parametrize("line", [b"227 Bye", b"229 Ok", b"PORT 1,2,3", b"EPRT |1|192.0.2.7|50000", b"229 (||50000|)"])
def test_half_an_announcement_is_none(line):
    assert inspect(ftp, TCP, line + b"\r\n") is None


def test_all_announcements_of_a_conversation_are_read():
    sent = b"USER me\r\n" + b"PORT 10,0,0,1,4,1\r\nNLST\r\nPORT 10,0,0,1,4,2\r\nNLST\r\n"

    inspected = inspect(ftp, TCP, sent, target_port=21)

    assert {expected.port for expected in inspected.expected} == {1025, 1026}


def test_the_announcements_of_one_speech_are_bounded():
    inspected = inspect(ftp, TCP, b"PORT 10,0,0,1,4,1\r\n" * 1000)

    assert len(inspected.expected) == 64
