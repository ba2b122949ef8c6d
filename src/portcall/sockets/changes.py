"""What appears and what goes among listening sockets, look by look. Pure: rows and seconds come as arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    Row = dict[str, Any]  # Any: plain values of several types, see schema
    Key = tuple[Any, ...]

APPEARED, GONE = "+", "-"


class PortWatch:
    """Rows of ``ports`` by look; a change stays marked for ``marked_s`` seconds."""

    def __init__(self, rows: Sequence[Row], marked_s: float = 10.0) -> None:
        self._marked_s = marked_s
        self._rows = {_key(row): row for row in rows}
        self._appeared_s: dict[Key, float] = {}
        self._gone: dict[Key, tuple[Row, float]] = {}

    def update(self, rows: Sequence[Row], now_s: float) -> list[tuple[str, Row]]:
        """What is different since the last look, as (APPEARED or GONE, row)."""
        before, self._rows = self._rows, {_key(row): row for row in rows}
        gone = [(key, row) for key, row in before.items() if key not in self._rows]
        appeared = [(key, row) for key, row in self._rows.items() if key not in before]
        self._gone |= {key: (row, now_s) for key, row in gone}
        self._appeared_s |= {key: now_s for key, _ in appeared}
        for key, _ in appeared:
            self._gone.pop(key, None)
        return [*((GONE, row) for _, row in gone), *((APPEARED, row) for _, row in appeared)]

    def marked(self, now_s: float) -> list[tuple[str, Row]]:
        """All rows that are there or went lately, each with its mark or an empty one."""
        earliest_s = now_s - self._marked_s
        self._appeared_s = {
            key: at_s for key, at_s in self._appeared_s.items() if at_s > earliest_s and key in self._rows
        }
        self._gone = {key: (row, at_s) for key, (row, at_s) in self._gone.items() if at_s > earliest_s}
        there = [(APPEARED if key in self._appeared_s else "", row) for key, row in self._rows.items()]
        return [*there, *((GONE, row) for row, _ in self._gone.values())]


def _key(row: Row) -> Key:
    names = ("namespace", "protocol", "port", "address", "interface")
    return *(row[name] for name in names), *row["pids"]
