"""PKTAP, Apple's header before each packet, as it names processes. Its layout is drawn in the kernel ``links_cooked``.

The process on whose behalf another one acts is the owner. Source: Apple, xnu/bsd/net/pktap.h.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from portcall.owners.recorded.darwin import owner_on_behalf
from portcall.owners.recorded.words import numbered
from portcall.records.recorded.claims import Claim, ClaimedEnd

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from portcall.records.recorded.claims import ClaimTable

SOURCE = "pktap"
LINKS = (258, 149)
_FIRST_VERSION_BYTES, _SECOND_VERSION_BYTES = 108, 40
_FLAGS, _IS_SECOND_VERSION = 36, 0x80000
_PROCESSES = np.r_[52:73, 84:105]  # in the first version: pid and command, twice
_COMMAND_BYTES = 17


def header_claims(
    frames: NDArray[np.void], buffer: NDArray[np.uint8], table: ClaimTable, known: dict[bytes, int]
) -> NDArray[np.uint32]:
    """The number of the claim that the header of each of FRAME[n] makes; ``known`` are those that were met before."""
    claims = np.zeros(len(frames), np.uint32)
    tapped = np.flatnonzero(np.isin(frames["link"], LINKS) & (frames["captured"] >= _SECOND_VERSION_BYTES))
    starts = frames["offset"][tapped].astype(np.int64)
    flags = _numbers(buffer, starts + _FLAGS)
    is_first = (flags & _IS_SECOND_VERSION == 0) & (frames["captured"][tapped] >= _FIRST_VERSION_BYTES)
    is_first &= _numbers(buffer, starts) >= _FIRST_VERSION_BYTES
    if is_first.any():
        heads = buffer[starts[is_first][:, None] + _PROCESSES]
        claims[tapped[is_first]] = numbered(heads, known, lambda head: _first_version(head, table))
    is_second = flags & _IS_SECOND_VERSION != 0
    for frame, start in zip(tapped[is_second].tolist(), starts[is_second].tolist(), strict=True):
        claims[frame] = _second_version(buffer[start : start + int(frames["captured"][frame])][:255].tobytes(), table)
    return claims


def _numbers(buffer: NDArray[np.uint8], places: NDArray[np.int64]) -> NDArray[np.uint32]:
    """The u32 at each place, little-endian."""
    return buffer[places[:, None] + np.arange(4)].view("<u4").ravel() if len(places) else np.zeros(0, np.uint32)


def _first_version(head: bytes, table: ClaimTable) -> int:
    pid, name, effective, effective_name = struct.unpack("<i17si17s", head)
    return _claim((pid, name), (effective, effective_name), table)


def _second_version(header: bytes, table: ClaimTable) -> int:
    length = min(header[0], len(header))
    pid, effective = struct.unpack_from("<ii", header, 28)
    commands = [header[at : min(at + _COMMAND_BYTES, length)] if at else b"" for at in header[4:6]]
    return _claim((pid, commands[0]), (effective, commands[1]), table)


def _claim(process: tuple[int, bytes], effective: tuple[int, bytes], table: ClaimTable) -> int:
    found = owner_on_behalf(process, effective, SOURCE)
    if not found:
        return 0
    return table.claim(Claim((table.number(found),), ClaimedEnd.BY_DIRECTION, is_weak=found.is_kernel))
