"""Expectations: conversations that others have announced, as FTP does for each transfer.

An end says at which address and port it will be called, or to where it was told to call; the conversation between the
two that begins there soon after is what was announced, though it says nothing by which it could be known. Bounded: what
was announced longest ago goes first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from portcall.inspection.inspection_bounds import InspectionBounds
from portcall.records.packets import NO_TIME
from portcall.records.plain_data import below, items, octets, text, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from portcall.records.detections import ExpectedFlow

_ROWS_AT_ONCE = 1 << 14
_MOST_TIMES = 16  # of one end: ports are used again
LONGEST_WAIT_NS = 300 * 10**9
"""After its announcement a flow begins: as long as Zeek waits for FTP's data."""


class _Announced(NamedTuple):
    """The same announced several times with no long pause between."""

    protocol: str
    packet: int
    """Number of the first packet that says so."""
    first_ns: int
    last_ns: int
    row: int
    """Of the conversation that says so …"""
    teller: str
    """… and the protocol that it was taken for."""


class ExpectedFlows:
    """Who will be called by whom, and for what."""

    def __init__(self, bounds: InspectionBounds | None = None) -> None:
        """``bounds`` are those of the run, in which is counted what is forgotten; None: the usual ones."""
        self._bounds = bounds or InspectionBounds()
        self._announced: dict[tuple[int, bytes, int, bytes], list[_Announced]] = {}

    def note(
        self,
        ends: tuple[bytes, bytes],
        time_ns: int,
        packet: int,
        expected: tuple[ExpectedFlow, ...],
        teller: tuple[int, str] = (0, ""),
    ) -> None:
        """A packet said so; ``ends`` are its source and target (16 bytes, IPv4 in the last four).

        ``teller``: row of its conversation, and what that was taken for.
        """
        sender, listener = ends
        for one in expected:
            key = one.transport, one.address.rjust(16, b"\0") if one.address else sender, one.port, listener
            times = self._announced.pop(key, [])
            if times and times[-1].protocol == one.protocol and time_ns - times[-1].last_ns <= LONGEST_WAIT_NS:
                times[-1] = times[-1]._replace(last_ns=max(time_ns, times[-1].last_ns))
            else:
                times = [*times[1 - _MOST_TIMES :], _Announced(one.protocol, packet, time_ns, time_ns, *teller)]
            self._announced[key] = times
            self._forget_oldest()

    def merge(self, later: ExpectedFlows, frames_before: int = 0, places: Sequence[int] | None = None) -> None:
        """Take in what another one was told, whose frame 1 comes after ``frames_before``.

        ``places`` are the rows here of its rows; None: the same.
        """
        for key, others in later._announced.items():
            rows = [one.row if places is None else places[one.row] for one in others]
            moved = [
                one._replace(packet=one.packet + frames_before, row=row) for one, row in zip(others, rows, strict=True)
            ]
            known = sorted([*self._announced.pop(key, []), *moved], key=lambda one: one.packet)
            times = known[:1]
            for one in known[1:]:
                last = times[-1]
                if last.protocol == one.protocol and one.first_ns - last.last_ns <= LONGEST_WAIT_NS:
                    times[-1] = last._replace(last_ns=max(one.last_ns, last.last_ns))
                else:
                    times.append(one)
            self._announced[key] = times[-_MOST_TIMES:]
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        if len(self._announced) > self._bounds.most_announced:
            del self._announced[next(iter(self._announced))]
            self._bounds.announcements_forgotten += 1

    def forget(self, is_wrong: Callable[[int, str], bool]) -> None:
        """Forget what was announced in rows that turned out to be something else than their teller was taken for."""
        for key, times in list(self._announced.items()):
            kept = [one for one in times if not is_wrong(one.row, one.teller)]
            if kept:
                self._announced[key] = kept
            else:
                del self._announced[key]

    def rows(self) -> list[int]:
        """The rows of the conversations that announced something."""
        return [one.row for times in self._announced.values() for one in times]

    def of_rows(self, numbers: NDArray[np.uint32]) -> ExpectedFlows:
        """What some rows announced: uint32[rows], 1 + the new number of each, 0 for the others."""
        some = ExpectedFlows()
        for key, times in self._announced.items():
            kept = [one._replace(row=int(numbers[one.row]) - 1) for one in times if numbers[one.row]]
            if kept:
                some._announced[key] = kept
        return some

    def plain(self) -> list[Any]:
        """All that was announced, as lists, texts and numbers, what was announced longest ago first."""
        return [
            [transport, address.hex(), port, listener.hex(), list(map(list, times))]
            for (transport, address, port, listener), times in self._announced.items()
        ]

    @classmethod
    def of_plain(cls, plain: object, rows: int = 1, bounds: InspectionBounds | None = None) -> ExpectedFlows:
        """What gave these, of a table with so many rows. ValueError for what nothing can give."""
        expected = cls(bounds)
        for entry in items(plain):
            transport, address, port, listener, times = items(entry, 5)
            key = whole(transport, most=255), octets(address, 16), whole(port, most=65535), octets(listener, 16)
            expected._announced[key] = [
                _Announced(
                    *(text(protocol), whole(packet), whole(first_ns, NO_TIME), whole(last_ns, NO_TIME)),
                    *(whole(row, most=rows - 1), text(teller)),
                )
                for protocol, packet, first_ns, last_ns, row, teller in (items(one, 6) for one in items(times))
            ][-_MOST_TIMES:]
        below(np.array([len(expected._announced)]), expected._bounds.most_announced + 1)
        return expected

    def find_in(self, flows: NDArray[np.void], rows: NDArray[np.int64]) -> Iterator[tuple[int, int, str, int]]:
        """The same of some rows of FLOW[n]; some thousand are looked at at once."""
        for start in range(0, len(rows) if self._announced else 0, _ROWS_AT_ONCE):
            some = rows[start : start + _ROWS_AT_ONCE]
            for at, called, protocol, packet in self.find(flows[some]):
                yield int(some[at]), called, protocol, packet

    def find(self, flows: NDArray[np.void]) -> list[tuple[int, int, str, int]]:
        """Those of FLOW[n] that were announced.

        Of each the index, the end that is called (0 low, 1 high), the protocol, the number of the packet that told it.
        """
        if not self._announced:
            return []
        ports = np.array(list({port for _, _, port, _ in self._announced}), np.uint16)
        maybe = np.flatnonzero(np.isin(flows["low_port"], ports) | np.isin(flows["high_port"], ports))
        found = ((row, self._of(flows[row])) for row in maybe.tolist())
        return [(row, told[0], told[1].protocol, told[1].packet) for row, told in found if told]

    def _of(self, flow: np.void) -> tuple[int, _Announced] | None:
        """The end that is called, and what announced one FLOW row."""
        first_ns = int(flow["first_ns"])
        for called, (end, other) in enumerate((("low", "high"), ("high", "low"))):
            key = int(flow["protocol"]), flow[end].tobytes(), int(flow[f"{end}_port"]), flow[other].tobytes()
            for announced in self._announced.get(key, ()):
                is_soon = announced.first_ns <= first_ns <= announced.last_ns + LONGEST_WAIT_NS
                if is_soon or announced.first_ns == NO_TIME:
                    return called, announced
        return None
