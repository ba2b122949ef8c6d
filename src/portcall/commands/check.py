"""``portcall check HOST PORT…``: is it open, closed or filtered, and who says so?"""

from __future__ import annotations

import math
import re
import shlex
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from portcall.commands.listing import add_list_options, say_classic
from portcall.commands.output import (
    NOTHING_FOUND,
    SUCCESS,
    deliver,
    describe,
    output_format,
    positive,
    positive_seconds,
    say,
)
from portcall.endings import ending_status
from portcall.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from portcall.probes import ProbeAnswer, Protocol, Target

    Ports = list[tuple[Protocol, int]]
    Row = dict[str, Any]  # Any: plain values of several types, see schema

MOST_WITHOUT_YES = 100
"""Ports that may be asked without ``--yes``: more is a scan, and somebody may mind."""

_LAST_PORT = 65535
_PORTS = re.compile(r"(?P<first>[0-9]{1,9})(?:-(?P<last>[0-9]{1,9}))?")
_EPILOG = """\
example:
  portcall check example.org 22,80,https 8000-8010 53/udp

verdicts: open, closed (the host refuses), filtered (nothing came, or something on the way refuses: then who),
open-or-filtered (UDP without an answer), no-route, unresolved
exit status: 0 if at least one port is open, as nc -z has it; 1 if none is
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options, and what its help begins and ends with."""
    describe(
        parser,
        "Test whether ports of a host are open, closed or filtered, for each of its addresses. TCP "
        "connects and says nothing; UDP asks what the usual service of the port answers, else sends an empty datagram.",
        _EPILOG,
    )
    parser.add_argument("host", metavar="HOST", help="name or address")
    parser.add_argument(
        "ports", metavar="PORT", nargs="+", help="number, range A-B or service name; also 53/udp; or a list with commas"
    )
    parser.add_argument("--udp", action="store_true", help="UDP for ports that do not say it themselves (default: TCP)")
    versions = parser.add_mutually_exclusive_group()
    versions.add_argument("-4", dest="ip_version", action="store_const", const=4, help="only IPv4 addresses")
    versions.add_argument("-6", dest="ip_version", action="store_const", const=6, help="only IPv6 addresses")
    parser.add_argument("--banner", action="store_true", help="also wait for the first bytes that the service says")
    parser.add_argument(
        "--timeout",
        metavar="S",
        type=positive_seconds,
        default=4.0,
        help="wait S seconds for each answer (default: %(default)g)",
    )
    parser.add_argument(
        "--concurrency", metavar="N", type=positive, default=64, help="ask N ports at a time (default: %(default)s)"
    )
    parser.add_argument("--yes", action="store_true", help=f"do ask more than {MOST_WITHOUT_YES} ports")
    add_list_options(parser, "verdict=open or said_by!=null")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Ask, and show what was learnt: 0 if a port is open, 1 if none is, 130 when interrupted."""
    ports = ports_asked(options.ports, "udp" if options.udp else "tcp")
    if len(ports) > MOST_WITHOUT_YES and not options.yes:
        raise UsageError(f"these are {len(ports)} ports. If the host's owner does not mind, add --yes")
    format_name = output_format(options)
    from portcall.queries.row_filter import chooser
    from portcall.records.schema import Listing
    from portcall.views.checks import write_checks

    choose = chooser(options.where, "check", options.top)
    say_classic(_classic(options, ports), options)
    rows: list[Row] = []
    is_interrupted = False
    try:
        _learn(options, ports, rows)
    except KeyboardInterrupt:
        is_interrupted = True
    places = {port: place for place, port in enumerate(ports)}
    rows.sort(key=lambda row: places[row["protocol"], row["port"]])
    chosen = choose(rows)
    listing = Listing("check", options.host, chosen, rows_left_out=len(rows) - len(chosen))
    deliver(listing, format_name, options.output, partial(write_checks, listing, most_rows=options.top))
    if is_interrupted:
        say("interrupted: this is what was learnt until then")
        return ending_status()
    return SUCCESS if any(row["verdict"] == "open" for row in rows) else NOTHING_FOUND


def ports_asked(words: list[str], protocol: Protocol) -> Ports:
    """The ports that the words name, each once, in their order; UsageError for a word that names none."""
    items = [item for word in words for item in word.split(",")]
    return list(dict.fromkeys(port for item in items for port in _ports_of(item, protocol)))


def _ports_of(item: str, protocol: Protocol) -> Ports:
    word, _, suffix = item.strip().partition("/")
    if suffix not in ("", "tcp", "udp"):
        raise UsageError(f"{item}: a port is followed by /tcp or /udp, or by nothing")
    asked: Protocol = suffix or protocol  # type: ignore[assignment]  # one of the two, as was tested
    numbers = _PORTS.fullmatch(word)
    if not numbers:
        return [(asked, _port_named(word, asked))]
    first, last = int(numbers["first"]), int(numbers["last"] or numbers["first"])
    if not 1 <= first <= last <= _LAST_PORT:
        raise UsageError(f"{item}: ports are numbers from 1 to {_LAST_PORT}, and a range begins with the lower one")
    return [(asked, port) for port in range(first, last + 1)]


def _port_named(name: str, protocol: Protocol) -> int:
    from portcall.labels.ports import ports_of  # numpy

    ports = [port for port, transport in ports_of(name) if transport == protocol]
    if not ports:
        raise UsageError(f"{name!r} is no port, and no service with one of {protocol.upper()}; say its number")
    if len(ports) > 1:
        raise UsageError(f"{name} is on the {protocol.upper()} ports {', '.join(map(str, ports))}; say which")
    return ports[0]


def _learn(options: argparse.Namespace, ports: Ports, rows: list[Row]) -> None:
    """Append a row for each answer as it comes."""
    from portcall.probes import Target
    from portcall.probes.host_addresses import addresses_of
    from portcall.probes.scanner import Manner, ask_all
    from portcall.views.progress import ProgressBar

    try:
        addresses = addresses_of(options.host, options.ip_version)
    except LookupError as error:
        reason = str(error)
        rows.extend(_row(options.host, protocol, port, verdict="unresolved", reason=reason) for protocol, port in ports)
        return
    targets = [
        Target(protocol, version, (address[0], port, *address[2:]))
        for protocol, port in ports
        for version, address in addresses
    ]
    with ProgressBar(sys.stderr, doing="asking", counted="things") as progress:

        def tell(answer: ProbeAnswer) -> None:
            rows.append(_row_of(answer, options))
            progress(len(rows), len(targets))

        ask_all(targets, Manner(options.timeout, options.concurrency, options.banner), tell)


def _row_of(answer: ProbeAnswer, options: argparse.Namespace) -> Row:
    target: Target = answer.target
    icmp_type, icmp_code = answer.icmp or (None, None)
    return _row(
        options.host,
        target.protocol,
        target.port,
        ip_version=target.ip_version,
        address=target.address[0],
        verdict=answer.verdict,
        reason=answer.reason,
        answer_ns=answer.answer_ns,
        icmp_type=icmp_type,
        icmp_code=icmp_code,
        said_by=answer.said_by,
        banner=answer.banner.decode(errors="backslashreplace") if options.banner else None,
    )


def _row(host: str, protocol: Protocol, port: int, **learnt: Any) -> Row:  # Any: plain values, see schema
    """One row with all columns; those that are not given are null."""
    from portcall.labels.ports import PROTOCOL_NUMBERS, service_name_of
    from portcall.records.schema import column_names

    service = service_name_of(PROTOCOL_NUMBERS[protocol], port)
    known = {"host": host, "protocol": protocol, "port": port, "service": service, **learnt}
    return {name: known.get(name) for name in column_names("check")}


def _classic(options: argparse.Namespace, ports: Ports) -> str:
    version = f" -{options.ip_version}" if options.ip_version else ""
    host, timeout = shlex.quote(options.host), math.ceil(options.timeout)
    flags = {"tcp": "-zv", "udp": "-zuv"}
    shown = [f"nc {flags[protocol]} -w {timeout}{version} {host} {port}" for protocol, port in ports[:3]]
    return "; ".join(shown) + (f"; and so on for {len(ports) - 3} more" if len(ports) > len(shown) else "")
