"""Zeros where records should be: space that was set aside and not written, as in captures that a crash has ended.

Zeros could be read as frames of 1970 without bytes, but no link carries such. They are passed over in whole records, so
that what comes behind them is found, and a note says how many there are. Which zeros are padding, and which few are
records, says the kernel ``record_walk``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.records.report import Degradation

if TYPE_CHECKING:
    from collections.abc import Collection

    from portcall.sources.window import Window

_REMEDY = "was the capture ended by a crash? Frames may be missing"

_TELLING_BYTES = 4  # a number of seconds, or a block's type, that is not 0


class Padding:
    """The zeros of one stream."""

    def __init__(self, path: str, magics: Collection[bytes]) -> None:
        """``magics`` are the first four bytes of captures."""
        self._path = path
        self._magics = magics
        self._bytes = 0
        self._at = 0
        self._ends_stream = False
        self.records = 0
        """Records of zeros that count as frames: too few zeros for padding."""

    def is_rest_of(self, window: Window) -> bool:
        """Whether all that the stream has left are zeros, more than a record begins with; then they are passed."""
        if window.end - window.start < _TELLING_BYTES or window.bytes[window.start : window.end].any():
            return False
        self.pass_over(window, 1)
        return True

    def pass_over(self, window: Window, record_bytes: int) -> None:
        """Pass the zeros at the window's start: whole records, and all to the end or to where a capture begins."""
        if not self._bytes:
            self._at = window.position
        before = window.position
        while not (found := window.bytes[window.start : window.end] != 0).any():
            window.start += (window.end - window.start) // record_bytes * record_bytes
            if not window.more():
                window.start = window.end
                self._ends_stream = window.position - before + self._bytes == window.position - self._at
                break
        else:
            zeros = int(found.argmax())
            window.want(zeros + _TELLING_BYTES)
            is_capture = window.bytes[window.start + zeros :][:4].tobytes() in self._magics
            window.start += zeros if is_capture else zeros // record_bytes * record_bytes
        self._bytes += window.position - before

    def notes(self) -> list[Degradation]:
        """What to say of them; nothing where there are none."""
        notes = []
        if self._bytes:
            count, at = (f"{number:,}".replace(",", " ") for number in (self._bytes, self._at))
            place = "at its end, from byte" if self._ends_stream else "between its frames, the first at byte"
            notes.append(f"{self._path} has {count} bytes of zeros {place} {at}: no frames")
        if self.records:
            frames = f"{self.records} records of zeros that count as frames, without bytes and without a time"
            notes.append(f"{self._path} has {frames}")
        return [Degradation("padding", note, _REMEDY) for note in notes]
