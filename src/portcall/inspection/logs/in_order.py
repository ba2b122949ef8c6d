"""One direction of a TCP connection as it flows: segments in, bytes in order out, nothing kept that was handed on."""

from __future__ import annotations

_MOST_WAITING = 64  # segments
_SEQUENCES = 1 << 32


class InOrder:
    """Puts segments in order. ``beginning``: sequence number of the first byte, where a SYN told it."""

    __slots__ = ("_next", "_waiting", "is_broken")

    def __init__(self, beginning: int | None) -> None:
        self._next = beginning
        self._waiting: dict[int, bytes] = {}
        self.is_broken = False
        """Whether bytes are missing that nothing will bring, so that nothing more comes out."""

    def add(self, sequence: int, payload: bytes, *, is_cut: bool) -> bytes:
        """The bytes that this segment completes, in order; ``is_cut``: the capture has not all of it."""
        if self._next is None:
            self._next = sequence
        if self.is_broken:
            return b""
        ahead = (sequence - self._next + _SEQUENCES // 2) % _SEQUENCES - _SEQUENCES // 2
        if ahead > 0:
            if len(payload) > len(self._waiting.get(sequence, b"")):
                self._waiting[sequence] = payload
            self.is_broken = is_cut or len(self._waiting) > _MOST_WAITING
            return b""
        new = payload[-ahead:] if ahead else payload
        self._next = (self._next + len(new)) % _SEQUENCES
        self.is_broken = is_cut
        pieces = [new]
        while self._waiting and not self.is_broken:
            sequence = min(self._waiting, key=self._ahead)
            if self._ahead(sequence) > 0:
                break
            more = self._waiting.pop(sequence)[-self._ahead(sequence) or None :]
            self._next = (self._next + len(more)) % _SEQUENCES
            pieces.append(more)
        return b"".join(pieces)

    def _ahead(self, sequence: int) -> int:
        return (sequence - (self._next or 0) + _SEQUENCES // 2) % _SEQUENCES - _SEQUENCES // 2
