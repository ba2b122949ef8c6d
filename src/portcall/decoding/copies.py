"""Frames that are copies of others: mirrored, forwarded, or captured at several interfaces of one machine.

A copy is the same packet at the network layer within 5 ms, and within some thousand packets: VLAN tags, link headers,
hops left and the IPv4 checksum may differ; a changed address or payload makes another packet. A retransmission has
another IPv4 identification, or where there is none (IPv6, or 0) comes later than that. To leave copies out, every byte
captured is compared. To notice them, the first bytes behind the IP header are, which hold numbers and checksums; and of
long captures a part is looked at.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from portcall.kernels.copy_table import CopyTable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from portcall.records.packets import FrameBatch

WINDOW_NS = 5_000_000
PACKETS_REMEMBERED = 1 << 13
"""At the most, 128 kB of them, which stay in the processor's second cache."""
_NOTICED_BYTES = 28  # a TCP header to its checksum, the time and sequence of RTP over UDP
_ALL_BYTES = 1 << 18
_ALL_UP_TO = 1 << 15
_RUN, _ONE_OF = 1 << 8, 16
_SEEN = np.dtype([("digest", "u8"), ("ts_ns", "i8")])


class Copies:
    """Counts the copies among packets, and where it ``removes`` them gives them the verdict DUPLICATE."""

    def __init__(self, *, removes: bool) -> None:
        self.removes = removes
        self._table = CopyTable(
            np.zeros(PACKETS_REMEMBERED, _SEEN),
            window_ns=WINDOW_NS,
            seed=int.from_bytes(os.urandom(8), "big"),
            most_bytes=_ALL_BYTES if removes else _NOTICED_BYTES,
            removes=removes,
        )

        self._frames = self._looked_at = 0
        self._all = self._found_in_all = 0
        self._found_by_others, self._others_are_exact = 0, True

    @property
    def found(self) -> int:
        """Frames that are copies of others, so far; where that ``is_exact`` is not, an estimate."""
        if self._are_all_looked_at:
            return self._found_by_others + self._table.found
        looked_at, frames = self._looked_at - self._all, self._frames - self._all
        found_in_all = self._found_by_others + self._found_in_all
        return found_in_all + round((self._table.found - self._found_in_all) * frames / max(looked_at, 1))

    @property
    def is_exact(self) -> bool:
        """Whether all frames were looked at, and each was remembered for as long as a copy may come."""
        return self._are_all_looked_at and not self._table.displaced and self._others_are_exact

    @property
    def _are_all_looked_at(self) -> bool:
        return self._frames == self._looked_at

    def add(self, found: int, *, is_exact: bool) -> None:
        """Count what others found, in other frames."""
        self._found_by_others += found
        self._others_are_exact &= is_exact

    def find(self, batch: FrameBatch, packets: NDArray[np.void]) -> None:
        """Look for copies among PACKET[n] of a batch, which come in order of time."""
        count = len(packets) if self.removes else self._looks_at(len(packets))
        self._frames += len(packets)
        self._looked_at += count
        if count:
            self._table.find(packets[:count], batch.frames[:count], batch.buffer)

    def _looks_at(self, count: int) -> int:
        """How many of the next frames are looked at: all of the first, then short runs, for copies are neighbours."""
        if self._frames < _ALL_UP_TO:
            return count
        if self._are_all_looked_at:
            self._all, self._found_in_all = self._frames, self._table.found
        is_due = (self._looked_at - self._all) * _ONE_OF <= self._frames - self._all
        return min(count, _RUN) if is_due else 0
