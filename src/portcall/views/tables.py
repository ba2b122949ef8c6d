"""A report as a table: a line of totals, the rows with most bytes, and what people should know about them.

Which columns there are room for is decided by rank, so a narrow terminal loses the least important first. All text of
rows passes ``visible``; numbers are rounded, exact ones are in the exports.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from rich.text import Text

from portcall.records.ownership import program_text
from portcall.records.schema import REASONS, directions, end_text
from portcall.records.traffic_columns import is_unknown_service, unknown_service
from portcall.views.fitting import TableColumn, asked_columns, fitting_table, print_lines, write_fitting
from portcall.views.text import bytes_text, count_text, duration_text, moment_text, note_text, share_text, visible

if TYPE_CHECKING:
    from typing import TextIO

    from rich.console import Console

    from portcall.records.report import Report
    from portcall.views.pages import Lines

    Row = dict[str, Any]  # Any: plain values of several types, see schema

MOST_ROWS = 25
"""Rows shown unless ``--top`` says otherwise."""

_MOST_BUCKETS = 500
"""The same of buckets of time, as many as ``--bucket auto`` makes."""
_BAR_WIDTH = 10
NAME_WIDTH = 32  # of an app, service or host
END_WIDTH = 47  # a bracketed IPv6 address and a port
_IPV4_END_WIDTH = 21
_LEAST_PROGRAMS_WIDTH = 20


def write_table(report: Report, stream: TextIO, most_rows: int | None = MOST_ROWS, width: int | None = None) -> None:
    """Write the report for people: as wide as the terminal and in colour, elsewhere 100 columns of plain text."""
    write_fitting(stream, partial(_render, report, most_rows), width)


def _render(report: Report, most_rows: int | None, console: Console, is_plain: bool) -> None:  # noqa: FBT001 - a partial
    rows = _shown(report, most_rows)
    credited = report.coverage.bytes + report.coverage.bytes_credited_twice
    console.print(Text(_totals(report, credited)), end="\n\n" if rows else "\n")
    if rows:
        print_lines(console, _table(report, rows, credited, console.width, is_plain=is_plain))
    hidden = len(report.rows) - len(rows) + report.rows_left_out
    if hidden:
        rest = credited - sum(_bytes(report.by, row) for row in rows)
        console.print(Text(f"and {count_text(hidden)} more: {bytes_text(rest)}"))
    for degradation in report.degradations:
        console.print(Text(visible(note_text(degradation)), style="yellow"))


def _shown(report: Report, most_rows: int | None) -> list[Row]:
    """The rows with most bytes, in the report's order; all of the time's, as long as people can look them through."""
    if most_rows is not None and report.by == "time":
        most_rows = max(most_rows, _MOST_BUCKETS)
    return list(report.rows[:most_rows] if isinstance(report.rows, list) else report.rows.foremost(most_rows))


def _totals(report: Report, credited: int) -> str:
    coverage, window_ns = report.coverage, report.window_ns
    words = [f"{count_text(coverage.frames)} packets", bytes_text(coverage.bytes)]
    if window_ns:
        words.append(duration_text(window_ns[1] - window_ns[0]))
    if report.bucket_width_ns:
        words.append(f"in buckets of {duration_text(report.bucket_width_ns)}")
    words.append(f"{share_text(coverage.bytes_attributed, credited)} of bytes attributed")
    return ", ".join(words)


def _table(report: Report, rows: list[Row], credited: int, width: int, *, is_plain: bool) -> Lines:
    table = {"flow": _flow_table, "query": _query_table}.get(report.by, _group_table)
    choice = table(report.by, credited, is_plain=is_plain)
    if report.bucket_width_ns and report.by != "time":
        choice = (TableColumn("time", 0, bucket_text, NAME_WIDTH), *choice)
    return fitting_table(choice, rows, width, _style)


def _style(row: Row) -> str:
    if row.get("expected") == "new":
        return "bold yellow"
    return "dim" if row["unattributed_reason"] else ""


def _group_table(by: str, credited: int, *, is_plain: bool) -> tuple[TableColumn, ...]:
    return (
        TableColumn(by, 0, partial(name_or_reason, by), NAME_WIDTH),
        *holder_columns(by),
        TableColumn("bytes", 1, lambda row: bytes_text(_bytes(by, row))),
        *_share_columns(by, credited, is_plain=is_plain),
        TableColumn("out", 5, lambda row: bytes_text(row["bytes_out"])),
        TableColumn("in", 5, lambda row: bytes_text(row["bytes_in"])),
        TableColumn("flows", 4, lambda row: count_text(row["flows"])),
        TableColumn("packets", 8, lambda row: count_text(row["packets_out"] + row["packets_in"])),
        *partner_columns(by),
    )


def _query_table(by: str, credited: int, *, is_plain: bool) -> tuple[TableColumn, ...]:
    return (
        *question_columns(),
        TableColumn("bytes", 1, lambda row: bytes_text(_bytes(by, row))),
        *_share_columns(by, credited, is_plain=is_plain),
        TableColumn("to server", 7, lambda row: bytes_text(row["bytes_to_server"])),
        TableColumn("to client", 7, lambda row: bytes_text(row["bytes_to_client"])),
        TableColumn("resolver", 6, lambda row: " ".join(row["resolvers"] or ()), NAME_WIDTH),
        *asked_columns("client", "client "),
    )


def question_columns() -> tuple[TableColumn, ...]:
    """What was asked for, by whom, how often, and what came of it."""
    return (
        TableColumn("query", 0, partial(name_or_reason, "query"), NAME_WIDTH),
        TableColumn("type", 0.5, lambda row: row["query_type"] or ""),
        TableColumn("client", 2, lambda row: row["client_ip"] or "", END_WIDTH, least=_IPV4_END_WIDTH),
        TableColumn("asked", 4, lambda row: "" if row["questions"] is None else count_text(row["questions"])),
        TableColumn("answers", 5, lambda row: "" if row["answers"] is None else count_text(row["answers"])),
        TableColumn("said", 4.5, lambda row: " ".join(row["response_codes"] or ()), NAME_WIDTH),
    )


def _flow_table(by: str, credited: int, *, is_plain: bool) -> tuple[TableColumn, ...]:
    return (
        TableColumn("server", 0, partial(flow_end, "server"), END_WIDTH),
        *end_columns(),
        TableColumn("expected", 0.5, lambda row: row["expected"] or "", NAME_WIDTH, is_needed=False),
        TableColumn("app", 2, lambda row: row["app"] or "", NAME_WIDTH),
        *holder_columns(by),
        TableColumn("bytes", 1, lambda row: bytes_text(_bytes(by, row))),
        *_share_columns(by, credited, is_plain=is_plain),
        TableColumn("to server", 6, lambda row: bytes_text(row["bytes_to_server"])),
        TableColumn("to client", 6, lambda row: bytes_text(row["bytes_to_client"])),
        TableColumn("protocol", 5, lambda row: row["protocol"] or "", NAME_WIDTH),
        TableColumn("state", 7, lambda row: row["state"] or "", NAME_WIDTH),
        TableColumn("duration", 8, _duration),
        *asked_columns("server", "server "),
    )


def end_columns() -> tuple[TableColumn, ...]:
    """What tells conversations with one server apart: the client, and the network namespace where it is another one."""
    return (
        TableColumn("client", 0.8, partial(flow_end, "client"), END_WIDTH, least=_IPV4_END_WIDTH),
        TableColumn("namespace", 0.9, lambda row: row["namespace"] or "", NAME_WIDTH, is_needed=False),
    )


def holder_columns(by: str) -> tuple[TableColumn, ...]:
    """Whose processes they are, where the grouping says it; of a conversation both, if both are known."""
    if by == "flow":
        return (
            TableColumn("process", 2.5, programs, END_WIDTH, is_needed=False, least=_LEAST_PROGRAMS_WIDTH),
            TableColumn("pid", 2.6, _pids, NAME_WIDTH, is_needed=False),
        )
    return (TableColumn("pid", 2, lambda row: str(row["pid"] or ""), is_needed=False),)


def partner_columns(by: str) -> tuple[TableColumn, ...]:
    """Whom a group talked with, and about what."""
    top_host = TableColumn("top host", 7, lambda row: row["top_host"] or "", NAME_WIDTH)
    services = TableColumn("services", 9, lambda row: " ".join(row["services"] or ()), NAME_WIDTH)
    return (
        *([] if by == "host" else [top_host]),
        *asked_columns("top_host"),
        *([] if by == "service" else [services]),
    )


def bucket_text(row: Row) -> str:
    """When a row's bucket of time begins."""
    return "(no time)" if row["bucket_ns"] is None else moment_text(row["bucket_ns"])


def name_or_reason(by: str, row: Row) -> str:
    """What a group is called, with what its process runs; in brackets why it has no name."""
    if by == "time":
        return bucket_text(row)
    if row[by] and by in ("app", "process"):
        return program_text(row[by], row["script"])
    if by == "user" and row["unattributed_reason"] is None:
        return row["user"] or row["process"] or "(unknown user)"
    return row[by] or _reason(row)


def flow_end(end: str, row: Row) -> str:
    """One end of a conversation; of the server's, why there is none."""
    address, port = row[f"{end}_ip"], row[f"{end}_port"]
    if address is None:
        return _reason(row) if end == "server" else ""
    return address if row[f"{end}_port_class"] is None else end_text(address, port)


def _share_columns(by: str, credited: int, *, is_plain: bool) -> tuple[TableColumn, TableColumn]:
    return (
        TableColumn("share", 3, lambda row: share_text(_bytes(by, row), credited)),
        TableColumn("", 3, lambda row: bar(_bytes(by, row), credited, is_plain=is_plain), _BAR_WIDTH),
    )


def bar(part: int, whole: int, width: int = _BAR_WIDTH, *, is_plain: bool = False) -> str:
    """A bar of eighths of a character, at least one where there is anything."""
    eighths = -(-part * width * 8 // whole) if whole else 0
    if is_plain:
        return "#" * (-(-eighths // 8))
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def _bytes(by: str, row: Row) -> int:
    return sum(row[f"bytes_{direction}"] for direction in directions(by))


def _reason(row: Row) -> str:
    reason = row["unattributed_reason"]
    if reason is None:
        return "(without a name)"  # processes may call themselves nothing
    if is_unknown_service(row):
        return f"({unknown_service(row)})"
    return f"({REASONS.get(reason, reason)})"


def programs(row: Row) -> str:
    """The client's process, and after an arrow the server's, as far as they are known."""
    known = ((row[f"{end}_process"], row[f"{end}_script"]) for end in ("client", "server"))
    return " → ".join(program_text(*program) for program in known if program[0])


def _pids(row: Row) -> str:
    return " → ".join(str(row[f"{end}_pid"]) for end in ("client", "server") if row[f"{end}_pid"])


def _duration(row: Row) -> str:
    return "" if row["first_ns"] is None else duration_text(row["last_ns"] - row["first_ns"])
