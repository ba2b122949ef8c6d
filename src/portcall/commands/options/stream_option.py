"""``--idle-timeout``, ``--active-timeout``, ``--memory``: traffic without an end, and rows as they leave."""

from __future__ import annotations

import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from portcall.commands.output import positive_seconds, say_degradations
from portcall.commands.output_file import refusals_sent
from portcall.exports import APPENDABLE, append

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import TextIO

    from portcall.records.report import Degradation, Report
    from portcall.records.report_rows import Rows
    from portcall.runs.streaming.stream_options import StreamOptions


def add_stream_options(parser: argparse.ArgumentParser, *, idle: str, memory: str) -> None:
    """Declare how long conversations stay, and in how much memory; ``idle`` and ``memory`` say what is usual."""
    parser.add_argument(
        "--idle-timeout", metavar="S", type=positive_seconds,
        help=f"let a conversation go that had no packet for S seconds, in the time of the packets ({idle}; "
        "NetFlow: 15). With --by flow to jsonl or csv it is written then",
    )  # fmt: skip
    parser.add_argument(
        "--active-timeout",
        metavar="S",
        type=positive_seconds,
        help="cut a conversation that began S seconds ago: it is several rows (default: never; NetFlow: 1800)",
    )
    parser.add_argument(
        "--memory", metavar="SIZE",
        help=f"bound for all that runs here, as 512MB: beyond it, conversations idle for longest leave first "
        f"({memory})",
    )  # fmt: skip


def stream_options(options: argparse.Namespace, rows: RowsAsTheyLeave | None) -> StreamOptions:
    """What was asked for; UsageError for a size that is none."""
    from portcall.runs.streaming.memory_bound import memory_bytes
    from portcall.runs.streaming.stream_options import StreamOptions

    size = None if options.memory is None else memory_bytes(options.memory)
    return StreamOptions(options.idle_timeout, options.active_timeout, size, rows.write if rows else None)


def rows_as_they_leave(options: argparse.Namespace, format_name: str, by: str) -> RowsAsTheyLeave | None:
    """Where rows may go before the end; None where they must wait for it, to be sorted, chosen or named."""
    waits = options.top or options.resolve or options.bucket == "auto"
    if by != "flow" or format_name not in APPENDABLE or waits:
        return None
    return RowsAsTheyLeave(format_name, options.output)


class RowsAsTheyLeave:
    """A format's rows, written to stdout or a file as they come; the file is there as soon as the first has come."""

    def __init__(self, format_name: str, output: str | None) -> None:
        self._format_name, self._output = format_name, output
        self._stream: TextIO | None = None
        self._files = ExitStack()

    @property
    def has_begun(self) -> bool:
        """Whether any row was written."""
        return self._stream is not None

    def write(self, rows: Rows) -> None:
        """Write some rows, and let whoever reads have them now."""
        is_first = self._stream is None
        try:
            with refusals_sent(self._output) if self._output else ExitStack():
                stream = self._opened()
                append(rows, self._format_name, stream, is_first=is_first)
                stream.flush()
        except BaseException:
            with suppress(OSError):  # what it still holds goes nowhere either
                self._files.close()
            raise

    def finish(self, report: Report, said: Sequence[Degradation] = ()) -> None:
        """Write the rows that were there at the end, and say what they lack."""
        from portcall.records.report_rows import Rows  # NumPy

        try:
            if isinstance(report.rows, Rows) and len(report.rows):
                self.write(report.rows)
            self._files.close()
        finally:
            say_degradations(report, said)

    def _opened(self) -> TextIO:
        if self._stream is None:
            self._stream = sys.stdout
            if self._output:
                file = Path(self._output).open("w", encoding="utf-8", newline="")  # noqa: SIM115 - ``finish`` closes it
                self._stream = self._files.enter_context(file)
        return self._stream
