"""Checked ports as a table: what is open stands out, and long runs of ports that all refuse alike are one line."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from portcall.records.schema import VERDICTS
from portcall.views.fitting import TableColumn
from portcall.views.lists import Sheet, write_list
from portcall.views.text import count_text, duration_text

if TYPE_CHECKING:
    from typing import TextIO

    from portcall.records.schema import Listing

    Row = dict[str, Any]  # Any: plain values of several types, see schema

MOST_ALIKE = 8
"""More ports than this that got the same answer are one line, unless they are open."""

_STYLES = {"open": "green", "filtered": "yellow", "open-or-filtered": "yellow"}


def _column(title: str, rank: int, most: int | None = 60, *, wraps: bool = False) -> TableColumn:
    return TableColumn(title, rank, lambda line: line[title], most, is_needed=False, wraps=wraps)


_COLUMNS = (
    _column("host", 2),
    _column("port", 0),
    _column("service", 5, 32),
    _column("address", 3),
    _column("verdict", 1),
    _column("after", 4, None),
    _column("banner", 4),
    _column("why", 2, 1000, wraps=True),
)


def write_checks(listing: Listing, stream: TextIO, *, most_rows: int | None = None, width: int | None = None) -> None:
    """Write the rows of ``portcall check`` for people."""
    sheet = Sheet(_COLUMNS, _lines(listing.rows), _heading(listing), lambda line: _STYLES.get(line["verdict"], ""))
    write_list(listing, stream, lambda _: sheet, most_rows=most_rows, width=width)


def _lines(rows: list[Row]) -> list[dict[str, str]]:
    has_several_hosts = len({row["host"] for row in rows}) > 1
    alike: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        alike.setdefault(_alike(row), []).append(row)
    lines = []
    for row in rows:
        group = alike[_alike(row)]
        if len(group) <= MOST_ALIKE:
            lines.append(_line([row]))
        elif row is group[0]:
            lines.append(_line(group))
        else:
            continue
        lines[-1]["host"] = row["host"] if has_several_hosts else ""
    return lines


def _alike(row: Row) -> tuple[Any, ...]:
    """What rows of one line have in common; an open port's line is its own."""
    common = tuple(row[name] for name in ("host", "address", "protocol", "verdict", "reason", "said_by"))
    return (*common, row["port"]) if row["verdict"] == "open" else common


def _line(group: list[Row]) -> dict[str, str]:
    row = group[0]
    reason = row["reason"] + (f", says {row['said_by']}" if row["said_by"] not in (None, row["address"]) else "")
    is_one = len(group) == 1
    return {
        "port": f"{row['port']}/{row['protocol']}" if is_one else f"{count_text(len(group))} ports/{row['protocol']}",
        "service": (row["service"] or "") if is_one else "",
        "address": row["address"] or "",
        "verdict": row["verdict"],
        "after": duration_text(row["answer_ns"]) if is_one and row["answer_ns"] is not None else "",
        "banner": row["banner"] or "",
        "why": reason if is_one else f"{reason}: {_runs(sorted(row['port'] for row in group))}",
    }


def _runs(ports: list[int]) -> str:
    """Ports in order as people write them: ``1-21, 23, 25-79``."""
    runs: list[list[int]] = []
    for port in ports:
        if runs and runs[-1][-1] == port - 1:
            runs[-1][1:] = [port]
        else:
            runs.append([port])
    return ", ".join("-".join(map(str, run)) for run in runs)


def _heading(listing: Listing) -> str:
    counts = Counter(row["verdict"] for row in listing.rows)
    told = ", ".join(f"{count_text(counts[verdict])} {verdict}" for verdict in VERDICTS if counts[verdict])
    return f"{listing.source}: {told or 'nothing to show'}"
