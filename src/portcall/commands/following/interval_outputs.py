"""``--every S``: where the report of each interval goes, so that it is there once, whatever happens meanwhile.

A file an interval where -o has a time in its name; the same file, row after row, where it has none; else stdout. Names
are of UTC, and what is there already is never written over.
"""

from __future__ import annotations

import io
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from portcall.commands.output import say, say_degradations
from portcall.commands.output_file import UnwritableOutputError, refusals_sent, try_output
from portcall.errors import PortcallError, UsageError
from portcall.exports import BINARY, CARRIES_DEGRADATIONS, LOGS, PAGES, write
from portcall.records.plain_data import items, whole

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from portcall.records.report import Degradation, Report

    Write = Callable[[Report, TextIO], None]

_SECOND_NS = 1_000_000_000
_MOST_OF_A_NAME = 10_000
_APPENDED = ("jsonl", "csv")


def interval_outputs(options: argparse.Namespace, format_name: str) -> IntervalOutputs:
    """What the options ask for; UsageError where a format has no room for it, PortcallError where nobody may write."""
    check_intervals(options, format_name)
    teller = _Teller(options, format_name)
    if not options.output:
        return _Printed(teller)
    if "%" in options.output:
        return _Files(teller, options.output)
    try_output(options.output)
    return _Appended(teller, options.output)


def check_intervals(options: argparse.Namespace, format_name: str) -> None:
    """UsageError where a format has no room for several reports, or their file has no name of its own."""
    if format_name in LOGS:
        raise UsageError(f"--format {format_name} is one folder of logs: leave out --every")
    if not options.output and format_name in (*BINARY, *PAGES):
        raise UsageError(f"--format {format_name} makes one file of each interval: -o 'traffic-%H%M.{format_name}'")
    if not options.output or "%" in options.output or format_name in _APPENDED:
        return
    suffix = Path(options.output).suffix
    raise UsageError(
        f"-o {options.output}: {format_name} does not go on where it ended. "
        f"With --every, put a time into the name: -o '{options.output.removesuffix(suffix)}-%Y%m%d-%H%M{suffix}'"
    )


class _Teller:
    """Writes the report of an interval in the format asked for, and says what the format has no room for."""

    def __init__(self, options: argparse.Namespace, format_name: str) -> None:
        self.format_name = format_name
        self._options = options
        self._said: list[Degradation] = []
        self.has_failed = False
        """Whether a file did not take its report."""

    def write(self, report: Report, stream: TextIO) -> None:
        """Write it."""
        if self._options.resolve:
            from portcall.enrichment.reverse_dns import named

            report = named(report)
        if self.format_name == "table":
            from portcall.views.tables import MOST_ROWS, write_table  # rich

            write_table(report, stream, most_rows=self._options.top or MOST_ROWS)
        else:
            write(report, self.format_name, stream)

    def write_instead(self, report: Report, error: PortcallError) -> None:
        """Print a report that its file did not take, and go on: the next one may find room again."""
        is_text = self.format_name not in (*BINARY, *PAGES)
        write(report, self.format_name if is_text and self.format_name != "table" else "jsonl", sys.stdout)
        sys.stdout.flush()
        say(f"{error}; so its rows are on stdout instead")
        self.has_failed = True

    def tell(self, report: Report) -> None:
        """Say what was not said before."""
        if self.format_name not in ("table", *CARRIES_DEGRADATIONS):
            say_degradations(report, self._said)
            self._said += [note for note in report.degradations if note not in self._said]

    def lines(self, report: Report, *, is_first: bool) -> str:
        """As text, without the header that only the first of several has."""
        text = io.StringIO()
        self.write(report, text)
        whole_text = text.getvalue()
        return whole_text if is_first or self.format_name != "csv" else whole_text.partition("\n")[2]


class _Printed:
    """On stdout, one after the other. It cannot be taken back: after a kill, the last one may come once more."""

    def __init__(self, teller: _Teller) -> None:
        self.teller = teller
        self._is_first = True

    def prepare(self, report: Report, begins_ns: int) -> None:
        """Print it."""
        if self.teller.format_name == "table":
            print(_moment("%Y-%m-%d %H:%M:%S UTC", begins_ns))
        sys.stdout.write(self.teller.lines(report, is_first=self._is_first))
        sys.stdout.flush()
        self._is_first = False
        self.teller.tell(report)

    def plain(self) -> None:
        """Nothing."""

    def publish(self) -> None:
        """It is out."""

    def restore(self, _: Any) -> None:  # Any: what JSON has
        """Nothing can be taken back."""


class _Appended:
    """At the end of one file, which is cut back to what was saved."""

    def __init__(self, teller: _Teller, output: str) -> None:
        self.teller, self._output = teller, output
        self._bytes = _size(output)

    def prepare(self, report: Report, begins_ns: int) -> None:  # noqa: ARG002 - files need it
        """Write it behind what was saved."""
        data = self.teller.lines(report, is_first=not self._bytes).encode()
        try:
            with refusals_sent(self._output), Path(self._output).open("ab") as stream:
                stream.truncate(self._bytes)
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
        except UnwritableOutputError as error:
            with suppress(OSError):
                os.truncate(self._output, self._bytes)
            self.teller.write_instead(report, error)
        else:
            self._bytes += len(data)
        self.teller.tell(report)

    def plain(self) -> int:
        """How long the file is."""
        return self._bytes

    def publish(self) -> None:
        """It is there."""

    def restore(self, plain: Any) -> None:  # Any: what JSON has
        """Cut off what was not saved."""
        self._bytes = whole(plain)
        if _size(self._output) < self._bytes:
            raise PortcallError(
                f"-o {self._output}: {_size(self._output)} bytes are there, and the checkpoint knows of {self._bytes}. "
                "Put the file back, or remove the checkpoint to begin anew"
            )
        if self._bytes or _size(self._output):
            with refusals_sent(self._output):
                os.truncate(self._output, self._bytes)


class _Files:
    """A file of each interval, which appears under its name only when it is whole and saved."""

    def __init__(self, teller: _Teller, pattern: str) -> None:
        self.teller, self._pattern = teller, pattern
        self._pending: tuple[int, int] | None = None
        """The interval whose file is to appear, and which of its names it gets."""
        try_output(str(self._path(time.time_ns(), 1)))

    def prepare(self, report: Report, begins_ns: int) -> None:
        """Write it beside its place."""
        number = next(number for number in self._numbers() if not os.path.lexists(self._path(begins_ns, number)))
        part = self._part(begins_ns, number)
        try:
            with refusals_sent(self._pattern):
                part.parent.mkdir(parents=True, exist_ok=True)
                with part.open("w", encoding="utf-8", newline="") as stream:
                    self.teller.write(report, stream)
                    stream.flush()
                    os.fsync(stream.fileno())
        except UnwritableOutputError as error:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            self.teller.write_instead(report, error)
        else:
            self._pending = begins_ns, number
        self.teller.tell(report)

    def plain(self) -> list[int] | None:
        """The file that is to appear."""
        return list(self._pending) if self._pending else None

    def publish(self) -> None:
        """Have it appear; where somebody took its name, under the next one."""
        if self._pending is None:
            return
        begins_ns, number = self._pending
        part = self._part(begins_ns, number)
        with refusals_sent(self._pattern):
            for other in self._numbers():
                if other < number:
                    continue
                path = self._path(begins_ns, other)
                if os.path.lexists(path) and not path.samefile(part):
                    continue
                _give_name(part, path)
                break
        self._pending = None

    def restore(self, plain: Any) -> None:  # Any: what JSON has
        """Have it appear if it did not yet."""
        if plain is None:
            return
        begins_ns, number = items(plain, 2)
        self._pending = whole(begins_ns, least=-(1 << 63)), whole(number, 1, _MOST_OF_A_NAME)
        if self._part(*self._pending).exists():
            self.publish()
        self._pending = None

    def _numbers(self) -> Iterator[int]:
        yield from range(1, _MOST_OF_A_NAME)
        raise PortcallError(f"-o {self._pattern}: {_MOST_OF_A_NAME} files have that name. Put more of the time into it")

    def _path(self, begins_ns: int, number: int) -> Path:
        path = Path(_moment(self._pattern, begins_ns))
        return path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")

    def _part(self, begins_ns: int, number: int) -> Path:
        path = self._path(begins_ns, number)
        return path.with_name(f".{path.name[:200]}.part")


IntervalOutputs = _Printed | _Appended | _Files


def _give_name(part: Path, path: Path) -> None:
    """Name a file, without taking the name from another."""
    try:
        with suppress(FileExistsError):  # it was named before we were ended
            path.hardlink_to(part)
        part.unlink()
    except (NotImplementedError, PermissionError):  # a file system without links
        part.rename(path)


def _moment(pattern: str, ns: int) -> str:
    try:
        return time.strftime(pattern, time.gmtime(ns // _SECOND_NS))
    except (OverflowError, OSError, ValueError) as error:
        raise PortcallError(f"-o {pattern}: no name for the time {ns} ns: {error}") from error


def _size(output: str) -> int:
    try:
        return os.stat(output).st_size  # noqa: PTH116 - like the others here
    except OSError:
        return 0
