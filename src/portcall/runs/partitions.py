"""Partitions: what keeps live flows apart besides their ends, as one number a packet.

Where another socket or process takes over a local port, flows on it must go on in new rows, and each capture point has
rows of its own. So the packets' namespace number becomes a partition: its low 20 bits count such turns of the packet's
ports, the others number the capture point, an interface in a network namespace. The flow table keeps rows apart by it,
and knows neither owners nor interfaces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from portcall.records.ownership import OWNER_CHANGE

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from portcall.records.packets import CapturePoint, FrameBatch

    NameCapturePoint = Callable[[int, int], CapturePoint]

TURN_BITS = 20
_TURNS = np.uint32((1 << TURN_BITS) - 1)
_MOST_CAPTURE_POINTS = 1 << (32 - TURN_BITS)
_SKEW_NS = 1_000_000_000
"""How far packets of one interface may be behind those of another."""
_TCP = 6


class Partitions:
    """Writes partitions into packets, and reads them in flow rows."""

    def __init__(self, name_capture_point: NameCapturePoint) -> None:
        """``name_capture_point`` says what a namespace's interface is called, by their numbers."""
        self.points = CapturePoints(name_capture_point)
        self._turns = np.zeros((2, 1 << 16), np.uint32)
        self._changes = np.zeros(0, OWNER_CHANGE)
        self.last_ns = 0
        """Greatest time of a packet."""

    def note(self, changes: NDArray[np.void]) -> None:
        """OWNER_CHANGE[n]: from these times on, others may be behind these ports."""
        self._changes = np.concatenate([self._changes, changes])

    def write(self, batch: FrameBatch, packets: NDArray[np.void]) -> None:
        """Put the partition in place of the namespace of PACKET[n], at least one."""
        if len(self._changes):
            self._settle()
        turns = self._turn_of(packets, "source_port") + self._turn_of(packets, "target_port")
        if len(self._changes):
            turns += self._recent_turns(packets)
        packets["namespace"] = (self.points.numbers(batch) << np.uint32(TURN_BITS)) | (turns & _TURNS)
        self.last_ns = max(self.last_ns, int(packets["ts_ns"].max()))

    def _turn_of(self, packets: NDArray[np.void], port: str) -> NDArray[np.uint32]:
        return np.asarray(self._turns[(packets["protocol"] != _TCP).astype(np.intp), packets[port]])

    def _settle(self) -> None:
        """Count in the changes that no packet can come before any more, from whichever interface it comes."""
        is_settled = self._changes["time_ns"] < self.last_ns - _SKEW_NS
        settled, self._changes = self._changes[is_settled], self._changes[~is_settled]
        transports = (settled["protocol"] != _TCP).astype(np.intp)
        np.add.at(self._turns, (transports, settled["local_port"]), np.uint32(1))

    def _recent_turns(self, packets: NDArray[np.void]) -> NDArray[np.uint32]:
        """How many of the other changes each packet comes after."""
        extra = np.zeros(len(packets), np.uint32)
        is_tcp = packets["protocol"] == _TCP
        ports = np.concatenate([packets["source_port"], packets["target_port"]])
        for change in self._changes[np.isin(self._changes["local_port"], ports)]:
            later = (packets["ts_ns"] >= change["time_ns"]) & (is_tcp == (change["protocol"] == _TCP))
            for end in ("source_port", "target_port"):
                extra[later & (packets[end] == change["local_port"])] += 1
        return extra


class CapturePoints:
    """Interfaces of network namespaces, by small numbers in order of appearance."""

    def __init__(self, name_capture_point: NameCapturePoint) -> None:
        self.names: list[CapturePoint] = []
        self.has_several = False
        """Whether a namespace has more than one of them."""
        self._name = name_capture_point
        self._numbers: dict[tuple[int, int], np.uint32] = {}
        self._namespaces: list[int] = []

    def numbers(self, batch: FrameBatch) -> NDArray[np.uint32] | np.uint32:
        """The capture point of each frame of a batch that has some, or of all; new ones are named."""
        interfaces = batch.frames["interface"]
        first = interfaces[0]
        if (interfaces == first).all():  # as mostly
            return self._number(batch.namespace, int(first))
        here, which = np.unique(interfaces, return_inverse=True)
        return np.array([self._number(batch.namespace, one) for one in here.tolist()], np.uint32)[which]

    def namespaces(self, partitions: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """The numbers of the partitions' namespaces."""
        return np.asarray(np.array(self._namespaces or [0], np.uint32)[partitions >> TURN_BITS])

    def networks(self, partitions: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """The partitions without their interfaces."""
        first_of_namespace = np.array([self._namespaces.index(number) for number in self._namespaces], np.uint32)
        return np.asarray((first_of_namespace[partitions >> TURN_BITS] << TURN_BITS) | (partitions & _TURNS))

    def title(self, number: int) -> str:
        """What people call it."""
        interface, namespace = self.names[number]
        return f"{interface or 'an interface'} ({namespace})" if namespace else interface or "an interface"

    def _number(self, namespace: int, interface: int) -> np.uint32:
        key = namespace, interface
        if key not in self._numbers:
            if len(self.names) == _MOST_CAPTURE_POINTS:
                return np.uint32(_MOST_CAPTURE_POINTS - 1)
            self._numbers[key] = np.uint32(len(self.names))
            self.names.append(self._name(*key))
            self.has_several |= namespace in self._namespaces
            self._namespaces.append(namespace)
        return self._numbers[key]
