"""Zeek's logs of a report by flow: conn.log, and dns.log, ssl.log, http.log and quic.log of what was said.

What portcall does not know stays unset. Conversations are in the order of their first frame; a ``uid`` follows from a
conversation's ends and time, so the same capture gives the same logs. Frames on no flow have no line, as in Zeek.
Lines of conn.log are written from columns, those of the other logs one by one.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np

from portcall.errors import PortcallError
from portcall.exports._row_writer import put_into
from portcall.exports._zeek_conn import NEEDED, are_of_conversations, conn_columns, have_times, identifiers
from portcall.exports._zeek_lines import conn_writer, header, json_line, tab_separated
from portcall.kernels.row_texts import identifier_text
from portcall.records.column_values import Columns, Words
from portcall.records.payloads.log_entries import LOG_ENTRIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from typing import TextIO

    from portcall.records.payloads.log_entries import LogEntry, LogValue
    from portcall.records.report import Report
    from portcall.records.schema import Listing


def write(report: Report | Listing, stream: TextIO) -> None:
    """Write conn.log."""
    _write(report, stream, as_json=False)


def write_json(report: Report | Listing, stream: TextIO) -> None:
    """Write conn.log as JSON lines."""
    _write(report, stream, as_json=True)


def write_logs(
    report: Report | Listing, opened: Callable[[str], AbstractContextManager[TextIO]], *, as_json: bool
) -> None:
    """Write each log that has a line, and conn.log in any case; ``opened`` opens the file of that name."""
    as_line = json_line if as_json else tab_separated
    with ExitStack() as stack:
        streams: dict[str, TextIO] = {}

        def stream_of(log: str) -> TextIO:
            if log not in streams:
                streams[log] = stack.enter_context(opened(f"{log}.log"))
                if not as_json:
                    streams[log].write(header(log, _moment(report, 0)))
            return streams[log]

        put = _line_writer(stream_of("conn"), as_json=as_json)
        for columns in _conversations(report):
            put(columns)
            for log, values in _entries(columns):
                stream_of(log).write(as_line(log, values))
        if not as_json:
            for stream in streams.values():
                stream.write(f"#close\t{_moment(report, 1)}\n")


def _write(report: Report | Listing, stream: TextIO, *, as_json: bool) -> None:
    if not as_json:
        stream.write(header("conn", _moment(report, 0)))
    put = _line_writer(stream, as_json=as_json)
    for columns in _conversations(report):
        put(columns)
    if not as_json:
        stream.write(f"#close\t{_moment(report, 1)}\n")


def _line_writer(stream: TextIO, *, as_json: bool) -> Callable[[Columns], None]:
    """What writes the lines of conn.log of some conversations."""
    put, writers = put_into(stream), [conn_writer(as_json=as_json, has_time=has_time) for has_time in (False, True)]

    def write_lines(columns: Columns) -> None:
        has_time = have_times(columns)
        for known, writer in zip((False, True), writers, strict=True):
            rows = np.flatnonzero(has_time == known)
            if len(rows):
                some = columns if len(rows) == len(columns) else columns.take(rows)
                for piece in writer.pieces(len(some), conn_columns(some)):
                    put(piece)

    return write_lines


def _conversations(report: Report | Listing) -> Iterator[Columns]:
    """The conversations in the order of time, some thousand at once."""
    if report.by != "flow" or isinstance(report.rows, list):
        raise PortcallError("zeek: logs are of conversations, as --by flow has them")
    for columns in report.rows.ordered_by("first_ns").blocks(names=NEEDED):
        are = are_of_conversations(columns)
        rows = np.flatnonzero(are)
        if len(rows):
            yield columns if len(rows) == len(columns) else columns.take(rows)


def _entries(columns: Columns) -> Iterator[tuple[str, dict[str, LogValue]]]:
    """Each line of the other logs, as the values of its fields."""
    logged = columns.by_name.get(LOG_ENTRIES)
    if not isinstance(logged, Words):
        return
    have_some = np.array([bool(entries) for entries in logged.words], np.bool_)[logged.codes]
    rows = np.flatnonzero(have_some)
    if not len(rows):
        return
    some = columns.take(rows)
    ids = identifiers(some)
    uids = map(identifier_text, ids.first.tolist(), ids.second.tolist())
    ends = [some.by_name[name].plain() for name in ("client_ip", "client_port", "server_ip", "server_port")]
    entries: list[list[LogEntry]] = some.by_name[LOG_ENTRIES].plain()
    for uid, client, client_port, server, server_port, of_row in zip(uids, *ends, entries, strict=True):
        connection = {
            "uid": uid,
            "id.orig_h": client,
            "id.orig_p": client_port,
            "id.resp_h": server,
            "id.resp_p": server_port,
        }
        for entry in of_row:
            yield entry.log, {**connection, "ts": entry.ts_ns, **entry.fields}


def _moment(report: Report | Listing, end: int) -> str:
    """When the traffic began or ended, as the first and last line have it."""
    seconds = report.window_ns[end] // 10**9 if report.window_ns else 0
    return time.strftime("%Y-%m-%d-%H-%M-%S", time.gmtime(seconds))
