"""Partitions: what keeps live flows apart besides their ends, as one number a packet.

Where another socket or process takes over a local port, flows on it must go on in new rows, and each capture point has
rows of its own. So the packets' namespace number becomes a partition: its low 20 bits count such turns of the packet's
ports, the others number the capture point, an interface in a network namespace. The flow table keeps rows apart by it,
and knows neither owners nor interfaces. Without ports, an echo's identifier keeps rows apart (``echoes``), and the
turns of everything else are those of its protocol. A later fragment has neither, and goes where its first one went.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from portcall.records.ownership import ICMP_PROTOCOLS
from portcall.records.packets import Fragmentation, Verdict
from portcall.records.sightings import OWNER_CHANGE
from portcall.runs.echoes import IS_ECHO, echoes_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from portcall.records.packets import CapturePoint, FrameBatch

    NameCapturePoint = Callable[[int, int], CapturePoint]

TURN_BITS = 20
_TURNS = IS_ECHO - np.uint32(1)  # of what is no echo
_MOST_CAPTURE_POINTS = 1 << (32 - TURN_BITS)
_SKEW_NS = 1_000_000_000
"""How far packets of one interface may be behind those of another."""
_MOST_NUMBERS = 1 << 16
"""Indexes of interfaces that are remembered, of those that are made anew again and again."""
_TCP = 6
_MAX_DATAGRAMS = 1 << 12  # fragmented ones whose first fragment went to another partition than its port-less rest would
_TCP_PORTS, _OTHER_PORTS, _IDENTIFIERS, _PROTOCOLS, _NOTHING = range(5)


class Places(NamedTuple):
    """Where the turns of packets are counted: two numbers each, of two kinds."""

    kinds: NDArray[np.uint8]
    numbers: NDArray[np.uint16]


class Partitions:
    """Writes partitions into packets, and reads them in flow rows."""

    def __init__(self, name_capture_point: NameCapturePoint) -> None:
        """``name_capture_point`` says what a namespace's interface is called, by their numbers."""
        self.points = CapturePoints(name_capture_point)
        self._turns = np.zeros((_NOTHING + 1, 1 << 16), np.uint32)
        self._changes = np.zeros(0, OWNER_CHANGE)
        self._datagrams: OrderedDict[tuple[int, int], int] = OrderedDict()
        self.last_ns = 0
        """Greatest time of a packet."""

    def note(self, changes: NDArray[np.void]) -> None:
        """OWNER_CHANGE[n]: from these times on, others may be behind these ports."""
        self._changes = np.concatenate([self._changes, changes])

    def write(self, batch: FrameBatch, packets: NDArray[np.void]) -> None:
        """Put the partition in place of the namespace of PACKET[n], at least one."""
        if len(self._changes):
            self._settle()
        places = _places(packets)
        echoes = echoes_of(batch, packets) if (packets["verdict"] == Verdict.NO_PORTS).any() else None
        if echoes:
            places.kinds[0, echoes.packets], places.numbers[0, echoes.packets] = _IDENTIFIERS, echoes.identifiers
        turns = self._turns[places.kinds, places.numbers].sum(axis=0, dtype=np.uint32)
        if len(self._changes):
            turns += self._recent_turns(packets["ts_ns"], places)
        partitions = turns & _TURNS
        if echoes:
            partitions[echoes.packets] = echoes.turns(turns[echoes.packets])
        points = self.points.numbers(batch) << np.uint32(TURN_BITS)
        partitions |= points
        if packets["fragmentation"].any():
            self._keep_datagrams_together(packets, partitions)
        packets["namespace"] = partitions
        self.last_ns = max(self.last_ns, int(packets["ts_ns"].max()))

    def _settle(self) -> None:
        """Count in the changes that no packet can come before any more, from whichever interface it comes."""
        is_settled = self._changes["time_ns"] < self.last_ns - _SKEW_NS
        settled, self._changes = self._changes[is_settled], self._changes[~is_settled]
        for change in settled:
            self._turns[_place_of(change)] += 1

    def _recent_turns(self, times_ns: NDArray[np.int64], places: Places) -> NDArray[np.uint32]:
        """How many of the other changes each packet comes after."""
        extra = np.zeros(len(times_ns), np.uint32)
        for change in self._changes[np.isin(self._changes["local_port"], [0, *np.unique(places.numbers).tolist()])]:
            kind, number = _place_of(change)
            counts = ((places.kinds == kind) & (places.numbers == number)).sum(axis=0, dtype=np.uint32)
            extra += np.where(times_ns >= change["time_ns"], counts, np.uint32(0))
        return extra

    def _keep_datagrams_together(self, packets: NDArray[np.void], partitions: NDArray[np.uint32]) -> None:
        """Later fragments in the partition of their first, where that came before them."""
        for i in np.flatnonzero(packets["fragmentation"]).tolist():
            partition = int(partitions[i])
            key = int(packets["datagram"][i]), partition >> TURN_BITS
            if packets["fragmentation"][i] == Fragmentation.LATER:
                partitions[i] = self._datagrams.get(key, partition)
            elif partition & (1 << TURN_BITS) - 1 or key in self._datagrams:
                self._datagrams[key] = partition
                if len(self._datagrams) > _MAX_DATAGRAMS:
                    self._datagrams.popitem(last=False)


def _places(packets: NDArray[np.void]) -> Places:
    """Both ports of PACKET[n], or the protocol where it has none."""
    kinds = np.empty((2, len(packets)), np.uint8)
    kinds[:] = np.where(packets["protocol"] == _TCP, np.uint8(_TCP_PORTS), np.uint8(_OTHER_PORTS))
    numbers = np.stack([packets["source_port"], packets["target_port"]])
    portless = packets["verdict"] == Verdict.NO_PORTS
    kinds[0, portless], kinds[1, portless] = _PROTOCOLS, _NOTHING
    numbers[0, portless] = packets["protocol"][portless]
    return Places(kinds, numbers)


def _place_of(change: np.void) -> tuple[int, int]:
    """Where an OWNER_CHANGE is counted."""
    protocol, port = int(change["protocol"]), int(change["local_port"])
    if not port:
        return _PROTOCOLS, protocol
    if protocol in ICMP_PROTOCOLS:
        return _IDENTIFIERS, port
    return (_TCP_PORTS if protocol == _TCP else _OTHER_PORTS), port


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
        turns = partitions & np.uint32((1 << TURN_BITS) - 1)
        return np.asarray((first_of_namespace[partitions >> TURN_BITS] << TURN_BITS) | turns)

    def title(self, number: int) -> str:
        """What people call it."""
        interface, namespace = self.names[number]
        return f"{interface or 'an interface'} ({namespace})" if namespace else interface or "an interface"

    def _number(self, namespace: int, interface: int) -> np.uint32:
        key = namespace, interface
        if key not in self._numbers:
            if len(self.names) == _MOST_CAPTURE_POINTS:
                return np.uint32(_MOST_CAPTURE_POINTS - 1)
            if len(self._numbers) > _MOST_NUMBERS:
                self._numbers.clear()  # they are found again by their names
            point = self._name(*key)
            for number, known in enumerate(zip(self._namespaces, self.names, strict=True)):
                if point.interface and known == (namespace, point):  # made anew: what passed it goes on
                    self._numbers[key] = np.uint32(number)
                    return self._numbers[key]
            self._numbers[key] = np.uint32(len(self.names))
            self.names.append(point)
            self.has_several |= namespace in self._namespaces
            self._namespaces.append(namespace)
        return self._numbers[key]
