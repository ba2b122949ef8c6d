"""``--dissect``: below the table, what tshark reads in the first packets of the flows that it shows."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from portcall.errors import PortcallError, UsageError
from portcall.views.text import visible

if TYPE_CHECKING:
    import argparse
    import socket
    from collections.abc import Iterator, Sequence

    from portcall.records.report import Report
    from portcall.sources.tshark import DissectedPacket
    from portcall.system.helper_process import ForkedHelper

MOST_FLOWS = 10
PACKETS_PER_FLOW = 4
FIELDS_PER_PACKET = 40
_CHARACTERS_PER_FIELD = 160
_MOST_CPU_S = 300
_NEEDED = ("protocol", "client_ip", "client_port", "server_ip", "server_port", "first_ns", "last_ns")
"""Columns that tell tshark which packets are meant."""
_dissector: list[ForkedHelper] = []


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


def begin_dissector(captures: Sequence[str]) -> None:
    """Have tshark run, and what it says be read, by a fork of this process that reaches these captures alone."""
    from portcall.system.helper_process import ForkedHelper

    _dissector.append(ForkedHelper("portcall fields", partial(_serve, captures)))


def show_dissection(report: Report, paths: list[str]) -> None:
    """Print the fields, flow by flow; PortcallError where tshark cannot read a file."""
    flows = [row for row in report.rows if row["protocol"] is not None]
    texts_of = partial(_asked, _dissector[0].link) if _dissector else _texts
    for row in flows[:MOST_FLOWS]:
        ends = [f"{row[f'{end}_ip']} port {row[f'{end}_port']}" for end in ("client", "server")]
        sys.stdout.write(f"\n{row['protocol']} {ends[0]} → {ends[1]}\n")
        sys.stdout.writelines(f"{visible(text)}\n" for text in texts_of(paths, {name: row[name] for name in _NEEDED}))
    if len(flows) > MOST_FLOWS:
        sys.stdout.write(f"\n… and {len(flows) - MOST_FLOWS} more flows: choose with --where\n")


def _asked(link: socket.socket, paths: list[str], row: dict[str, Any]) -> list[str]:
    import json

    with link.makefile("rwb") as stream:
        stream.write(json.dumps([paths, row]).encode() + b"\n")
        stream.flush()
        line = stream.readline()
    if not line:
        raise PortcallError(
            "--dissect: the process that reads what tshark says has ended before its time, maybe at its bound of memory"
        )
    problem, texts = json.loads(line)
    if problem is not None:
        raise PortcallError(problem)
    return [str(text) for text in texts]


def _serve(captures: Sequence[str], link: socket.socket) -> None:
    import json

    from portcall.commands.reached_places import places_read
    from portcall.sources import tshark_starter
    from portcall.system.privileges import give_up_rights

    tshark_starter.be_bounded(_MOST_CPU_S)
    scope = tshark_starter.scope_of_tshark()
    reads = [place for capture in captures for place in places_read(capture)]
    give_up_rights(os.environ, replace(scope, reads=reads), imports_later=True)
    with link.makefile("rwb") as stream:
        for line in stream:
            paths, row = json.loads(line)
            problem, texts = None, []
            try:
                texts = _texts(paths, row)
            except PortcallError as error:
                problem = str(error)
            stream.write(json.dumps([problem, texts]).encode() + b"\n")
            stream.flush()


def _texts(paths: list[str], row: dict[str, Any]) -> list[str]:
    """What tshark reads in the first packets of a flow, line by line, as it is."""
    from portcall.sources import tshark

    packets = chain.from_iterable(tshark.dissect(path, row, PACKETS_PER_FLOW) for path in paths)
    return [line for packet in islice(packets, PACKETS_PER_FLOW) for line in _lines(packet)]


def _lines(packet: DissectedPacket) -> Iterator[str]:
    yield f"  packet {packet.number}: {' '.join(packet.layers)}"
    for field in packet.fields[:FIELDS_PER_PACKET]:
        yield f"    {field[:_CHARACTERS_PER_FIELD]}{'…' if len(field) > _CHARACTERS_PER_FIELD else ''}"
    if len(packet.fields) > FIELDS_PER_PACKET:
        yield f"    … and {len(packet.fields) - FIELDS_PER_PACKET} more fields"
