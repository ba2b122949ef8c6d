"""``portcall read CAPTURE…``: the apps that the bytes of captures belong to."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from portcall.errors import PortcallError, UsageError
from portcall.exports import CARRIES_DEGRADATIONS, MODULES, write
from portcall.schema import GROUPINGS, did_you_mean
from portcall.views.text import visible

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

    from portcall.model import Report
    from portcall.pipeline import Outcome

SUCCESS, NOTHING_FOUND, PARTLY_READ, INTERRUPTED = 0, 1, 3, 130

_FORMATS = ("table", *MODULES)
_FORMAT_OF_SUFFIX = {".txt": "table", **{f".{name}": name for name in MODULES}}
_EPILOG = """\
example:
  portcall read capture.pcapng --by host --where 'bytes>1MB'
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Declare the command and its options."""
    parser = subparsers.add_parser(
        "read",
        help="attribute the traffic of captures to apps",
        description="Attribute the traffic of captures to apps. Many files are one capture, in order of time.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # or every new option could break somebody's script
    )
    parser.add_argument(
        "captures", nargs="+", metavar="CAPTURE", help="pcap or pcapng, plain or compressed; - is stdin"
    )
    parser.add_argument("--by", choices=GROUPINGS, default=GROUPINGS[0], help="one row per … (default: %(default)s)")
    parser.add_argument("--format", choices=_FORMATS, help="how to print (default: table, or by the suffix of -o)")
    parser.add_argument("-o", "--output", metavar="FILE", help=f"write to FILE ({' '.join(_FORMAT_OF_SUFFIX)})")
    parser.add_argument("--filter", metavar="EXPR", help="count only packets that match, in tcpdump's syntax")
    parser.add_argument(
        "--where", metavar="EXPR", help="show only rows that match, such as 'service=dns and bytes>1MB'"
    )
    parser.add_argument(
        "--local", metavar="CIDR", action="append", default=[], help="network whose addresses are local"
    )
    parser.add_argument("--top", metavar="N", type=_positive, help="show only the N rows with most bytes")
    parser.add_argument(
        "--layer",
        choices=("outer", "inner"),
        default="outer",
        help="transport header of a tunnel that counts (default: %(default)s)",
    )
    # In the interface already; names read from the traffic come later, so today it changes nothing.
    parser.add_argument("--no-names", dest="names", action="store_false", help=argparse.SUPPRESS)
    parser.set_defaults(run=run)
    return parser


def run(options: argparse.Namespace) -> int:
    """Read, show, and say how it went: 0, 1 where nothing matches, 3 where part could not be read, 130 interrupted."""
    format_name = _format(options)
    from portcall import pipeline  # numpy and more
    from portcall.views.progress import ProgressBar

    with ProgressBar(sys.stderr) as progress:
        outcome = pipeline.read(
            options.captures,
            by=options.by,
            layer=options.layer,
            filter=options.filter,
            local=options.local,
            where=options.where,
            top=options.top,
            names=options.names,
            progress=progress,
        )
    with _opened(options.output) as stream:
        _show(outcome.report, format_name, stream, options)
    if format_name not in ("table", *CARRIES_DEGRADATIONS):
        for degradation in outcome.report.degradations:
            _say(f"note: {degradation.feature}: {degradation.reason}. Remedy: {degradation.remedy}")
    for problem in outcome.problems:
        _say(str(problem))
    return _status(outcome, is_search=bool(options.filter or options.where))


def _status(outcome: Outcome, *, is_search: bool) -> int:
    if outcome.interrupted:
        _say("interrupted: this is what was counted until then")
        return INTERRUPTED
    if outcome.problems:
        return PARTLY_READ
    return SUCCESS if outcome.report.rows or not is_search else NOTHING_FOUND


def _show(report: Report, format_name: str, stream: TextIO, options: argparse.Namespace) -> None:
    if format_name != "table":
        write(report, format_name, stream)
        return
    from portcall.views.tables import MOST_ROWS, write_table  # rich

    write_table(report, stream, most_rows=options.top or MOST_ROWS)


def _format(options: argparse.Namespace) -> str:
    """The format asked for, before hours of reading; also whether the output file can be made at all."""
    output = options.output and Path(options.output)
    if output and not output.parent.is_dir():
        raise PortcallError(f"-o {output}: there is no directory {output.parent}")
    if options.format:
        return str(options.format)
    if not output:
        return "table"
    if output.suffix not in _FORMAT_OF_SUFFIX:
        remedy = did_you_mean(output.suffix, tuple(_FORMAT_OF_SUFFIX))
        raise UsageError(f"-o {output}: no format has the suffix '{output.suffix}'{remedy}")
    return _FORMAT_OF_SUFFIX[output.suffix]


@contextmanager
def _opened(output: str | None) -> Iterator[TextIO]:
    """stdout, or a file that appears under its name only when it is complete."""
    if output is None:
        yield sys.stdout
        return
    path = Path(os.path.realpath(output))
    # A device or a pipe cannot be replaced by a file.
    part = path.with_name(f".{path.name}.{os.getpid()}.part") if path.is_file() or not path.exists() else path
    try:
        with part.open("w", encoding="utf-8", newline="") as stream:
            yield stream
        if part != path:
            part.replace(path)
    except OSError as error:
        raise PortcallError(f"-o {output}: cannot be written: {error.strerror}") from error
    finally:
        if part != path:
            part.unlink(missing_ok=True)  # there still is one only where something went wrong


def _say(sentence: str) -> None:
    print(f"portcall: {visible(sentence)}", file=sys.stderr)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
