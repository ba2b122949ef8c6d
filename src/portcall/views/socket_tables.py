"""Sockets as tables: who listens where, who talks with whom, and counts of that."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from portcall.records.schema import COUNTS, end_text
from portcall.records.sockets import BOUND, STATES
from portcall.views.fitting import TableColumn, asked_columns
from portcall.views.lists import Sheet, write_list
from portcall.views.text import bytes_text, count_text, counted_text, duration_text, visible
from portcall.views.who import process_text

if TYPE_CHECKING:
    from typing import TextIO

    from portcall.records.schema import Listing

    Row = dict[str, Any]  # Any: plain values of several types, see schema

_END_WIDTH = 47  # a bracketed IPv6 address and a port
_NAME_WIDTH = 32
_WORDS_WIDTH = 60
_ARROWS = {"in": ("←", "<"), "out": ("→", ">"), None: ("", "")}  # the second one for ASCII


def write_sockets(
    report: Listing,
    stream: TextIO,
    *,
    most_rows: int | None = None,
    width: int | None = None,
    explain_states: bool = False,
) -> None:
    """Write a report of ``ports`` or ``conns`` for people; with the meaning of each state that it shows, if wanted."""
    write_list(report, stream, partial(_sheet, report, explain_states), most_rows=most_rows, width=width)


def port_line(row: Row) -> str:
    """A listening socket in one line."""
    words = (
        f"{row['protocol']} {end_text(row['address'], row['port'])}",
        process_text(row) + (f" ({row['pid']})" if row["pid"] else ""),
        row["exposed_to"],
    )
    return visible("  ".join(words))


def _sheet(report: Listing, explain_states: bool, is_plain: bool) -> Sheet:  # noqa: FBT001 - a partial
    rows = report.rows
    footnotes = []
    if report.by == "ports" and any(row["outside"] == "yes" for row in rows):
        footnotes.append(f"{_sign(is_plain=is_plain)} can be reached from outside, if no firewall refuses it")
    if explain_states:
        states = dict.fromkeys(row["state"] for row in rows if "state" in row)
        footnotes += [f"{state}: {STATES.get(state, 'not known')}" for state in states]
    return Sheet(columns_of(report.by, is_plain=is_plain), rows, _totals(report), _style, footnotes)


def _totals(report: Listing) -> str:
    rows = report.rows
    if report.by == "ports":
        outside, bound = sum(row["outside"] == "yes" for row in rows), sum(row["state"] == BOUND for row in rows)
        only_bound = f"; {counted_text(bound, 'socket')} only bound" if bound else ""
        listening = _of_all(report, "listening socket", len(rows) - bound)
        return f"{listening}, {count_text(outside)} of them for other machines{only_bound}"
    if report.by == "conns":
        established = sum(row["state"] == "ESTAB" for row in rows)
        return f"{_of_all(report, 'conversation')}, {count_text(established)} of them established"
    conversations = counted_text(sum(row["conversations"] for row in rows), "conversation")
    return f"{conversations} in {_of_all(report, 'row')}" if report.rows_left_out else conversations


def _of_all(report: Listing, thing: str, shown: int | None = None) -> str:
    """How many rows there are, and where ``--where`` or ``--top`` left some out, of how many."""
    shown = len(report.rows) if shown is None else shown
    if not report.rows_left_out:
        return counted_text(shown, thing)
    return f"{count_text(shown)} of {counted_text(shown + report.rows_left_out, thing)}"


def columns_of(by: str, *, is_plain: bool) -> tuple[TableColumn, ...]:
    """The table's columns for one grouping."""
    if by == "ports":
        return _port_columns(is_plain=is_plain)
    return _conversation_columns(is_plain=is_plain) if by == "conns" else _count_columns(by)


def _port_columns(*, is_plain: bool) -> tuple[TableColumn, ...]:
    sign = _sign(is_plain=is_plain)
    return (
        TableColumn(
            "port", 0, lambda row: f"{sign if row['outside'] == 'yes' else ' '} {row['port']}/{row['protocol']}", 15
        ),
        TableColumn("address", 3, lambda row: _address(row["address"], row["interface"]), _END_WIDTH),
        TableColumn("service", 4, lambda row: row["service"] or "", _NAME_WIDTH),
        TableColumn("process", 1, process_text, _NAME_WIDTH, least=12),
        TableColumn("pid", 2, lambda row: str(row["pid"] or "")),
        TableColumn("user", 5, lambda row: row["user"] or "", _NAME_WIDTH),
        TableColumn("who can reach it", 2, lambda row: row["exposed_to"], _WORDS_WIDTH),
        *_place_columns(),
        TableColumn("class", 8, lambda row: row["port_class"], _NAME_WIDTH),
    )


def _conversation_columns(*, is_plain: bool) -> tuple[TableColumn, ...]:
    return (
        TableColumn("local", 0, lambda row: end_text(row["local_ip"], row["local_port"]), _END_WIDTH),
        TableColumn("", 0, lambda row: _ARROWS[row["direction"]][is_plain], 1),
        TableColumn("remote", 0, lambda row: end_text(row["remote_ip"], row["remote_port"]), _END_WIDTH),
        TableColumn("", 3, lambda row: row["protocol"], 7),
        TableColumn("state", 1, lambda row: row["state"], _NAME_WIDTH),
        TableColumn("service", 4, lambda row: row["service"] or "", _NAME_WIDTH),
        TableColumn("process", 2, process_text, _NAME_WIDTH),
        TableColumn("pid", 5, lambda row: str(row["pid"] or "")),
        TableColumn("sent", 6, lambda row: _bytes(row["bytes_sent"])),
        TableColumn("received", 6, lambda row: _bytes(row["bytes_received"])),
        TableColumn("round trip", 7, lambda row: _duration(row["round_trip_ns"])),
        TableColumn("age", 7, lambda row: _duration(row["age_ns"])),
        *asked_columns("remote"),
        TableColumn("user", 8, lambda row: row["user"] or "", _NAME_WIDTH),
        *_place_columns(),
    )


def _count_columns(by: str) -> tuple[TableColumn, ...]:
    name = next(word for word, grouping in COUNTS.items() if grouping == by)
    return (
        TableColumn(name, 0, lambda row: row[name] or "(not known)", _NAME_WIDTH),
        TableColumn("conversations", 1, lambda row: count_text(row["conversations"])),
        TableColumn("established", 2, lambda row: count_text(row["established"])),
        TableColumn("opened by them", 3, lambda row: count_text(row["opened_in"])),
        TableColumn("by us", 3, lambda row: count_text(row["opened_out"])),
        TableColumn("hosts", 4, lambda row: count_text(row["hosts"])),
        TableColumn("sent", 5, lambda row: bytes_text(row["bytes_sent"])),
        TableColumn("received", 5, lambda row: bytes_text(row["bytes_received"])),
    )


def _place_columns() -> tuple[TableColumn, TableColumn]:
    return (
        TableColumn("container", 6, lambda row: row["container"] or "", _NAME_WIDTH, is_needed=False),
        TableColumn("namespace", 0.5, lambda row: row["namespace"] or "", _NAME_WIDTH, is_needed=False, least=10),
    )


def _style(row: Row) -> str:
    return "dim" if row.get("holding", "process") != "process" else ""


def _sign(*, is_plain: bool) -> str:
    return "*" if is_plain else "●"


def _address(address: str, interface: str | None) -> str:
    return f"{address}%{interface}" if interface else address


def _bytes(count: int | None) -> str:
    return "" if count is None else bytes_text(count)


def _duration(duration_ns: int | None) -> str:
    return "" if duration_ns is None else duration_text(duration_ns)
