"""One capture as it is written: what stands in it so far, so that each block comes after what it needs.

An interface is described before its first packet, a process before its first packet, and again where the pid has become
another one; a conversation's first packets have comments. A rotation begins all of that anew: each file is a capture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from portcall.kernels.recording.packet_blocks import LEFT_OUT, write_packet_blocks
from portcall.recording.blocks import (
    Passed,
    interface_description,
    interface_statistics,
    name_resolution,
    section_header,
)
from portcall.recording.recorded_processes import own_block, process_block, process_line
from portcall.records.recorded.process_blocks import InterfaceLine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from portcall.recording.blocks import CaptureWriter, RecordedInterface
    from portcall.records.ownership import Owner
    from portcall.records.recorded.process_blocks import Line

FRAME_PLAN = np.dtype(
    [
        ("interface", "u4"),  # number within the section, or LEFT_OUT
        ("flags", "u4"),  # of epb_flags
        ("options_at", "u4"),  # in the pool
        ("options_bytes", "u4"),
    ]
)
"""How a frame is written. 16 bytes."""
LINES_A_BLOCK = 1 << 12
_MOST_PROCESSES = 1 << 16
_BLOCK_BYTES = 44
"""What a block adds to a frame's bytes and its options, less padding."""
__all__ = ["FRAME_PLAN", "LEFT_OUT", "LINES_A_BLOCK", "CaptureSection", "Style"]


class Style(NamedTuple):
    """How captures of a recording are written."""

    writer: CaptureWriter
    snap_length: int
    with_arguments: bool
    user_number: Callable[[str], int | None]
    """A user's number by name."""


class CaptureSection:
    """A section that is being written: what it has described so far. Its methods give the bytes to write next."""

    def __init__(self, style: Style) -> None:
        self._style = style
        self._numbers: dict[RecordedInterface, int] = {}
        self._processes: dict[int, Owner] = {}
        self._passed: list[Passed] = []

    @property
    def packets(self) -> int:
        """How many are in it."""
        return sum(passed.written for passed in self._passed)

    def header(self) -> bytes:
        """What it begins with."""
        return section_header(self._style.writer)

    def number(self, interface: RecordedInterface) -> tuple[int, bytes]:
        """An interface's number, and what must be written before its first packet if it is new."""
        number = self._numbers.get(interface)
        if number is not None:
            return number, b""
        number = self._numbers[interface] = len(self._passed)
        self._passed.append(Passed())
        return number, interface_description(interface) + own_block([InterfaceLine(number, interface.namespace)])

    def processes(self, owners: Iterable[Owner]) -> bytes:
        """What must be written before packets of these processes."""
        written, lines = [], []
        for owner in owners:
            known = self._processes.get(owner.pid)
            if known is owner or known == owner:
                continue
            if len(self._processes) >= _MOST_PROCESSES:
                self._processes.clear()  # they are described again
            self._processes[owner.pid] = owner
            number = None if owner.user is None else self._style.user_number(owner.user)
            written.append(process_block(owner, number, with_arguments=self._style.with_arguments))
            lines.append(process_line(owner))
        return b"".join(written) + self.lines(lines)

    def lines(self, lines: Sequence[Line]) -> bytes:
        """Lines of ours, in as many blocks as they need."""
        pieces = (lines[start : start + LINES_A_BLOCK] for start in range(0, len(lines), LINES_A_BLOCK))
        return b"".join(own_block(piece) for piece in pieces)

    def frames(
        self, frames: NDArray[np.void], buffer: NDArray[np.uint8], plans: NDArray[np.void], pool: bytes
    ) -> NDArray[np.uint8]:
        """Blocks of FRAME[n] by FRAME_PLAN[n]."""
        captured = np.minimum(frames["captured"], self._style.snap_length).astype(np.int64)
        size = int((captured + 3 & ~3).sum() + plans["options_bytes"].sum(dtype=np.int64)) + _BLOCK_BYTES * len(frames)
        blocks = np.empty(max(size, 1), np.uint8)
        options = np.frombuffer(pool or bytes(4), np.uint8)
        written = write_packet_blocks(frames, buffer, plans, options, self._style.snap_length, blocks)
        self._count(frames, plans)
        return blocks[:written]

    def end(self, names: Iterable[tuple[bytes, str]], dropped: int) -> bytes:
        """What it ends with: names that were heard, and what passed each interface; the first tells what was lost."""
        told = [passed._replace(dropped=None if number else dropped) for number, passed in enumerate(self._passed)]
        statistics = (interface_statistics(number, passed) for number, passed in enumerate(told))
        return name_resolution(names) + b"".join(statistics)

    def _count(self, frames: NDArray[np.void], plans: NDArray[np.void]) -> None:
        for number in np.unique(plans["interface"]).tolist():
            if number == LEFT_OUT:
                continue
            times_ns = frames["ts_ns"][plans["interface"] == number]
            before, first_ns, last_ns = self._passed[number], int(times_ns.min()), int(times_ns.max())
            if before.written:
                first_ns, last_ns = min(first_ns, before.first_ns), max(last_ns, before.last_ns)
            self._passed[number] = Passed(before.written + len(times_ns), None, first_ns, last_ns)
