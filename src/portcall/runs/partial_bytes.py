"""The bytes of a partial result: arrays by name behind a header that says how long each is, and who wrote it.

    line        ``portcall partial``, and the build, in words
    uint32 LE   length of the header
    header      JSON: {"plain": …, "arrays": {name: rows}}
    arrays      one after the other, in this machine's order of bytes

Only the build that wrote it reads it: records may change with every commit. What is read is bounded by what is there.
"""

from __future__ import annotations

import hashlib
import json
import struct
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from portcall.errors import PortcallError
from portcall.flows.table_arrays import VERDICT_TALLY
from portcall.inspection.dns_cache import CACHED_ANSWER
from portcall.inspection.held_payloads import HELD
from portcall.inspection.inspection_state import INSPECTED
from portcall.ownership.row_claims import ROW_CLAIM
from portcall.records.flows import DATAGRAM, FLOW, TIME_CELL
from portcall.records.payloads.dns_questions import ASKED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_MAGIC = b"portcall partial "
_FORMAT = 2
_MOST_BUILD_BYTES = 200
_LENGTH = struct.Struct("<I")
_ARRAYS = {
    "flows": FLOW,
    "datagrams": DATAGRAM,
    "unmatched_fragments": FLOW,
    "tallies": VERDICT_TALLY,
    "cells": TIME_CELL,
    "inspected": INSPECTED,
    "held": HELD,
    "content": np.dtype(np.uint8),
    "answers": CACHED_ANSWER,
    "asked": ASKED,
    "row_claims": ROW_CLAIM,
}


def packed(plain: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Plain data and arrays as bytes."""
    header = json.dumps({"plain": plain, "arrays": {name: len(array) for name, array in arrays.items()}}).encode()
    pieces = [np.ascontiguousarray(array, _ARRAYS[name]).tobytes() for name, array in arrays.items()]
    return b"".join([_MAGIC, build().encode(), b"\n", _LENGTH.pack(len(header)), header, *pieces])


def unpacked(data: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """What was packed. PortcallError where another build did it; ValueError or KeyError where nobody did."""
    line, end, _ = data[: len(_MAGIC) + _MOST_BUILD_BYTES].partition(b"\n")
    if not (line.startswith(_MAGIC) and end):
        raise ValueError("it does not begin like one")
    writer = line[len(_MAGIC) :].decode("ascii", "replace")
    if writer != build():
        raise PortcallError(
            f"this partial result is of another build: {writer!r}; this is {build()!r}. Let one build read all shards"
        )
    start = len(line) + 1 + _LENGTH.size
    (length,) = _LENGTH.unpack(data[len(line) + 1 : start].ljust(_LENGTH.size, b"\xff"))
    if len(data) < start + length:
        raise ValueError("it ends early")
    header = json.loads(data[start : start + length])
    if not isinstance(header, dict) or not isinstance(header.get("plain"), dict):
        raise ValueError("its header is something else")  # noqa: TRY004 - it is what was read that is wrong
    return header["plain"], _arrays(data, start + length, dict(header["arrays"]))


def _arrays(data: bytes, at: int, counts: dict[str, Any]) -> dict[str, NDArray[Any]]:
    arrays = {}
    for name, count in counts.items():
        dtype = _ARRAYS[name]
        if not isinstance(count, int) or not 0 <= count <= (len(data) - at) // dtype.itemsize:
            raise ValueError(f"it has fewer {name} than it says")
        arrays[name] = np.frombuffer(data, dtype, count, at).copy()
        at += count * dtype.itemsize
    if at != len(data):
        raise ValueError("it goes on behind its end")
    return arrays


@cache
def build() -> str:
    """Which build this is, in words: its version, and a digest of all that the bytes depend on."""
    from portcall import __version__
    from portcall.dissectors import find_dissectors
    from portcall.records.detections import NameKind
    from portcall.records.packets import Verdict

    layout = [
        sys.byteorder,
        {name: (dtype.descr, dtype.itemsize) for name, dtype in _ARRAYS.items()},
        [dissector.__name__ for dissector in find_dissectors()],
        [kind.value for kind in NameKind],
        [verdict.name for verdict in Verdict],
    ]
    digest = hashlib.sha256(repr(layout).encode()).hexdigest()[:12]
    return f"portcall {__version__}, format {_FORMAT}, layout {digest}"
