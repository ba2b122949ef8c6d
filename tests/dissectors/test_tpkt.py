"""What runs on TPKT: connection requests by MS-RDPBCGR §4.1.1 and RFC 1006."""

import pytest
from inspecting import TCP, inspect

from portcall.dissectors import tpkt
from portcall.records.detections import WAIT, Role

RDP = bytes.fromhex("0300002c27e00000000000436f6f6b69653a206d737473686173683d656c746f6e730d0a0100080000000000")
"""The example of MS-RDPBCGR §4.1.1."""
RDP_ANSWER = bytes.fromhex("030000130ed000001234000200080000000000")
S7 = bytes.fromhex("0300001611e00000000100c0010ac1020100c2020102")
S7_JOB = bytes.fromhex("0300001902f08032010000000000080000f0000001000101e0")
S7_PLUS_JOB = bytes.fromhex("0300000d02f0807201007a3200")
MMS = bytes.fromhex("0300000a02f0800d0100")
H323 = bytes.fromhex("0300000e080200010501040288c0")
SAMPLES = [(TCP, data) for data in (RDP, RDP_ANSWER, S7 + S7_JOB, S7_JOB, H323, MMS)]


def test_a_remote_desktops_cookie_names_the_user():
    inspected = inspect(tpkt, TCP, RDP)

    assert (inspected.protocol, inspected.role) == ("rdp", Role.CLIENT)
    assert dict(inspected.details) == {"user": "eltons"}


def test_its_answer_is_the_servers():
    assert (inspect(tpkt, TCP, RDP_ANSWER).protocol, inspect(tpkt, TCP, RDP_ANSWER).role) == ("rdp", Role.SERVER)


@pytest.mark.parametrize(
    ("sent", "protocol"),
    [(S7 + S7_JOB, "s7comm"), (S7 + S7_PLUS_JOB, "s7comm-plus"), (S7_JOB, "s7comm"), (MMS, "mms-iso"), (H323, "h323")],
)
def test_the_data_after_the_connection_tell(sent, protocol):
    assert inspect(tpkt, TCP, sent).protocol == protocol


def test_a_bare_connection_may_yet_become_something():
    inspected = inspect(tpkt, TCP, S7)

    assert (inspected.protocol, inspected.is_final) == ("iso-tsap", False)


def test_half_a_header_is_waited_for():
    assert inspect(tpkt, TCP, b"\3\0\0") is WAIT
    assert inspect(tpkt, TCP, b"\3\1\0") is None
