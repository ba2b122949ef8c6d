"""Voices: what one end of a conversation has said, put together from packets as they come.

TCP segments are put in order from the first byte on; what comes early waits, what is repeated is passed over. Datagrams
are kept as they are. A stream holds no more than 32 KiB, and knows which packet brought which byte.
"""

from __future__ import annotations

from portcall.inspection.inspection_bounds import InspectionBounds
from portcall.records.detections import MOST_STREAM_BYTES, NO_PAYLOAD, Payload

_MOST_WAITING = InspectionBounds().most_waiting_segments
_MOST_DATAGRAMS = 8
_SEQUENCES = 1 << 32


class Stream:
    """One direction of a TCP connection. ``beginning``: sequence number of its first byte, where a SYN told it.

    ``most_waiting``: segments that may wait for one before them.
    """

    __slots__ = ("_beginning", "_data", "_ended", "_from_start", "_most_waiting", "_waiting", "left_out", "number")

    def __init__(self, beginning: int | None, most_waiting: int = _MOST_WAITING) -> None:
        self._from_start = beginning is not None
        self._beginning = beginning
        self._data = bytearray()
        self._waiting: dict[int, tuple[bytes, bool, int]] = {}
        self._ended = False
        self._most_waiting = most_waiting
        self.left_out = 0
        """Segments for which there was no room, to be taken away by who counts them."""
        self.number = 0
        """Of the packet that brought the last byte."""

    def add(self, sequence: int, payload: bytes, number: int, *, is_cut: bool) -> bool:
        """Take in one segment, of packet ``number``; whether there is more to inspect than before.

        ``is_cut``: the capture has not all of it, so nothing can follow.
        """
        if self._beginning is None:
            self._beginning = sequence
        at = (sequence - self._beginning + _SEQUENCES // 2) % _SEQUENCES - _SEQUENCES // 2
        if at < 0 and not self._from_start:
            self._begin_earlier(-at)
            at = 0
        if at >= MOST_STREAM_BYTES or at + len(payload) < 0 or self._ended:
            return False
        if at > len(self._data):
            if len(self._waiting) < self._most_waiting or at in self._waiting:
                self._waiting[at] = (payload, is_cut, number)
            else:
                self.left_out += 1
            return False
        before = len(self._data)
        self._append(at, payload, number, is_cut=is_cut)
        while self._waiting and not self._ended:
            at = min(self._waiting)
            if at > len(self._data):
                break
            payload, is_cut, number = self._waiting.pop(at)
            self._append(at, payload, number, is_cut=is_cut)
        return len(self._data) > before or self._ended

    def payload(self, *, is_ended: bool = False) -> Payload:
        """What was said so far."""
        return Payload(bytes(self._data), is_ended=is_ended or self._ended, is_from_start=self._from_start)

    def __len__(self) -> int:
        """Bytes held."""
        if not self._waiting:
            return len(self._data)
        return len(self._data) + sum(len(payload) for payload, _, _ in self._waiting.values())

    def _append(self, at: int, payload: bytes, number: int, *, is_cut: bool) -> None:
        new = payload[len(self._data) - at :]
        if new:
            self._data += new[: MOST_STREAM_BYTES - len(self._data)]
            self.number = number
        self._ended = is_cut or len(self._data) >= MOST_STREAM_BYTES

    def _begin_earlier(self, by: int) -> None:
        """The first segment seen was not the first one sent: what was inspected so far waits for what goes before."""
        sent = bytes(self._data)
        self._waiting = {at + by: segment for at, segment in self._waiting.items() if at + by < MOST_STREAM_BYTES}
        if sent and by < MOST_STREAM_BYTES:
            self._waiting[by] = (sent, self._ended, self.number)
        self._beginning = ((self._beginning or 0) - by) % _SEQUENCES
        self._data.clear()
        self._ended = False


class Datagrams:
    """One direction of a conversation over UDP."""

    __slots__ = ("_is_cut", "_payloads", "number")
    left_out = 0

    def __init__(self) -> None:
        self._payloads: list[bytes] = []
        self._is_cut = False
        self.number = 0
        """Of the newest packet."""

    def add(self, _sequence: int, payload: bytes, number: int, *, is_cut: bool) -> bool:
        """Take in one datagram; always something new."""
        self._payloads.append(payload)
        self.number, self._is_cut = number, is_cut
        return True

    def forget_earlier(self) -> None:
        """Begin anew with the newest one."""
        self._payloads = self._payloads[-1:]

    def payload(self, *, is_ended: bool = False) -> Payload:
        """What was said so far."""
        if not self._payloads:
            return NO_PAYLOAD
        is_last = is_ended or self._is_cut or len(self._payloads) >= _MOST_DATAGRAMS
        return Payload(self._payloads[-1], tuple(self._payloads), is_ended=is_last)

    def __len__(self) -> int:
        """Bytes held."""
        return sum(map(len, self._payloads))


def new_streams(
    opening: tuple[int, int] | None, most_waiting: int
) -> tuple[Stream, Stream] | tuple[Datagrams, Datagrams]:
    """Of both ends of a conversation; ``opening``: of TCP, as ``FlowTable.opening`` has it."""
    if opening is None:
        return Datagrams(), Datagrams()
    originator, beginning = opening
    first, second = (beginning if originator == side else None for side in (0, 1))
    return Stream(first, most_waiting), Stream(second, most_waiting)
