"""Blocks of processes in a pcapng section, of every writer, and what packets say of them."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from byte_pieces import BytePieces, cut_to_size, piece_of
from capture_seeds import capture_files
from portcall.owners.recorded.inside import OwnersOfCapture
from portcall.records.packets import FRAME
from portcall.records.recorded.claims import PACKET_OPTION, ClaimTable
from portcall.records.recorded.process_blocks import OWN_ENTERPRISE, PCAPDROID_ENTERPRISE, WIRESHARK_ENTERPRISE

if TYPE_CHECKING:
    from collections.abc import Iterator

_KINDS = (0x0A0D0D0A, 1, 0x80000001, 0xBAD, 0x40000BAD)
_ENTERPRISES = (0, WIRESHARK_ENTERPRISE, PCAPDROID_ENTERPRISE, OWN_ENTERPRISE)
_CODES = (1, 8, 0x8001, 0x8003)
_IS_FRAMES = 5
_MOST_STEPS = 60


def seeds() -> Iterator[bytes]:
    """The blocks of each capture that is pcapng, and frames between them."""
    for content in capture_files():
        at, steps = 0, b""
        while at + 12 <= len(content) and content.startswith(b"\x0a\x0d\x0d\x0a") and len(steps) < 3000:  # noqa: PLR2004 (an input)
            kind, length = struct.unpack_from("<II", content, at)
            if kind in _KINDS:
                steps += bytes([_KINDS.index(kind)]) + piece_of(content[at + 8 : at + length - 4])
            elif steps:
                steps += bytes([_IS_FRAMES, 1]) + piece_of(content[at + 28 : at + min(length, 300)])
            at += max(length, 12)
        if steps:
            yield b"\0" + steps


def examine(data: bytes) -> None:
    """No block raises; what it claims has a number in the table, which stays within its bounds."""
    pieces = BytePieces(data)
    order = "<>"[pieces.number() % 2]
    table = ClaimTable(most_owners=20, most_claims=20, most_ends=20)
    owners = OwnersOfCapture(table)
    interfaces = 0
    for _ in range(_MOST_STEPS):
        if not pieces:
            break
        what = pieces.number()
        if what % 6 == _IS_FRAMES:
            _claims(owners, pieces, interfaces)
            continue
        kind, body = _KINDS[what % 6], pieces.piece()
        if what & 64 and len(body) >= 4:  # noqa: PLR2004 (whose block it is)
            body = struct.pack(f"{order}I", _ENTERPRISES[body[0] % len(_ENTERPRISES)]) + body[4:]
        if kind == _KINDS[1]:
            interfaces += 1
            body = body.ljust(8, b"\0")  # as a reader hands them over
        owners.read_block(kind, body, order)
    if max(len(table.owners), len(table.claims), len(table.ends)) > 22:  # noqa: PLR2004 (the bound, nobody, and one more)
        raise AssertionError("a table is larger than its bound")
    _ = table.claim_rows


def _claims(owners: OwnersOfCapture, pieces: BytePieces, interfaces: int) -> None:
    code, content = pieces.number(), cut_to_size(pieces.piece())
    if not interfaces:
        return
    frames = np.zeros(1, FRAME)
    frames["captured"] = frames["wire"] = len(content)
    frames["link"] = 258 if code & 128 else 1
    frames["interface"] = interfaces - 1
    options = np.zeros(1 if code & 64 else 0, PACKET_OPTION)
    length = {0: len(content), 1: 8}.get(code % 4, 4)
    if len(options) and length <= len(content):
        options["length"], options["code"] = length, _CODES[code % 4]
    owners.claims(frames, content, options)
