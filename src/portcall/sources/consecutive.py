"""The captures in one stream, one after the other: ``cat`` makes such files, and so do writers that append.

A capture may begin where a record of the one before would stand. Each has its own format, byte order, link type and
resolution. Which bytes begin one, and why no record looks so, says the kernel ``capture_starts``. A compressed one is
found where its first bytes cannot be a record.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from portcall.errors import CaptureError
from portcall.records.report import Degradation
from portcall.sources.padding import Padding
from portcall.sources.pcap import PcapSource
from portcall.sources.pcapng import PcapngSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from portcall.records.packets import FrameBatch
    from portcall.records.recorded.claims import OwnersInside
    from portcall.sources.window import Window

_BEFORE_IT = "The frames before it count"
_SPLIT = "split the capture: 'editcap -c 100000' makes smaller ones"
_FORMATS = (PcapSource, PcapngSource)
MAGICS = PcapSource.MAGICS | PcapngSource.MAGICS


class ConsecutiveCaptures:
    """A stream of captures as frames, numbered on from one to the next."""

    def __init__(self, path: str, window: Window, owners: Callable[[], OwnersInside] | None = None) -> None:
        """``owners`` makes what reads whom one of the captures names; None: nobody does."""
        self._owners = owners
        self._path = path
        self._window = window
        self._padding = Padding(path, MAGICS)
        self._names_left_out = self._options_left_out = 0

    @property
    def is_known(self) -> bool:
        """Whether a capture begins here; CaptureError where the stream is damaged already."""
        return self._format() is not None

    def batches(self) -> Iterator[FrameBatch]:
        """Batch after batch; CaptureError after the last whole record of a damaged stream."""
        number = 1
        with closing(self._window):
            while format_ := self._format():
                self._window.section_at = self._window.told_at = self._window.position
                source = format_(self._path, self._window, self._padding, self._owners() if self._owners else None)
                try:
                    for batch in source.batches():
                        yield batch._replace(first_number=number)
                        number += len(batch.frames)
                except CaptureError:
                    if not self._window.decompress():
                        raise
                finally:
                    self._names_left_out += source.names_left_out
                    self._options_left_out += source.options_left_out
            if self._window.end > self._window.start:
                raise CaptureError(self._path, self._window.position, "no capture begins here", _BEFORE_IT)

    def section_at(self) -> int:
        """Where in the stream the section of the latest batch begins; a capture without sections is one."""
        return self._window.section_at

    def notes(self) -> list[Degradation]:
        """What was found in the stream besides frames, once it is read."""
        beyond = {
            "names": (self._names_left_out, "names of blocks that tell names found no room"),
            "owners": (self._options_left_out, "options of packets were passed over, as each had too many"),
        }
        notes = {feature: f"{self._path}: {count} {what}" for feature, (count, what) in beyond.items() if count}
        return [*self._padding.notes(), *(Degradation(feature, why, _SPLIT) for feature, why in notes.items())]

    def _format(self) -> type[PcapSource | PcapngSource] | None:
        magic = self._window.bytes[self._window.start :][:4].tobytes() if self._window.want(4) else b""
        return next((format_ for format_ in _FORMATS if magic in format_.MAGICS), None)
