"""The pcap format (draft-ietf-opsawg-pcap), its ns and modified variants, both byte orders, and old versions.

    0        4       6       8       16      20        24
    +--------+-------+-------+-------+-------+---------+
    | magic  | major | minor | unused| snap  | link    |   then records, see kernels/record_walk.pyx
    +--------+-------+-------+-------+-------+---------+

Version 2.3 and before may have a record's two lengths swapped; the modified format of Alexey Kuznetzov has 8 more bytes
a record, and other patched libpcaps wrote 4 or 8 more under the standard magic, which only the records show.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from portcall.errors import CaptureError
from portcall.kernels.record_walk import DAMAGED, MORE_BYTES, OTHER_CAPTURE, ZEROS, PcapWalk
from portcall.records.packets import FrameBatch
from portcall.records.recorded.claims import PACKET_OPTION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from portcall.records.recorded.claims import OwnersInside
    from portcall.sources.padding import Padding
    from portcall.sources.window import Window

_HEADER_BYTES = 24
_TEN_YEARS_S = 10 * 365 * 86_400
_MAX_FRAME_BYTES = 262_144
_NANOSECONDS_PER_SECOND = 1_000_000_000
_STANDARD, _NANOSECONDS, _MODIFIED = 0xA1B2C3D4, 0xA1B23C4D, 0xA1B2CD34
_NO_OPTIONS = np.zeros(0, PACKET_OPTION)
_RECORD_BYTES = {_STANDARD: 16, _NANOSECONDS: 16, _MODIFIED: 24}
_PATCHED_RECORD_BYTES = (24, 20)
"""Record headers that patched libpcaps wrote under the standard magic (ss990417; Nokia IPSO)."""


class PcapSource:
    """A pcap stream as frames."""

    MAGICS = frozenset(struct.pack(order + "I", magic) for magic in _RECORD_BYTES for order in "<>")
    names_left_out = options_left_out = 0

    def __init__(self, path: str, window: Window, padding: Padding, owners: OwnersInside | None = None) -> None:
        """``owners`` reads whom the capture names, None: nobody does."""
        self._path, self._window, self._padding, self._owners = path, window, padding, owners

    def batches(self) -> Iterator[FrameBatch]:
        """Batch after batch, up to where another capture begins; CaptureError after the last whole record."""
        window = self._window
        walk = self._read_header()
        number = 1
        is_end = False
        while True:
            frames = window.walk(walk, is_end=is_end)
            self._padding.records += walk.records_of_zeros
            if len(frames):
                claims = self._owners.claims(frames, window.bytes, _NO_OPTIONS) if self._owners else None
                yield FrameBatch(frames, window.bytes, number, claims=claims)
                number += len(frames)
            if walk.stop == DAMAGED:
                raise self._damage(walk.reason)
            if walk.stop == OTHER_CAPTURE:
                return
            if walk.stop == ZEROS:
                self._padding.pass_over(window, walk.header_bytes)
            elif walk.stop == MORE_BYTES:
                if is_end:
                    break
                is_end = not window.more(walk)
        if window.end > window.start and not self._padding.is_rest_of(window):
            raise self._damage("the file ends inside a record")

    def _damage(self, reason: str) -> CaptureError:
        return CaptureError(self._path, self._window.position, reason, "The frames before it count")

    def _read_header(self) -> PcapWalk:
        if not self._window.want(_HEADER_BYTES):
            end = self._window.position + self._window.end - self._window.start
            raise CaptureError(self._path, end, "the file ends inside its header", "Capture it again")
        version_at = self._window.position + 4
        header = self._window.take(_HEADER_BYTES)
        order = ">" if header[0] == 0xA1 else "<"  # noqa: PLR2004 (every magic begins so)
        magic, major, minor, _, _, _, link = struct.unpack(order + "IHHiIII", header)
        if major != 2:  # noqa: PLR2004 (the only version there ever was)
            raise CaptureError(self._path, version_at, f"pcap has no version {major}.{minor}", "Is the file damaged?")
        swapped_lengths = 2 if minor < 3 else 1 if minor == 3 else 0  # noqa: PLR2004
        record_bytes = _RECORD_BYTES[magic]
        if magic == _STANDARD and not self._is_plausible(order, record_bytes, strict=False):
            plausible = (size for size in _PATCHED_RECORD_BYTES if self._is_plausible(order, size, strict=True))
            record_bytes = next(plausible, record_bytes)
        return PcapWalk(
            big=order == ">",
            fraction_ns=1 if magic == _NANOSECONDS else 1000,
            header_bytes=record_bytes,
            link=link & 0xFFFF,  # above them: how many bytes of check sequence frames end with
            swapped_lengths=swapped_lengths,
        )

    def _is_plausible(self, order: str, record_bytes: int, *, strict: bool) -> bool:
        """Whether the first two records make sense with headers of this size."""
        at, first_seconds = 0, None
        for _ in range(2):
            if not self._window.want(at + record_bytes):
                return True
            header = self._window.bytes[self._window.start + at :][:16].tobytes()
            seconds, fraction, captured, wire = struct.unpack(order + "IIII", header)
            if max(captured, wire) > _MAX_FRAME_BYTES or fraction >= _NANOSECONDS_PER_SECOND:
                return False
            if strict and first_seconds is not None and abs(seconds - first_seconds) > _TEN_YEARS_S:
                return False
            first_seconds = seconds
            at += record_bytes + captured
        return True
