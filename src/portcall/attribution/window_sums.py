"""Sums for history: who talked with whom about what in each window of time, whatever a report is grouped by.

The crediting is that of reports: the same ends, owners, names and services, and traffic between two local ends is both
of theirs. A conversation counts in the window in which it began. What becomes of rows with time adds up, so windows are
taken from rows that leave as they leave, and from those that stay when a window is over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from portcall.attribution.principals import QUALITIES, credited_to, quality_of
from portcall.flows.aggregation import CREDIT, CREDITS, HOST_CREDIT, HOST_CREDITS, Sums
from portcall.flows.flow_ends import flow_ends
from portcall.flows.local_networks import host_text, networks
from portcall.flows.row_chunks import picked
from portcall.kernels.attribute import credit
from portcall.labels.bucketing import bucket_numbers
from portcall.labels.registry import Registry
from portcall.labels.service_keys import WITHOUT_FIRST
from portcall.records.flows import FlowKind
from portcall.records.kept.windows import COUNTED, TIMED, CountedIn, WindowKey, add_counts, bounded
from portcall.records.report_rows import ROWS_AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from portcall.attribution.principals import Holder, Matches, Principal
    from portcall.flows.cells.flow_cells import Cells
    from portcall.inspection.detection_table import Detected
    from portcall.inspection.server_names import ServerNames
    from portcall.records.kept.windows import Counts, Rows
    from portcall.records.packets import Verdict

MOST_ROWS = 2000
"""Of a window; beyond, those with fewest bytes are one, see ``bounded``."""
_BOTH = 3
"""Of FLOW_ENDS.local: both ends are."""
_ENDS_BITS = 6
"""Below the number of whom an end is credited to: CountedIn, and whether the conversation began in the window."""
_COUNTS = ("packets", "bytes", "payload")
_CREDITED = ("service", "principal", "host_kind", "high_half", "low_half", "bucket", *COUNTED, *TIMED)


class _Credited(NamedTuple):
    """Whom one end of a conversation is credited to, and how surely."""

    principal: Principal
    holder: Holder
    quality: int


class _Told(NamedTuple):
    """What the traffic of some flows told."""

    names: ServerNames | None
    found: Detected | None


class _Known(NamedTuple):
    """What the numbers in credits mean."""

    credited: Sequence[_Credited]
    registry: Registry

    def key(self, packed: int, service: int, host: tuple[int, int, int]) -> WindowKey:
        """The row that is credited."""
        principal, holder, quality = self.credited[packed >> _ENDS_BITS]
        is_unmatched = principal.unattributed_reason == WITHOUT_FIRST
        return WindowKey(
            principal.app,
            principal.app_source,
            principal.process,
            holder.script,
            holder.user,
            None if is_unmatched else host_text(*host, self.registry),
            self.registry.identity(service).label,
            None if is_unmatched else QUALITIES[quality],
            principal.unattributed_reason,
            packed >> 1 & int(CountedIn.ALL),
        )


class Windowed(Protocol):
    """FLOW[n] with owners, as ``Attribution.add`` takes them, and with what came of them in each window."""

    @property
    def flows(self) -> NDArray[np.void]:
        """FLOW[n]."""

    @property
    def low(self) -> Matches:
        """Whose their low ends are."""

    @property
    def high(self) -> Matches:
        """Whose their high ends are."""

    @property
    def detected(self) -> Detected | None:
        """What their own traffic told."""

    @property
    def cells(self) -> Cells | None:
        """What came of each by time."""


class WindowSums:
    """Rows of windows, by when these begin in s. ``local`` as ``Attribution`` has them."""

    def __init__(self, local: Iterable[Any] = (), most_rows: int = MOST_ROWS) -> None:
        self._local, self._most_rows = local, most_rows
        self._networks = networks(local)
        self.windows: dict[int, Rows] = {}

    def empty(self) -> WindowSums:
        """One of the same kind that counted nothing."""
        return WindowSums(self._local, self._most_rows)

    def add(self, part: Windowed, names: ServerNames | None) -> None:
        """Count what came of some flows in each window that they have cells of, by the names of their tracker."""
        cells, found = part.cells, part.detected
        if not cells or not len(cells.rows):
            return
        for start in range(0, len(part.flows), ROWS_AT_ONCE):
            chunk = slice(start, start + ROWS_AT_ONCE)
            matches = part.low[chunk], part.high[chunk]
            self._add(part.flows[chunk], matches, _Told(names, found and found.part(chunk)), cells.part(chunk))

    def add_on_no_flow(self, found: Mapping[Verdict, Cells]) -> None:
        """Count frames that are on no flow."""
        for verdict, cells in found.items():
            key = WindowKey(unattributed_reason=verdict.reason)
            counts = cells.counts
            measures = [counts[name].tolist() for name in ("packets", "bytes", *TIMED)]
            for number, packets, octets, first_ns, last_ns in zip(cells.numbers.tolist(), *measures, strict=True):
                self._put(number * cells.width_ns, key, [0, 0, packets[0], 0, octets[0], 0, 0, first_ns, last_ns])

    def forget(self, before_s: int) -> None:
        """Let windows go that begin before."""
        self.windows = {begin_s: rows for begin_s, rows in self.windows.items() if begin_s >= before_s}

    def _add(self, flows: NDArray[np.void], matches: tuple[Matches, Matches], told: _Told, cells: Cells) -> None:
        found, names = told.found, told.names
        ends = flow_ends(flows, self._networks, infers=False, askers=found and found.askers).rows
        by_port = ends["service"].copy()
        if names and found:
            label = names.label(flows, ends["client_is_low"].copy(), by_port, found)
            ends["service"], ends["server_name"] = label.services, label.hosts
        credited, numbers = _whom(ends, matches, by_port)
        known = _Known(credited, names.registry if names else Registry())
        of_both = (ends["local"] == _BOTH) & (flows["kind"] != FlowKind.UNMATCHED)
        masks = _second_ends(flows, numbers, credited, of_both)
        begun = bucket_numbers(flows["first_ns"], cells.width_ns)[cells.rows] == cells.numbers
        parts, counts = picked(np.ascontiguousarray(flows), cells.rows), cells.counts
        for name in (*_COUNTS, "first_ns", "last_ns"):
            parts[name] = counts[name]
        seen = picked(ends, cells.rows)
        seen["principal"] = _packed(numbers, np.full(len(flows), int(CountedIn.ALL)))[cells.rows] | begun[:, None]
        self._credit(parts, seen, known, cells)
        twice = np.flatnonzero(of_both[cells.rows])
        if len(twice):  # seen from the end that is not the client's
            seen = seen[twice]
            seen["principal"] = _packed(numbers, masks)[cells.rows[twice]] | begun[twice, None]
            seen["local"] = np.where(seen["client_is_low"], 2, 1)
            self._credit(parts[twice], seen, known, cells.some(twice))

    def _credit(self, flows: NDArray[np.void], ends: NDArray[np.void], known: _Known, cells: Cells) -> None:
        """Count FLOW[n], what came of one each in a window, as one end of each sees it."""
        sums, hosts = Sums(CREDIT, CREDITS), Sums(HOST_CREDIT, HOST_CREDITS)
        by_host, both_ends = True, False
        room = sums.with_room(len(flows)), hosts.with_room(len(flows))
        credit(flows, ends, by_host, both_ends, *room, cells.numbers)
        rows = sums.rows
        for service, packed, kind, high_half, low_half, number, begun, *counts in zip(
            *(rows[name].tolist() for name in _CREDITED), strict=True
        ):
            key = known.key(packed, service, (kind, high_half, low_half))
            self._put(number * cells.width_ns, key, [begun if packed & 1 else 0, *counts])

    def _put(self, begin_ns: int, key: WindowKey, counts: Counts) -> None:
        begin_s = max(begin_ns // 10**9, 0)
        rows = self.windows.setdefault(begin_s, {})
        add_counts(rows, key, counts)
        if len(rows) > 2 * self._most_rows:
            self.windows[begin_s] = bounded(rows, self._most_rows)


def _whom(
    ends: NDArray[np.void], matches: tuple[Matches, Matches], by_port: NDArray[np.int64]
) -> tuple[Sequence[_Credited], NDArray[np.int64]]:
    """Whom ends are credited to, and int64[n, 2]: which of these the low and the high end of each flow are."""
    places: dict[_Credited, int] = {}
    numbers = np.zeros((len(ends), 2), np.int64)
    for side, bit in ((0, 1), (1, 2)):
        local = (ends["local"] & bit).tolist()
        found = [match if is_local else None for match, is_local in zip(matches[side], local, strict=True)]
        numbers[:, side] = [
            places.setdefault(_Credited(*credited_to(match, key), quality_of(match)), len(places))
            for match, key in zip(found, by_port.tolist(), strict=True)
        ]
    return list(places), numbers


def _packed(numbers: NDArray[np.int64], masks: NDArray[np.int64]) -> NDArray[np.int64]:
    """int64[n, 2]: whom the ends are credited to, and in which groupings."""
    return (numbers << _ENDS_BITS) | (masks << 1)[:, None]


def _second_ends(
    flows: NDArray[np.void], numbers: NDArray[np.int64], credited: Sequence[_Credited], of_both: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """int64[n]: in which groupings the other end of a flow with two local ones is of another group, as CountedIn."""
    masks = np.zeros(len(flows), np.int64)
    for row in np.flatnonzero(of_both).tolist():
        one, other = (credited[number] for number in numbers[row].tolist())
        masks[row] = (
            (CountedIn.APP if one.principal != other.principal else 0)
            | (CountedIn.PROCESS if _process(one) != _process(other) else 0)
            | (CountedIn.USER if _user(one) != _user(other) else 0)
            | (CountedIn.HOST if (flows["low"][row] != flows["high"][row]).any() else 0)
        )
    return masks


def _process(whom: _Credited) -> object:
    return whom.holder.process or whom.principal


def _user(whom: _Credited) -> object:
    return (whom.holder.user,) if whom.principal.app_source == "process" else whom.principal
