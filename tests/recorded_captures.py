"""Captures with owners read a second time, from the layouts alone: shares no line with the package.

draft-ietf-opsawg-pcapng for blocks and options; docs/captures-with-owners.md for processes. All is checked on the way:
lengths, paddings, order. Numbers are little-endian, as this project's tests run on such machines.
"""

import json
import struct
from typing import NamedTuple


class Packet(NamedTuple):
    interface: int
    time_ns: int
    captured: bytes
    wire: int
    direction: int
    processes: list
    """(pid, tid) of each option 8."""
    comments: list
    process_blocks: dict
    """Of each pid, the latest block before this packet."""


class Capture(NamedTuple):
    section: dict
    interfaces: list
    packets: list
    processes: list
    lines: list
    """JSON of our own blocks, in order."""
    names: list
    statistics: list


def split_blocks(data):
    at, blocks = 0, []
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        assert length % 4 == 0
        assert length >= 12
        assert at + length <= len(data), "ends inside a block"
        assert data[at + length - 4 : at + length] == data[at + 4 : at + 8]
        blocks.append((kind, data[at + 8 : at + length - 4]))
        at += length
    return blocks


def split_options(data):
    at, options = 0, []
    while at < len(data):
        code, length = struct.unpack_from("<HH", data, at)
        if code == 0:
            assert length == 0
            assert at + 4 == len(data)
            return options
        options.append((code, data[at + 4 : at + 4 + length]))
        padding = data[at + 4 + length : at + 4 + length + -length % 4]
        assert padding == bytes(-length % 4)
        at += 4 + length + -length % 4
    assert not options, "no end of options"
    return options


def read_captures(data):
    """Each section."""
    captures = []
    for kind, body in split_blocks(data):
        if kind == 0x0A0D0D0A:
            order, major, minor, _ = struct.unpack_from("<IHHq", body)
            assert (order, major, minor) == (0x1A2B3C4D, 1, 0)
            captures.append(Capture(dict(split_options(body[16:])), [], [], [], [], [], []))
        else:
            _READERS[kind](captures[-1], body)
    return captures


def read_capture(data):
    (capture,) = read_captures(data)
    return capture


def _interface(capture, body):
    link, reserved, snap_length = struct.unpack_from("<HHI", body)
    assert reserved == 0
    capture.interfaces.append({"link": link, "snap_length": snap_length, **dict(split_options(body[8:]))})
    assert capture.interfaces[-1][9] == b"\x09"


def _packet(capture, body):
    interface, high, low, captured, wire = struct.unpack_from("<IIIII", body)
    assert interface < len(capture.interfaces), "its interface is not described yet"
    end = 20 + captured
    assert body[end : end + -captured % 4] == bytes(-captured % 4)
    options = split_options(body[end + -captured % 4 :])
    processes = [struct.unpack("<II", value) for code, value in options if code == 8]
    capture.packets.append(
        Packet(
            interface,
            high << 32 | low,
            body[20:end],
            wire,
            struct.unpack("<I", dict(options)[2])[0] & 3,
            processes,
            [value.decode() for code, value in options if code == 1],
            {process["pid"]: process for process in capture.processes},
        )
    )


def _custom(capture, body):
    enterprise, kind_or_magic = struct.unpack_from("<II", body)
    if enterprise == 32622:
        length, pid = struct.unpack_from("<II", body, 8)
        assert kind_or_magic == 3
        options = dict(split_options(body[16 : 12 + length]))
        texts = {
            name: options[code].decode() for code, name in ((2, "name"), (3, "path"), (7, "user")) if code in options
        }
        numbers = {
            name: int.from_bytes(options[code], "little")
            for code, name in ((5, "parent"), (6, "uid"), (9, "start"))
            if code in options
        }
        arguments = options[4].decode().split("\0") if 4 in options else None
        capture.processes.append({"pid": pid, **texts, **numbers, "arguments": arguments})
    else:
        assert enterprise == 32473
        magic, version, length = struct.unpack_from("<8sII", body, 4)
        assert (magic, version) == (b"portcall", 1)
        capture.lines.extend(json.loads(line) for line in body[20 : 20 + length].splitlines())


def _names(capture, body):
    at = 0
    while True:
        kind, length = struct.unpack_from("<HH", body, at)
        if kind == 0:
            return
        size = {1: 4, 2: 16}[kind]
        value = body[at + 4 : at + 4 + length]
        capture.names.append((value[:size], value[size:].rstrip(b"\0").decode()))
        at += 4 + length + -length % 4


def _statistics(capture, body):
    interface, high, low = struct.unpack_from("<III", body)
    options = {code: int.from_bytes(value, "little") for code, value in split_options(body[12:]) if code > 3}
    capture.statistics.append({"interface": interface, "time_ns": high << 32 | low, **options})


_READERS = {1: _interface, 4: _names, 5: _statistics, 6: _packet, 0xBAD: _custom}
