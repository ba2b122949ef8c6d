"""Partitions: what keeps live flows apart besides their ends, as one number a packet.

Where another socket or process takes over a local port, flows on it must go on in new rows, and each capture point has
rows of its own. So the packets' namespace number becomes a partition: its low 20 bits count such turns of the packet's
ports, the others number the capture point, an interface in a network namespace. The flow table keeps rows apart by it,
and knows neither owners nor interfaces. Without ports, an echo's identifier keeps rows apart (``echoes``), and the
turns of everything else are those of its protocol. A later fragment has neither, and goes where its first one went.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from portcall.kernels.live.turns import IDENTIFIERS, OTHER_PORTS, PROTOCOLS, TCP_PORTS, TURN_BITS, TurnWriter
from portcall.ownership.owner_bounds import OwnerBounds
from portcall.records.ownership import ICMP_PROTOCOLS
from portcall.records.sightings import OWNER_CHANGE
from portcall.runs.echoes import ROLES

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from portcall.records.packets import CapturePoint, FrameBatch
    from portcall.runs.packet_clock import PacketClock

    NameCapturePoint = Callable[[int, int], CapturePoint]

_MOST_CAPTURE_POINTS = 1 << (32 - TURN_BITS)
_SKEW_NS = 1_000_000_000
"""How far packets of one interface may be behind those of another."""
_MOST_NUMBERS = 1 << 16
"""Indexes of interfaces that are remembered, of those that are made anew again and again."""
_TCP = 6


class Partitions:
    """Writes partitions into packets, and reads them in flow rows."""

    def __init__(
        self,
        name_capture_point: NameCapturePoint,
        number_namespace: Callable[[int, int], int] | None = None,
        bounds: OwnerBounds | None = None,
    ) -> None:
        """``name_capture_point`` says what a namespace's interface is called, by their numbers.

        ``number_namespace`` tells the namespace of an interface, where batches do not; None: they do.
        ``bounds`` count what is beyond them; None: the usual ones.
        """
        self._writer = TurnWriter(ROLES, int.from_bytes(os.urandom(8), "little"))
        self._bounds = bounds or OwnerBounds()
        self.points = CapturePoints(name_capture_point, self._writer, number_namespace, self._bounds)
        self._changes = np.zeros(0, OWNER_CHANGE)
        self._oldest_ns = 0

    @property
    def last_ns(self) -> int:
        """Greatest time of a packet."""
        return self._writer.last_ns

    def note(self, changes: NDArray[np.void]) -> None:
        """OWNER_CHANGE[n]: from these times on, others may be behind these ports."""
        if not len(changes):
            return
        self._changes = np.concatenate([self._changes, changes])
        if len(self._changes) > self._bounds.most_takeovers:
            self._changes = self._changes[np.argsort(self._changes["time_ns"], kind="stable")]
            hurried = len(self._changes) - self._bounds.most_takeovers // 2
            self._bounds.takeovers_hurried += hurried
            self._count(hurried)
        self._await_packets()

    def write(self, batch: FrameBatch, packets: NDArray[np.void]) -> None:
        """Put the partition in place of the namespace of PACKET[n], at least one."""
        if len(self._changes) and self._oldest_ns < self.last_ns - _SKEW_NS:
            self._settle()
        written = self._write(batch, packets, 0)
        while written < len(packets):
            self.points.learn(batch.namespace, int(batch.frames["interface"][written]))
            written = self._write(batch, packets, written)

    def _write(self, batch: FrameBatch, packets: NDArray[np.void], start: int) -> int:
        return self._writer.write(packets, batch.frames, batch.buffer, batch.namespace, start)

    def _settle(self) -> None:
        """Count in the changes that no packet can come before any more, from whichever interface it comes."""
        is_settled = self._changes["time_ns"] < self.last_ns - _SKEW_NS
        self._changes = np.concatenate([self._changes[is_settled], self._changes[~is_settled]])
        self._count(int(np.count_nonzero(is_settled)))
        self._await_packets()

    def _count(self, first: int) -> None:
        """The first of the changes, for all packets to come."""
        self._writer.count(_places(self._changes[:first]))
        self._changes = self._changes[first:]

    def _await_packets(self) -> None:
        self._oldest_ns = int(self._changes["time_ns"].min(initial=np.iinfo(np.int64).max))
        self._writer.await_packets(_places(self._changes), np.ascontiguousarray(self._changes["time_ns"]))


def _places(changes: NDArray[np.void]) -> NDArray[np.uint32]:
    """Where OWNER_CHANGE[n] are counted, as the kernel ``turns`` numbers places."""
    protocols, ports = changes["protocol"].astype(np.uint32), changes["local_port"].astype(np.uint32)
    kinds = np.where(protocols == _TCP, np.uint32(TCP_PORTS), np.uint32(OTHER_PORTS))
    kinds[np.isin(protocols, ICMP_PROTOCOLS)] = IDENTIFIERS
    kinds[ports == 0] = PROTOCOLS
    return kinds << np.uint32(16) | np.where(ports, ports, protocols)


class CapturePoints:
    """Interfaces of network namespaces, by small numbers in order of appearance."""

    def __init__(
        self,
        name_capture_point: NameCapturePoint,
        writer: TurnWriter,
        number_namespace: Callable[[int, int], int] | None,
        bounds: OwnerBounds,
    ) -> None:
        """``writer`` writes those that were learned into packets."""
        self._bounds = bounds
        self.names: list[CapturePoint] = []
        self.has_several = False
        """Whether a namespace has more than one of them."""
        self._name, self._writer, self._number_namespace = name_capture_point, writer, number_namespace
        self._numbers: dict[tuple[int, int], np.uint32] = {}
        self._namespaces: list[int] = []
        self._firsts: list[int] = []
        """For each, the first one of its namespace."""
        self._first_of: dict[int, int] = {}

    def reserve(self, point: CapturePoint, namespace: int) -> None:
        """Give the next number to a point that no frame comes from."""
        self._append(point, namespace)

    def learn(self, namespace: int, interface: int) -> None:
        """Name an interface that packets come from."""
        number = self._number(namespace, interface)
        self._writer.learn(namespace, interface, int(number))

    def namespaces(self, partitions: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """The numbers of the partitions' namespaces."""
        return np.asarray(np.array(self._namespaces or [0], np.uint32)[partitions >> TURN_BITS])

    def networks(self, partitions: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """The partitions without their interfaces."""
        turns = partitions & np.uint32((1 << TURN_BITS) - 1)
        return np.asarray((np.array(self._firsts, np.uint32)[partitions >> TURN_BITS] << TURN_BITS) | turns)

    def title(self, number: int) -> str:
        """What people call it."""
        interface, namespace = self.names[number]
        return f"{interface or 'an interface'} ({namespace})" if namespace else interface or "an interface"

    def _number(self, namespace: int, interface: int) -> np.uint32:
        key = namespace, interface
        if key not in self._numbers:
            if len(self.names) >= min(self._bounds.most_capture_points, _MOST_CAPTURE_POINTS):
                self._bounds.capture_points_left_out += 1
                return np.uint32(len(self.names) - 1)
            if len(self._numbers) > _MOST_NUMBERS:
                self._numbers.clear()  # they are found again by their names
            point = self._name(*key)
            if self._number_namespace:
                namespace = self._number_namespace(*key)
            for number, known in enumerate(zip(self._namespaces, self.names, strict=True)):
                if point.interface and known == (namespace, point):  # made anew: what passed it goes on
                    self._numbers[key] = np.uint32(number)
                    return self._numbers[key]
            self._numbers[key] = np.uint32(len(self.names))
            self.has_several |= namespace in self._first_of
            self._append(point, namespace)
        return self._numbers[key]

    def _append(self, point: CapturePoint, namespace: int) -> None:
        self._firsts.append(self._first_of.setdefault(namespace, len(self.names)))
        self.names.append(point)
        self._namespaces.append(namespace)


def partitioning(
    locate: Callable[[NDArray[np.void]], None] | None, partitions: Partitions, clock: PacketClock
) -> Callable[[FrameBatch, NDArray[np.void]], None]:
    """What ``Tracker`` does with packets before it counts them."""

    def partition(batch: FrameBatch, packets: NDArray[np.void]) -> None:
        if locate:
            locate(packets)
        partitions.write(batch, packets)
        clock.note(packets["ts_ns"])

    return partition
