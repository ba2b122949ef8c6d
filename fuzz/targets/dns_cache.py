"""Answers of resolvers with any times, and rows that ask for names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from byte_pieces import BytePieces
from portcall.inspection.dns_cache import DnsCache
from portcall.records.detections import DnsAnswer
from portcall.records.flows import FLOW

if TYPE_CHECKING:
    from collections.abc import Iterator

_NOTE, _NOTE_CAPTURE, _FIND, _MERGE, _SAVE, _TOLD = range(6)
_MOST_STEPS = 100


def seeds() -> Iterator[bytes]:
    """Told, asked for, merged."""
    now = (1_700_000_000_000_000_000).to_bytes(8, "little")
    noted = b"".join(
        bytes([_NOTE, client, server, name]) + now + b"\x0a\0\0\0"
        for client in (1, 2)
        for server in (1, 3)
        for name in (1, 2)
    )
    for step in range(6):
        yield noted + bytes([step, 1, 1, 1]) + now + b"\x05\0\0\0" + noted
    yield noted + bytes([_NOTE, 1, 1, 1]) + ((1 << 63) - 1).to_bytes(8, "little") + b"\xff\xff\xff\xff" + noted


def examine(data: bytes) -> None:
    """What is found was told, and all of it goes through plain data."""
    pieces = BytePieces(data)
    cache, later = DnsCache(), DnsCache()
    for _ in range(_MOST_STEPS):
        if not pieces:
            break
        what, client, server, name = (pieces.number() for _ in range(4))
        time_ns = int(np.uint64(pieces.number(8)).astype(np.int64))
        seconds = pieces.number(4)
        if what % 6 == _NOTE:
            answer = DnsAnswer(f"{name}.example", bytes([10, 0, 0, server]), seconds)
            (later if what & 64 else cache).note(_address(client), time_ns, [answer])
        elif what % 6 == _NOTE_CAPTURE:
            cache.note_capture(f"{name}.example", bytes([10, 0, 0, server]))
        elif what % 6 == _FIND:
            _find(cache, client, server, time_ns)
        elif what % 6 == _MERGE:
            cache.merge(later)
        elif what % 6 == _SAVE:
            cache = DnsCache.of_plain(cache.plain(), cache.answers())
        else:
            cache.answered_before(_address(client), _address(server), time_ns)
            list(cache.names_of_addresses())


def _address(last: int) -> bytes:
    return bytes(12) + bytes([10, 0, 0, last])


def _find(cache: DnsCache, client: int, server: int, time_ns: int) -> None:
    row = np.zeros(1, FLOW)
    ends = sorted((_address(client), _address(server)))
    row["low"], row["high"] = (np.frombuffer(end, np.uint8) for end in ends)
    row["first_ns"] = time_ns
    is_low = np.array([ends[0] == _address(client)])
    for number in cache.find(row, is_low, np.ones(1, np.bool_)).tolist():
        names, _ = cache[number]
        if number and not all(name.endswith(".example") for name in names):
            raise AssertionError("an address has a name that nobody told")
