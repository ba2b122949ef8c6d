"""A capture that remembers its owners, made from one that does not: we ran the programs, so we know whose it was."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from capture_damage import FILE_HEADER_BYTES, RECORD_HEADER_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SOURCE = "database.pcap"
CLIENT = bytes([10, 20, 0, 10])
WIRESHARK, PROCESS_ENTRY = 32622, 3
PROGRAMS = {5432: "psql", 3306: "mariadb", 6379: "redis-cli"}
FIRST_PID, USER = 4100, 1000


def owners(folder: Path, out: Path) -> None:
    """The queries of database.pcap, as from a program that writes whose they are: process ids, blocks, comments."""
    pids: dict[int, int] = {}
    blocks = [
        _block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)),
        _block(1, struct.pack("<HHI", 1, 0, 262144) + _options((2, b"lan0"))),
    ]
    for time_us, frame in _records((folder / SOURCE).read_bytes()):
        said: list[tuple[int, bytes]] = []
        if frame[12:14] == b"\x08\x00" and frame[23] == 6:  # noqa: PLR2004 (IPv4, TCP)
            is_sent = frame[26:30] == CLIENT
            near, far = struct.unpack_from(">HH", frame, 34)[:: 1 if is_sent else -1]
            if near not in pids:
                pids[near] = FIRST_PID + 7 * len(pids)
                blocks.append(_process(pids[near], PROGRAMS[far], time_us - 2000))
                said.append((1, f"PID: {pids[near]}\nCmd: /usr/bin/{PROGRAMS[far]}\nUserId: {USER}".encode()))
            said += [(2, struct.pack("<I", 2 if is_sent else 1)), (8, struct.pack("<II", pids[near], pids[near]))]
        head = struct.pack("<IIIII", 0, time_us >> 32, time_us & 0xFFFFFFFF, len(frame), len(frame))
        blocks.append(_block(6, head + frame + bytes(-len(frame) % 4) + _options(*said)))
    out.write_bytes(b"".join(blocks))


DERIVED: dict[str, Callable[[Path, Path], None]] = {"owners.pcapng": owners}
"""File name below ``captures/``: what makes it, from that folder."""


def _records(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Time in µs, and frame, of each record of a pcap."""
    at = FILE_HEADER_BYTES
    while at < len(content):
        seconds, fraction, captured = struct.unpack_from("<III", content, at)
        at += RECORD_HEADER_BYTES
        yield seconds * 1_000_000 + fraction, content[at : at + captured]
        at += captured


def _process(pid: int, program: str, start_us: int) -> bytes:
    """A process information block as Wireshark writes it."""
    said = _options(
        (2, program.encode()),
        (3, f"/usr/bin/{program}".encode()),
        (6, struct.pack("<I", USER)),
        (7, b"kim"),
        (9, struct.pack("<Q", start_us * 1000)),
    )
    body = struct.pack("<I", pid) + said
    return _block(0xBAD, struct.pack("<III", WIRESHARK, PROCESS_ENTRY, len(body)) + body)


def _block(kind: int, body: bytes) -> bytes:
    padded = body + bytes(-len(body) % 4)
    length = struct.pack("<I", len(padded) + 12)
    return struct.pack("<I", kind) + length + padded + length


def _options(*pairs: tuple[int, bytes]) -> bytes:
    packed = [struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4) for code, value in pairs]
    return b"".join([*packed, bytes(4)]) if pairs else b""
