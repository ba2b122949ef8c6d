"""Rows out: one module per format, each with ``write(report, stream)`` and nothing else to know.

A report of traffic and a listing of something else have rows alike; only the envelope of JSON tells them apart.

Exports are exact, in base units, never localised. All characters outside printable text are escaped, so that nothing a
packet carries reaches a terminal. A module is imported when its format is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from types import ModuleType
    from typing import TextIO

    from portcall.records.report import Report
    from portcall.records.report_rows import Rows
    from portcall.records.schema import Listing

MODULES = {"json": "json_envelope", "jsonl": "json_lines", "csv": "comma_separated", "parquet": "parquet"}
"""Format → module of this package. A file's suffix is the format's name."""

LOGS = {"zeek": "zeek", "zeek-json": "zeek_json"}
"""The same of formats that are several files in a folder, of conversations only; on stdout there is one of them."""

TRAFFIC_ONLY = {"prometheus": "prometheus"}
"""The same of formats for reports of traffic alone."""

PAGES = {"html": "html_page"}
"""The same of formats that show all groupings of a report of traffic; runs count them where ``page`` is asked for."""

CARRIES_DEGRADATIONS = frozenset({"json", "html"})
"""Formats that say themselves what was degraded; with others, somebody has to tell people."""

APPENDABLE = frozenset({"jsonl", "csv"})
"""Formats of which rows can be written before all are known."""

BINARY = frozenset({"parquet"})
"""Formats that are no text."""


def require(format_name: str) -> None:
    """PortcallError with what to install, where a format needs what is not there; before hours of reading."""
    check = getattr(_module(format_name), "require", None)
    if check:
        check()


def write(report: Report | Listing, format_name: str, stream: TextIO) -> None:
    """Write the report in one of the formats; those of BINARY go to the stream's ``buffer``, of LOGS only conn.log."""
    _module(format_name).write(report, stream)


def append(rows: Rows, format_name: str, stream: TextIO, *, is_first: bool) -> None:
    """Write rows in one of the formats of APPENDABLE, behind those that were written unless they are the first."""
    _module(format_name).append(rows, stream, is_first=is_first)


def write_logs(report: Report, format_name: str, opened: Callable[[str], AbstractContextManager[TextIO]]) -> None:
    """Write all files of one of the formats of LOGS; ``opened`` opens the one with a name."""
    _module("zeek").write_logs(report, opened, as_json=format_name == "zeek-json")


def _module(format_name: str) -> ModuleType:
    name = {**MODULES, **LOGS, **TRAFFIC_ONLY, **PAGES}[format_name]
    return import_module(f"portcall.exports.{name}")
