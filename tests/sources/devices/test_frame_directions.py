"""Which way a frame goes is told by the interface's own addresses, where the system does not say."""

from __future__ import annotations

import socket

import pytest

from portcall.records.packets import Direction
from portcall.sources.devices.frame_directions import OwnAddresses, direction_of

OURS, THEIRS, GROUP, OTHER = (
    bytes.fromhex(text) for text in ("0200000000aa", "0200000000bb", "01005e0000fb", "02cc00000000")
)
OWN = OwnAddresses.of("02:00:00:00:00:aa", ["10.0.0.1", "fe80::1%utun3", "2001:db8::1"], is_loopback=False)
ETHERNET, NULL, RAW = 1, 0, 101


def ip(source, target):
    if ":" in source:
        ends = (socket.inet_pton(socket.AF_INET6, one) for one in (source, target))
        return b"\x60" + bytes(7) + b"".join(ends)
    return b"\x45" + bytes(11) + socket.inet_aton(source) + socket.inet_aton(target)


@pytest.mark.parametrize(
    ("target", "source", "direction"),
    [
        (THEIRS, OURS, Direction.OUTBOUND),
        (OURS, THEIRS, Direction.INBOUND),
        (GROUP, THEIRS, Direction.INBOUND),
        (GROUP, OURS, Direction.OUTBOUND),
        (OTHER, THEIRS, Direction.UNKNOWN),
        (OURS, OURS, Direction.INTERNAL),
    ],
)
def test_a_frame_of_ethernet_goes_the_way_that_its_addresses_say(target, source, direction):
    assert direction_of(target + source + b"\x08\x00", ETHERNET, OWN) is direction


@pytest.mark.parametrize(("link", "before"), [(RAW, b""), (12, b""), (NULL, b"\x02\0\0\0"), (108, b"\0\0\0\x02")])
@pytest.mark.parametrize(
    ("source", "target", "direction"),
    [
        ("10.0.0.1", "192.0.2.1", Direction.OUTBOUND),
        ("192.0.2.1", "10.0.0.1", Direction.INBOUND),
        ("192.0.2.1", "192.0.2.2", Direction.UNKNOWN),
        ("2001:db8::1", "2001:db8::9", Direction.OUTBOUND),
        ("2001:db8::9", "fe80::1", Direction.INBOUND),
    ],
)
def test_a_packet_of_a_tunnel_goes_the_way_that_its_ip_addresses_say(link, before, source, target, direction):
    assert direction_of(before + ip(source, target), link, OWN) is direction


def test_all_that_passes_loopback_stays_on_this_machine():
    own = OwnAddresses.of("00:00:00:00:00:00", ["127.0.0.1"], is_loopback=True)

    assert direction_of(b"", NULL, own) is Direction.INTERNAL


def test_an_interface_without_addresses_tells_nothing():
    own = OwnAddresses.of("", [], is_loopback=False)

    assert direction_of(GROUP + bytes(6) + b"\x08\x00", ETHERNET, own) is Direction.UNKNOWN


@pytest.mark.parametrize("link", [ETHERNET, NULL, RAW, 113])
def test_a_frame_that_is_cut_anywhere_has_a_direction_or_none_and_no_error(link):
    whole = ip("2001:db8::1", "2001:db8::9") if link == RAW else bytes(4) + ip("10.0.0.1", "192.0.2.1")

    assert {type(direction_of(whole[:length], link, OWN)) for length in range(len(whole) + 1)} == {Direction}
