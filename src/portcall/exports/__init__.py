"""Rows out: one module per format, each with ``write(report, stream)`` and nothing else to know.

A report of traffic and a listing of something else have rows alike; only the envelope of JSON tells them apart.

Exports are exact, in base units, never localised. All characters outside printable text are escaped, so that nothing a
packet carries reaches a terminal. A module is imported when its format is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO

    from portcall.records.report import Report
    from portcall.records.schema import Listing

MODULES = {"json": "json_envelope", "jsonl": "json_lines", "csv": "comma_separated", "parquet": "parquet"}
"""Format → module of this package. A file's suffix is the format's name."""

CARRIES_DEGRADATIONS = frozenset({"json"})
"""Formats that say themselves what was degraded; with others, somebody has to tell people."""


BINARY = frozenset({"parquet"})
"""Formats that are no text."""


def require(format_name: str) -> None:
    """PortcallError with what to install, where a format needs what is not there; before hours of reading."""
    check = getattr(import_module(f"portcall.exports.{MODULES[format_name]}"), "require", None)
    if check:
        check()


def write(report: Report | Listing, format_name: str, stream: TextIO) -> None:
    """Write the report in one of the formats of MODULES; those of BINARY go to the stream's ``buffer``."""
    import_module(f"portcall.exports.{MODULES[format_name]}").write(report, stream)
