"""Gnutella, by the layouts of its specification."""

from inspecting import TCP, UDP, inspect

from portcall.dissectors import gnutella
from portcall.records.detections import WAIT, Role

CONNECT = b"GNUTELLA CONNECT/0.6\r\nNode: 192.0.2.1:6346\r\nUser-Agent: gtk-gnutella/1.2\r\n\r\n"
OK = b"GNUTELLA/0.6 200 OK\r\nX-Ultrapeer: True\r\n\r\n"
PING = bytes(range(1, 17)) + b"\0\1\0" + (3).to_bytes(4, "little") + b"SCP"
RELIABLE = b"GND\x10\x3e\xae\1\1" + bytes(16)
SAMPLES = [(TCP, CONNECT), (TCP, OK), (UDP, PING), (UDP, RELIABLE)]


def test_a_handshake_names_the_program_and_the_roles():
    assert (inspect(gnutella, TCP, CONNECT).role, inspect(gnutella, TCP, OK).role) == (Role.CLIENT, Role.SERVER)
    assert dict(inspect(gnutella, TCP, CONNECT).details) == {"user_agent": "gtk-gnutella/1.2"}


def test_half_a_greeting_is_waited_for():
    assert inspect(gnutella, TCP, b"GNUT") is WAIT
    assert inspect(gnutella, TCP, b"GET /") is None


def test_a_message_whose_length_fits_tells():
    assert inspect(gnutella, UDP, PING).protocol == "gnutella"
    assert inspect(gnutella, UDP, PING + b"!") is None


def test_a_message_that_travels_too_far_is_none():
    assert inspect(gnutella, UDP, PING[:17] + b"\x0c\x0c" + PING[19:]) is None


def test_the_reliable_layer_tells():
    assert inspect(gnutella, UDP, RELIABLE).protocol == "gnutella"
