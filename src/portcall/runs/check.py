"""The wiring of ``check``: words → ports of hosts → their addresses → what each answers.

The words are those of ``queries.endpoints``, with names for addresses too. A port without a place is one of the host
before it, or of this machine where there is none; a conversation is its two ends.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from portcall.errors import UsageError
from portcall.labels.port_services import PROTOCOL_NUMBERS, service_name_of
from portcall.probes import Target
from portcall.probes.host_addresses import addresses_of
from portcall.probes.scanner import Manner, ask_all
from portcall.queries.endpoints import parse_endpoints, refused
from portcall.queries.row_choice import chooser
from portcall.records.schema import Listing, column_names

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from portcall.probes import ProbeAnswer, Protocol
    from portcall.probes.host_addresses import Addresses
    from portcall.queries.endpoints import Endpoint, Endpoints

    Row = dict[str, Any]  # Any: plain values of several types, see schema

MOST_WITHOUT_YES = 100
"""Ports that may be asked without ``yes``: more is a scan, and somebody may mind."""
THIS_MACHINE = "localhost"

_PROTOCOLS = ("tcp", "udp")


class HostPort(NamedTuple):
    """One port of a host, as it was asked for."""

    host: str
    protocol: Protocol
    port: int


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """How to ask, and what to show."""

    ip_version: int | None = None
    manner: Manner = field(default_factory=Manner)
    where: str | None = None
    top: int | None = None


class CheckOutcome(NamedTuple):
    """What was learnt, and whether somebody interrupted."""

    listing: Listing
    is_interrupted: bool
    is_open: bool
    """Whether any port is, shown or not."""


def ports_asked(words: Sequence[str], *, udp: bool = False, yes: bool = False) -> list[HostPort]:
    """The ports that the words name, each once, in their order; UsageError for a word that names none.

    Also for more than MOST_WITHOUT_YES, but for ``yes``.
    """
    items = [item for word in words for item in word.split(",")]
    host: str | None = None
    asked: dict[HostPort, None] = {}
    for place, item in enumerate(items):
        is_host = place == 0 and len(items) > 1
        meant = parse_endpoints(item, takes_names=place == 0 or ":" in item)
        for end in meant.ends:
            if not end.ports or (is_host and _is_word(end, meant)):
                host = _host_of(end, item, is_first=place == 0)
                continue
            if end.host:
                host = end.host
            asked |= dict.fromkeys(_ports_of(end, meant.transport or ("udp" if udp else "tcp"), host, item))
    if not asked:
        shown = host or "HOST"
        raise UsageError(f"{shown}: say which of its ports, such as 'portcall check {shown} 443'")
    if len(asked) > MOST_WITHOUT_YES and not yes:
        raise UsageError(f"these are {len(asked)} ports. If the host's owner does not mind, add --yes")
    return list(asked)


def check(
    asked: Sequence[HostPort],
    options: CheckOptions,
    progress: Callable[[int, int | None], None] | None = None,
) -> CheckOutcome:
    """Ask them all; an interrupt ends the asking, not the report. ``progress`` is told how many have answered."""
    choose = chooser(options.where, "check", options.top)
    rows: list[Row] = []
    is_interrupted = False
    try:
        _learn(asked, options, rows, progress)
    except KeyboardInterrupt:
        is_interrupted = True
    places = {one: place for place, one in enumerate(asked)}
    rows.sort(key=lambda row: places[HostPort(row["host"], row["protocol"], row["port"])])
    chosen = choose(rows)
    source = ", ".join(dict.fromkeys(one.host for one in asked))
    listing = Listing("check", source, chosen, rows_left_out=len(rows) - len(chosen))
    return CheckOutcome(listing, is_interrupted, any(row["verdict"] == "open" for row in rows))


def _is_word(end: Endpoint, meant: Endpoints) -> bool:
    """Whether a service's name may be a host's as well."""
    return bool(end.service) and not end.has_place and meant.transport is None


def _host_of(end: Endpoint, item: str, *, is_first: bool) -> str:
    if not is_first and end.host and not end.addresses:
        raise refused(item, "no port, and no service with one")
    return end.host or (end.text if end.service else THIS_MACHINE)


def _ports_of(end: Endpoint, transport: str, host: str | None, item: str) -> list[HostPort]:
    if transport not in _PROTOCOLS:
        raise UsageError(f"{item}: a port is followed by /tcp or /udp, or by nothing")
    protocol: Protocol = "udp" if transport == "udp" else "tcp"
    ports = [port for port in end.ports if end.has_port(port, protocol)]
    if not ports:
        raise UsageError(f"{item!r} is no service with a port of {protocol.upper()}; say its number")
    if end.service and len(ports) > 1:
        raise UsageError(f"{item} is on the {protocol.upper()} ports {', '.join(map(str, ports))}; say which")
    if ports[0] == 0:
        raise UsageError(f"{item}: nobody can be asked at port 0")
    return [HostPort(host or THIS_MACHINE, protocol, port) for port in ports]


def _learn(
    asked: Sequence[HostPort],
    options: CheckOptions,
    rows: list[Row],
    progress: Callable[[int, int | None], None] | None,
) -> None:
    """Append a row for each answer as it comes."""
    targets: list[tuple[HostPort, Target]] = []
    known: dict[str, Addresses | LookupError] = {}
    for one in asked:
        if one.host not in known:
            known[one.host] = _looked_up(one.host, options.ip_version)
        found = known[one.host]
        if isinstance(found, LookupError):
            rows.append(_row(one, verdict="unresolved", reason=str(found)))
            continue
        targets += [(one, Target(one.protocol, ip, (end[0], one.port, *end[2:]))) for ip, end in found]
    asked_as = {id(target): one for one, target in targets}

    def tell(answer: ProbeAnswer) -> None:
        rows.append(_row_of(answer, asked_as[id(answer.target)], options))
        if progress:
            progress(len(rows), len(targets))

    ask_all([target for _, target in targets], options.manner, tell)


def _looked_up(host: str, ip_version: int | None) -> Addresses | LookupError:
    try:
        return addresses_of(host, ip_version)
    except LookupError as error:
        return error


def _row_of(answer: ProbeAnswer, asked: HostPort, options: CheckOptions) -> Row:
    icmp_type, icmp_code = answer.icmp or (None, None)
    return _row(
        asked,
        ip_version=answer.target.ip_version,
        address=answer.target.address[0],
        verdict=answer.verdict,
        reason=answer.reason,
        answer_ns=answer.answer_ns,
        icmp_type=icmp_type,
        icmp_code=icmp_code,
        said_by=answer.said_by,
        banner=answer.banner.decode(errors="backslashreplace") if options.manner.is_banner_wanted else None,
    )


def _row(asked: HostPort, **learnt: Any) -> Row:  # Any: plain values, see schema
    """One row with all columns; those that are not given are null."""
    service = service_name_of(PROTOCOL_NUMBERS[asked.protocol], asked.port)
    known = {**asked._asdict(), "service": service, **learnt}
    return {name: known.get(name) for name in column_names("check")}
