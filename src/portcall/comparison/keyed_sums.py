"""One side of a comparison: rows of traffic, added up by what they are compared by.

    rows by flow         app and host (the server's name, else its address), or one of the two
    grouped rows         what they are grouped by: app, process, user, service, host; or columns of them, as app+host

What has no app, or no such thing, is told apart by its reason. So nothing is left out: the sums of all keys are those
of all rows. A side keeps half a million keys at the most; rows of further ones are added to one that says so.
"""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING, Any, NamedTuple

from portcall.errors import PortcallError, UsageError
from portcall.records.column_values import Columns
from portcall.records.report_rows import ROWS_AT_ONCE, Rows
from portcall.records.schema import COMPARED_BY, directions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    Row = dict[str, Any]  # Any: plain values of several types, see schema

MOST_KEYS = 500_000
APP_AND_HOST = COMPARED_BY[0]
_OF_FLOWS = (APP_AND_HOST, "app", "host")
_GREATEST = (1 << 63) - 1
_FURTHER = "further"


class SumKey(NamedTuple):
    """What rows of both sides have in common."""

    values: tuple[str | None, ...]
    """Of the columns that it is made of."""
    reason: str | None
    """Why the first of them is null."""


class Counts(NamedTuple):
    """What a key stands for on one side."""

    bytes: int = 0
    flows: int = 0
    packets: int = 0


FURTHER = SumKey((), _FURTHER)
"""Where rows go that there is no room for."""


def grouping_of_both(by: str | None, groupings: Iterable[str | None]) -> tuple[str, str]:
    """What two sides are compared by, and what their rows are to be grouped by; None is a side that can have any.

    UsageError where they cannot be compared so.
    """
    of_files = sorted({grouping for grouping in groupings if grouping})
    if len(of_files) > 1:
        raise UsageError(f"one is by {of_files[0]}, the other by {of_files[1]}: write both with the same --by")
    if not of_files:
        by = by or APP_AND_HOST
        return by, "flow" if by == APP_AND_HOST else by
    (grouping,) = of_files
    possible = _OF_FLOWS if grouping == "flow" else (grouping,) if grouping in COMPARED_BY else ()
    if not possible:
        raise UsageError(f"a report by {grouping} cannot be compared: write it with --by flow, app or host")
    if by not in (None, *possible):
        raise UsageError(f"--by {by}: the report is by {grouping}, which can be compared by {' or '.join(possible)}")
    return by or possible[0], grouping


class KeyedSums:
    """Rows of one side, added up; ``by`` and ``grouping`` as ``grouping_of_both`` gives them."""

    def __init__(self, by: str, grouping: str, most_keys: int = MOST_KEYS) -> None:
        self.key_columns = tuple(by.split("+"))
        self.by_key: dict[SumKey, Counts] = {}
        self.rows_of_further_keys = 0
        self._of_flows = grouping == "flow"
        self._most_keys = most_keys
        self._counted = {
            count: [f"{count}_{direction}" for direction in directions(grouping)] for count in ("bytes", "packets")
        }
        read = ["app", "hostname", "server_ip", "protocol"] if self._of_flows else [*self.key_columns, "flows"]
        self.names = frozenset([*read, "unattributed_reason", *self._counted["bytes"], *self._counted["packets"]])
        """The columns that it reads."""

    def add(self, columns: Columns) -> None:
        """Count in some rows; what they lack of ``names`` is null."""
        plain = {name: columns.by_name[name].plain() for name in self.names & columns.by_name.keys()}

        def values_of(name: str) -> Iterable[Any]:  # Any: text or int, or None
            return plain.get(name) or repeat(None, len(columns))

        def both_ways(count: str) -> Iterator[int]:
            out, back = map(values_of, self._counted[count])
            return ((one or 0) + (other or 0) for one, other in zip(out, back, strict=True))

        keys = zip(*map(values_of, self.key_columns), strict=True) if not self._of_flows else self._ends(values_of)
        flows = (protocol is not None for protocol in values_of("protocol")) if self._of_flows else values_of("flows")
        counts = zip(both_ways("bytes"), flows, both_ways("packets"), strict=True)
        for values, reason, counted in zip(keys, values_of("unattributed_reason"), counts, strict=True):
            self._count(SumKey(values, reason if values[0] is None else None), counted)

    def add_rows(self, rows: Rows | Sequence[Row]) -> None:
        """Count in the rows of a report."""
        if isinstance(rows, Rows):
            for columns in rows.blocks(names=self.names):
                self.add(columns)
            return
        for start in range(0, len(rows), ROWS_AT_ONCE):
            self.add(Columns.of_rows(rows[start : start + ROWS_AT_ONCE]))

    @property
    def total(self) -> Counts:
        """All together. PortcallError where they are more than any output has room for."""
        total = Counts(*map(sum, zip(*self.by_key.values(), strict=True))) if self.by_key else Counts()
        if max(total) > _GREATEST:
            raise PortcallError("the counts add up to more than 64 bits hold: no traffic is that much")
        return total

    def _ends(self, values_of: Any) -> Iterator[tuple[str | None, ...]]:  # Any: as above
        names_or_addresses = (
            name or address for name, address in zip(values_of("hostname"), values_of("server_ip"), strict=True)
        )
        return zip(
            *(names_or_addresses if name == "host" else values_of(name) for name in self.key_columns), strict=True
        )

    def _count(self, key: SumKey, counted: tuple[int, int | None, int]) -> None:
        if key not in self.by_key and len(self.by_key) >= self._most_keys:
            key = FURTHER._replace(values=(None,) * len(self.key_columns))
            self.rows_of_further_keys += 1
        size, flows, packets = counted
        former = self.by_key.get(key, _NOTHING)
        self.by_key[key] = Counts(former.bytes + size, former.flows + int(flows or 0), former.packets + packets)


_NOTHING = Counts()
