"""``--dissect``: below the table, what tshark reads in the first packets of the flows that it shows."""

from __future__ import annotations

import sys
from itertools import chain, islice
from typing import TYPE_CHECKING

from portcall.errors import PortcallError, UsageError
from portcall.views.text import visible

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from portcall.records.report import Report
    from portcall.sources.tshark import DissectedPacket

MOST_FLOWS = 10
PACKETS_PER_FLOW = 4
FIELDS_PER_PACKET = 40
_CHARACTERS_PER_FIELD = 160


def add_dissect_option(parser: argparse.ArgumentParser) -> None:
    """Declare the option."""
    parser.add_argument(
        "--dissect",
        action="store_true",
        help=f"also show what tshark reads in the first packets of the flows, at most {MOST_FLOWS}; with --by flow",
    )


def check_dissect(options: argparse.Namespace, format_name: str) -> None:
    """UsageError beside options that it cannot go with, PortcallError without tshark: before anything is read."""
    if not options.dissect:
        return
    if options.by != "flow":
        raise UsageError("--dissect looks into flows: add --by flow, and choose them with --where or --top")
    if format_name != "table" or options.output:
        raise UsageError("--dissect is for reading on a terminal: leave out --format and -o")
    if "-" in options.captures:
        raise UsageError("--dissect reads a capture a second time, which standard input does not allow: name a file")
    from portcall.sources import tshark

    if not tshark.is_installed():
        raise PortcallError(f"--dissect needs tshark, which is not here; {tshark.REMEDY}")


def show_dissection(report: Report, paths: list[str]) -> None:
    """Print the fields, flow by flow; PortcallError where tshark cannot read a file."""
    from portcall.sources import tshark

    flows = [row for row in report.rows if row["protocol"] is not None]
    for row in flows[:MOST_FLOWS]:
        ends = [f"{row[f'{end}_ip']} port {row[f'{end}_port']}" for end in ("client", "server")]
        sys.stdout.write(f"\n{row['protocol']} {ends[0]} → {ends[1]}\n")
        packets = chain.from_iterable(tshark.dissect(path, row, PACKETS_PER_FLOW) for path in paths)
        for packet in islice(packets, PACKETS_PER_FLOW):
            sys.stdout.writelines(f"{line}\n" for line in _lines(packet))
    if len(flows) > MOST_FLOWS:
        sys.stdout.write(f"\n… and {len(flows) - MOST_FLOWS} more flows: choose with --where\n")


def _lines(packet: DissectedPacket) -> Iterator[str]:
    yield f"  packet {packet.number}: {visible(' '.join(packet.layers))}"
    for field in packet.fields[:FIELDS_PER_PACKET]:
        yield f"    {visible(field[:_CHARACTERS_PER_FIELD])}{'…' if len(field) > _CHARACTERS_PER_FIELD else ''}"
    if len(packet.fields) > FIELDS_PER_PACKET:
        yield f"    … and {len(packet.fields) - FIELDS_PER_PACKET} more fields"
