"""What commands share: options, formats, and how a report reaches people or files."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from portcall.commands.output_file import (
    UnwritableOutputError,
    open_file_of,
    opened_in,
    try_folder,
    try_output,
    write_out,
)
from portcall.errors import PortcallError, UsageError
from portcall.exports import (
    BINARY,
    CARRIES_DEGRADATIONS,
    LOGS,
    MODULES,
    PAGES,
    TRAFFIC_ONLY,
    require,
    write,
    write_logs,
)
from portcall.records.schema import GROUPINGS, did_you_mean
from portcall.views.text import note_text, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TextIO

    from portcall.records.report import Degradation, Report
    from portcall.records.schema import Listing

    class HasDegradations(Protocol):
        """What may have run with less."""

        @property
        def degradations(self) -> Sequence[Degradation]:
            """What that was."""


SUCCESS, NOTHING_FOUND, PARTLY_READ, INTERRUPTED = 0, 1, 3, 130

_LONGEST_S = 2_000_000  # poll(2) counts milliseconds in 32 bits
FORMATS = ("table", *MODULES)
TRAFFIC_FORMATS = (*FORMATS, *LOGS, *TRAFFIC_ONLY, *PAGES)
_CAPTURE_SUFFIXES = frozenset({".pcap", ".pcapng", ".cap", ".ntar"})
_HELP_WIDTH = 78  # what argparse gives the rest on a terminal of 80
_FORMAT_OF_SUFFIX = {".txt": "table", **{f".{name}": name for name in (*MODULES, *PAGES)}, ".prom": "prometheus"}


def describe(parser: argparse.ArgumentParser, description: str, examples: str) -> None:
    """Set what a command's help begins and ends with."""
    import textwrap

    parser.description = textwrap.fill(description, _HELP_WIDTH)
    parser.epilog = examples


def add_report_options(parser: argparse.ArgumentParser, groupings: Sequence[str]) -> None:
    """Declare how traffic is chosen, grouped and shown."""
    parser.add_argument("--by", choices=groupings, default=groupings[0], help="one row per … (default: %(default)s)")
    add_output_options(parser, TRAFFIC_FORMATS)
    parser.add_argument("--filter", metavar="EXPR", help="count only packets that match, in tcpdump's syntax")
    parser.add_argument(
        "--where", metavar="EXPR", help="show only rows that match, such as 'service=dns and bytes>1MB'"
    )
    parser.add_argument(
        "--local", metavar="CIDR", action="append", default=[], help="network whose addresses are local"
    )
    parser.add_argument("--no-names", dest="names", action="store_false", help="skip payload inspection (faster)")
    parser.add_argument(
        "--bucket", metavar="WIDTH", help="split rows by time: 500ms, 1s, 5min, 1h, 1d; auto: some hundred buckets"
    )
    parser.add_argument("--top", metavar="N", type=positive, help="show only the N rows with most bytes")
    add_address_options(parser)


def add_address_options(parser: argparse.ArgumentParser) -> None:
    """Declare what else to find out about addresses."""
    parser.add_argument(
        "--geo", metavar="FILE", action="append", default=[],
        help="MaxMind-format database (.mmdb) that tells countries or network owners; more than one may be given",
    )  # fmt: skip
    parser.add_argument("--resolve", action="store_true", help="ask reverse DNS for the names of addresses shown")


def add_output_options(parser: argparse.ArgumentParser, formats: Sequence[str] = FORMATS) -> None:
    """Declare the format, and where it goes."""
    suffixes = [suffix for suffix, name in _FORMAT_OF_SUFFIX.items() if name in formats]
    parser.add_argument("--format", choices=formats, help="how to print (default: table, or by the suffix of -o)")
    folders = "; with zeek a folder" if set(LOGS) & set(formats) else ""
    file = f"write to FILE ({' '.join(suffixes)}{folders}); - is stdout"
    parser.add_argument("-o", "--output", type=_output, metavar="FILE", help=file)


def _output(text: str) -> str | None:
    return None if text == "-" else text


def present(report: Report, format_name: str, options: argparse.Namespace, said: Sequence[Degradation] = ()) -> None:
    """Write the report where it was asked for; what it lacks goes to stderr where the format has no room for it.

    ``said`` was told there already.
    """
    if options.resolve:
        from portcall.enrichment.reverse_dns import named

        report = named(report)
    if own_networks := getattr(options, "own_networks", None):
        from portcall.enrichment.own_networks import name_networks

        report = name_networks(report, own_networks)

    def draw(stream: TextIO) -> None:
        from portcall.views.tables import MOST_ROWS, write_table  # rich

        write_table(report, stream, most_rows=options.top or MOST_ROWS)

    if format_name in LOGS and options.output:
        _deliver_logs(report, format_name, options.output)
        say_degradations(report, said)
        return
    deliver(report, format_name, options.output, draw, said)
    if format_name in LOGS:
        say("this is conn.log alone: -o FOLDER writes the others beside it")


def _deliver_logs(report: Report, format_name: str, output: str) -> None:
    """Write all logs; where the folder does not take them, the first is printed before that is said."""
    try:
        write_logs(report, format_name, partial(opened_in, output))
    except UnwritableOutputError as error:
        write(report, format_name, sys.stdout)
        sys.stdout.flush()
        raise PortcallError(f"{error}; so conn.log is on stdout instead") from error


def deliver(
    report: Report | Listing,
    format_name: str,
    output: str | None,
    draw: Callable[[TextIO], None],
    said: Sequence[Degradation] = (),
) -> None:
    """The same with another way to draw a table, notes included."""
    try:
        write_out(
            output,
            draw if format_name == "table" else lambda stream: write(report, format_name, stream),
            draw if format_name in BINARY else None,
        )
    finally:
        if format_name not in ("table", *CARRIES_DEGRADATIONS):
            say_degradations(report, said)


def say_degradations(report: HasDegradations, said: Sequence[Degradation] = ()) -> None:
    """Tell people what was not to be had, but for what they were told."""
    for degradation in report.degradations:
        if degradation not in said:
            say(note_text(degradation))


def output_format(options: argparse.Namespace, formats: Sequence[str] = FORMATS, *, tries_output: bool = True) -> str:
    """The format asked for, before hours of reading; also whether the output file can be made at all.

    Unless another user is to write it: then ``try_output`` comes later.
    """
    format_name = _format_asked_for(options, formats)
    if format_name != "table":
        require(format_name)
    if format_name in BINARY and not options.output and sys.stdout.isatty():
        raise UsageError(f"--format {format_name} is no text for a terminal. Write it to a file: -o FILE.{format_name}")
    if tries_output:
        try_place(options.output, format_name)
    return format_name


def try_place(output: str | None, format_name: str) -> None:
    """PortcallError where what is to be written could not be written there now."""
    (try_folder if format_name in LOGS else try_output)(output)


def grouping_for(options: argparse.Namespace, format_name: str) -> str:
    """The grouping asked for, or the only one that the format has; UsageError where they contradict each other."""
    if format_name in TRAFFIC_ONLY:
        from portcall.exports.prometheus import require_grouping

        require_grouping(options.by)
    if options.bucket and format_name in (*LOGS, *TRAFFIC_ONLY):
        raise UsageError(f"--format {format_name} has no room for buckets of time: leave out --bucket")
    if options.expect is not None:
        return "flow"
    if format_name not in LOGS:
        return str(options.by)
    if options.by not in (GROUPINGS[0], "flow"):
        raise UsageError(f"--format {format_name} has logs of conversations, not of --by {options.by}. Leave that out")
    if options.resolve or options.geo:
        raise UsageError(f"--format {format_name} has no room for --resolve and --geo. Use --by flow --format jsonl")
    return "flow"


def _format_asked_for(options: argparse.Namespace, formats: Sequence[str]) -> str:
    if options.format:
        return str(options.format)
    if not options.output or open_file_of(options.output) is not None:
        return "table"
    return format_of_suffix(options.output, formats)


def format_of_suffix(output: str, formats: Sequence[str]) -> str:
    """The format that a file's name asks for; UsageError where it asks for none of these."""
    suffix = Path(output).suffix
    suffixes = tuple(suffix for suffix, name in _FORMAT_OF_SUFFIX.items() if name in formats)
    if suffix not in suffixes:
        raise UsageError(f"-o {output}: no format has the suffix '{suffix}'{did_you_mean(suffix, suffixes)}")
    return _FORMAT_OF_SUFFIX[suffix]


def say(sentence: str) -> None:
    """Tell people one sentence."""
    print(f"portcall: {visible(sentence)}", file=sys.stderr)


def positive(text: str) -> int:
    """A number of at least 1, for argparse."""
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError("must be a whole number") from None
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def positive_seconds(text: str) -> float:
    """A time above zero that the system can wait for, for argparse."""
    try:
        seconds = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError("must be a number of seconds") from None
    if not 0 < seconds <= _LONGEST_S:  # nan is neither
        raise argparse.ArgumentTypeError(f"must be above 0, and at most {_LONGEST_S}")
    return seconds


def looks_like_capture(word: str) -> bool:
    """Whether somebody may mean a capture by a word that stands where none is expected."""
    is_file = os.path.isfile(word)  # noqa: PTH113 - pathlib raises where the name is too long
    return is_file or any(suffix in _CAPTURE_SUFFIXES for suffix in Path(word).suffixes)


def did_you_mean_command(*words: str) -> str:
    """The end of a sentence that offers a whole command line."""
    return f"Did you mean '{visible(shlex.join(['portcall', *words]))}'?"
