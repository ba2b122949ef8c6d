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
        self._found_by_others, self._others_are_exact = 0, True

    @property
    def table(self) -> CopyTable:
        """The packets that are remembered, for whoever looks for copies without asking here."""
        return self._table

    @property
    def found(self) -> int:
        """Frames that are copies of others, so far; where that ``is_exact`` is not, an estimate."""
        table = self._table
        if table.frames == table.looked_at:
            return self._found_by_others + table.found
        looked_at, frames = table.looked_at - table.all, table.frames - table.all
        found_in_all = self._found_by_others + table.found_in_all
        return found_in_all + round((table.found - table.found_in_all) * frames / max(looked_at, 1))

    @property
    def is_exact(self) -> bool:
        """Whether all frames were looked at, and each was remembered for as long as a copy may come."""
        table = self._table
        return table.frames == table.looked_at and not table.displaced and self._others_are_exact

    def add(self, found: int, *, is_exact: bool) -> None:
        """Count what others found, in other frames."""
        self._found_by_others += found
        self._others_are_exact &= is_exact

    def find(self, batch: FrameBatch, packets: NDArray[np.void]) -> None:
        """Look for copies among PACKET[n] of a batch, which come in order of time."""
        self._table.find(packets, batch.frames, batch.buffer)
