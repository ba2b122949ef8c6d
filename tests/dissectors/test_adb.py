"""Android's debug bridge: its greeting, and the TLS behind STLS."""

from struct import pack

import pytest
from inspecting import TCP, inspect
from tls_handshakes import client_hello

from portcall.dissectors import adb
from portcall.records.detections import WAIT, Name, NameKind


def message(command, argument=0, data=b""):
    magic = int.from_bytes(command, "little") ^ 0xFFFFFFFF
    return pack("<4sIIIII", command, argument, 4096, len(data), sum(data), magic) + data


GREETING = message(b"CNXN", 0x01000001, b"host::features=shell_v2")
SAMPLES = [(TCP, GREETING), (TCP, message(b"CNXN", 0x01000000) + message(b"STLS") + client_hello("phone.example"))]


@pytest.mark.parametrize("version", [0x01000000, 0x01000001])
def test_a_greeting_tells_the_bridge(version):
    assert inspect(adb, TCP, message(b"CNXN", version)).protocol == "adb"


def test_the_name_behind_stls_is_heard():
    sent = GREETING + message(b"STLS", 0x01000000) + client_hello("phone.example")

    inspected = inspect(adb, TCP, sent, message(b"STLS", 0x01000000))

    assert inspected.names == (Name(NameKind.TLS_SNI, "phone.example"),)
    assert inspected.is_final


def test_a_bridge_that_may_yet_begin_tls_is_listened_to():
    assert not inspect(adb, TCP, GREETING).is_final
    assert not inspect(adb, TCP, GREETING + message(b"STLS")).is_final


def test_what_follows_an_opened_stream_is_no_tls():
    inspected = inspect(adb, TCP, GREETING + message(b"OPEN", 1, b"shell:\0") + client_hello("phone.example"))

    assert inspected.is_final
    assert not inspected.names


def test_the_beginning_of_a_greeting_is_waited_for():
    assert inspect(adb, TCP, GREETING[:7]) is WAIT


def test_another_version_is_none_of_it():
    assert inspect(adb, TCP, message(b"CNXN", 0x02000000)) is None
