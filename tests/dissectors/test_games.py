"""Minecraft's handshake by the protocol's documentation, Photon's commands by Exit Games'."""

from inspecting import TCP, UDP, inspect

from portcall.dissectors import games
from portcall.records.detections import WAIT, Role


def handshake(name=b"play.example.com", after=1):
    body = b"\0" + b"\xfd\5" + bytes([len(name)]) + name + b"\x63\xdd" + bytes([after])
    return bytes([len(body)]) + body


CONNECT = bytes.fromhex("ffff00010000000f071e1434") + bytes.fromhex("02ff01040000002c00000001") + bytes(32)
SAMPLES = [(TCP, handshake()), (UDP, CONNECT)]


def test_a_player_tells_which_server_was_typed():
    inspected = inspect(games, TCP, handshake())

    assert (inspected.protocol, inspected.role) == ("minecraft", Role.CLIENT)
    assert dict(inspected.details) == {"host": "play.example.com"}


def test_what_mods_hide_behind_a_zero_is_not_told():
    assert dict(inspect(games, TCP, handshake(b"play.example.com\0FML\0")).details) == {"host": "play.example.com"}


def test_a_handshake_has_a_known_next_state():
    assert inspect(games, TCP, handshake(after=9)) is None


def test_half_a_handshake_is_waited_for():
    assert inspect(games, TCP, handshake()[:9]) is WAIT


def test_commands_that_fill_a_datagram_are_photons():
    assert inspect(games, UDP, CONNECT).protocol == "photon"
    assert inspect(games, UDP, CONNECT + b"\0") is None
    assert inspect(games, UDP, CONNECT[:3] + b"\2" + CONNECT[4:]) is None
