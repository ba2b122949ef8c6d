"""portcall: which application do these packets belong to?

What a command prints, a program can have: each command is a call of the same name, and its options are arguments.

    read     saved captures                 → Report       live     traffic as it passes   → Report, or several
    ports    who listens where              → Listing      conns    who talks with whom    → Listing
    who      who has a port                 → Listing      check    is that port open?     → Listing
    explain  what a port or an address is   → Explanation  doctor   what works here        → Listing
    annotate a capture, with owners         → Joined         diff     two captures or reports      → Listing
    baseline what is usual in captures      → Baseline       history  what live --history kept     → Report

Reports and listings are iterable: a row maps the columns of docs/columns.md to plain values. Wrong arguments are a
UsageError before anything is read or asked, what fails is a PortcallError.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, overload

from portcall.errors import CaptureError, PortcallError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from os import PathLike
    from typing import Literal

    from typing_extensions import Unpack

    from portcall.comparison.baselines import Baseline
    from portcall.decoding.decoder import Layer
    from portcall.explanation.facts import Explanation
    from portcall.explanation.tutorial import Tutorial
    from portcall.owners import BackEnd
    from portcall.records.report import Report
    from portcall.records.schema import Listing
    from portcall.runs.arguments import LiveArguments, Texts
    from portcall.runs.comparing.compared import diff
    from portcall.runs.comparing.learned import baseline
    from portcall.runs.examinations.doctor_report import doctor
    from portcall.runs.keeping.asked_history import history
    from portcall.runs.recording.annotating import annotate

    __version__: str

__all__ = [
    "CaptureError",
    "PortcallError",
    "UsageError",
    "annotate",
    "baseline",
    "check",
    "conns",
    "diff",
    "doctor",
    "explain",
    "history",
    "live",
    "ports",
    "read",
    "who",
]
_SOURCE_VERSION = "0.1.0"
_ELSEWHERE = {"annotate": "recording.annotating", "baseline": "comparing.learned", "diff": "comparing.compared"}
_ELSEWHERE |= {
    "doctor": "examinations.doctor_report",
    "history": "keeping.asked_history",
}  # where they are carried out


def read(  # noqa: PLR0913 (the options of the command, all by name)
    paths: Texts,
    *,
    by: str = "app",
    layer: Layer = "outer",
    filter: str | None = None,  # noqa: A002 (the option's name)
    local: Texts = (),
    where: str | None = None,
    top: int | None = None,
    names: bool = True,
    geo: Texts = (),
    resolve: bool = False,
    deduplicate: bool = False,
    from_: str | None = None,
    to: str | None = None,
    bucket: str | None = None,
    tls_keys: Texts = (),
    idle_timeout: float | None = None,
    active_timeout: float | None = None,
    memory: str | None = None,
    page: bool = False,
    jobs: int | None = None,
    expect: str | PathLike[str] | Baseline | None = None,
) -> Report:
    """Attribute saved captures, one or many, as one capture in time order: the report that ``portcall read`` prints.

    What could not be read, or ran with less, is in ``report.degradations``; PortcallError where nothing could be read.
    """
    from portcall.enrichment.reverse_dns import named
    from portcall.runs import arguments as given
    from portcall.runs import offline

    given.flag("resolve", resolve)
    outcome = offline.read(
        given.paths("paths", paths),
        by=given.grouping(by, expect),
        layer=given.one_of("layer", layer, ("outer", "inner")),
        filter=given.optional_text("filter", filter),
        local=given.texts("local", local),
        where=given.optional_text("where", where),
        top=given.optional_count("top", top),
        names=given.flag("names", names),
        geo=given.texts("geo", geo),
        deduplicate=given.flag("deduplicate", deduplicate),
        from_=given.optional_text("from_", from_),
        to=given.optional_text("to", to),
        bucket=given.optional_text("bucket", bucket),
        tls_keys=given.texts("tls_keys", tls_keys),
        stream=given.stream(idle_timeout, active_timeout, memory),
        page=given.flag("page", page),
        jobs=given.optional_count("jobs", jobs),
        expect=given.baseline(expect, by, page=page),
    )
    if outcome.interrupted:
        raise KeyboardInterrupt
    return named(outcome.noted_report) if resolve else outcome.noted_report


@overload
def live(*, every: None = None, **options: Unpack[LiveArguments]) -> Report: ...
@overload
def live(*, every: float, **options: Unpack[LiveArguments]) -> Iterator[Report]: ...


def live(  # noqa: PLR0913 (the options of the command, all by name)
    *,
    duration: float | None = None,
    every: float | None = None,
    interface: Texts = (),
    netns: Texts = (),
    by: str = "app",
    filter: str | None = None,  # noqa: A002 (the option's name)
    local: Texts = (),
    where: str | None = None,
    top: int | None = None,
    names: bool = True,
    geo: Texts = (),
    bucket: str | None = None,
    page: bool = False,
    resolve: bool = False,
    source: Literal["ring", "scapy"] | None = None,
    ring_size: str | None = None,
    owners: BackEnd | None = None,
    expect: str | PathLike[str] | Baseline | None = None,
) -> Report | Iterator[Report]:
    """Attribute traffic to processes as it passes, for ``duration`` seconds or until Ctrl-C: the report of that time.

    ``every`` so many seconds a report of everything so far, and one at the end. PortcallError, with remedies, without
    the rights to capture; the process keeps those that it has.
    """
    from portcall.enrichment.reverse_dns import named
    from portcall.owners import BACK_ENDS
    from portcall.runs import arguments as given
    from portcall.runs import live_run
    from portcall.runs.following import captured_reports

    options = live_run.LiveOptions(
        interface=given.texts("interface", interface),
        netns=given.texts("netns", netns),
        filter=given.optional_text("filter", filter),
        source=given.one_of_or_none("source", source, ("ring", "scapy")),
        ring_size=given.optional_text("ring_size", ring_size),
        owners=given.one_of_or_none("owners", owners, BACK_ENDS),
        by=given.grouping(by, expect),
        local=given.texts("local", local),
        where=given.optional_text("where", where),
        top=given.optional_count("top", top),
        names=given.flag("names", names),
        geo=given.texts("geo", geo),
        bucket=given.optional_text("bucket", bucket),
        page=given.flag("page", page),
        expect=given.baseline(expect, by, page=page),
    )
    live_run.check_options(options)
    reports = captured_reports.captured(options, *map(given.optional_seconds, ("duration", "every"), (duration, every)))
    completed = map(named, reports) if given.flag("resolve", resolve) else reports
    return next(completed) if every is None else completed


def ports(*, netns: Texts = (), where: str | None = None, top: int | None = None) -> Listing:
    """List who listens where on this machine, and who can reach it: a row per socket."""
    from portcall.runs import toolbox

    return toolbox.ports(toolbox.chosen(netns, where, top))


def conns(  # noqa: PLR0913 (the options of the command, all by name)
    end: str | int | None = None,
    *,
    by: str | None = None,
    state: str | Iterable[str] = (),
    netns: Texts = (),
    where: str | None = None,
    top: int | None = None,
    geo: Texts = (),
    resolve: bool = False,
) -> Listing:
    """List who talks with whom now: a row per socket with a peer, or with ``by`` a count of them.

    ``end`` chooses those that have it: a port, an end, a conversation or a process, as ``who`` takes it.
    """
    from portcall.records.schema import COUNTS
    from portcall.runs import arguments as given
    from portcall.runs import toolbox
    from portcall.sockets.query import parse_query

    return toolbox.conversations(
        toolbox.chosen(netns, where, top),
        query=None if end is None else parse_query(given.text("end", end)),
        states=given.states("state", state),
        by=given.one_of_or_none("by", by, tuple(COUNTS)),
        geo=given.texts("geo", geo),
        resolve=given.flag("resolve", resolve),
    )


def who(port: str | int, *, netns: Texts = (), where: str | None = None, top: int | None = None) -> Listing:
    """List whose a port is: the sockets on a port, an end or a conversation, or of a process."""
    from portcall.runs import arguments as given
    from portcall.runs import toolbox
    from portcall.sockets.query import parse_query

    return toolbox.who(parse_query(given.text("port", port)), toolbox.chosen(netns, where, top))


def check(  # noqa: PLR0913 (the options of the command, all by name)
    host: str | int,
    ports: str | int | Iterable[str | int] = (),
    *,
    udp: bool = False,
    ip_version: Literal[4, 6] | None = None,
    banner: bool = False,
    timeout: float = 4.0,
    concurrency: int = 64,
    yes: bool = False,
    where: str | None = None,
    top: int | None = None,
) -> Listing:
    """Test whether ports of a host are open, closed or filtered: a row per port and address.

    ``host`` may have its port (``localhost:8080``); more than 100 ports need ``yes``.
    """
    from portcall.runs import arguments as given
    from portcall.runs import check as asking

    words = [ports] if isinstance(ports, str | int) else ports
    asked = asking.ports_asked(
        [given.text("host", host), *(given.text("ports", word) for word in words)],
        udp=given.flag("udp", udp),
        yes=given.flag("yes", yes),
    )
    options = asking.CheckOptions(
        ip_version=given.one_of_or_none("ip_version", ip_version, (4, 6)),
        manner=given.manner(timeout, concurrency, banner),
        where=given.optional_text("where", where),
        top=given.optional_count("top", top),
    )
    outcome = asking.check(asked, options)
    if outcome.is_interrupted:
        raise KeyboardInterrupt
    return outcome.listing


@overload
def explain(subject: None = None, *, geo: Texts = (), resolve: bool = False) -> Tutorial: ...
@overload
def explain(subject: str | int, *, geo: Texts = (), resolve: bool = False) -> Explanation: ...


def explain(subject: str | int | None = None, *, geo: Texts = (), resolve: bool = False) -> Explanation | Tutorial:
    """Say what a port, service, address, socket, conversation or state is, and who has it; of none, the tutorial."""
    from portcall.runs import arguments as given
    from portcall.runs import explain as explaining

    databases, is_resolved = given.texts("geo", geo), given.flag("resolve", resolve)
    if subject is None:
        return explaining.tell_everything()
    return explaining.explain(given.text("subject", subject), geo=databases, resolve=is_resolved)


def __getattr__(name: str) -> object:
    """What is looked up when somebody asks: the version, in the installed package's metadata, and some calls."""
    if name in _ELSEWHERE:
        return getattr(import_module(f"portcall.runs.{_ELSEWHERE[name]}"), name)
    if name != "__version__":
        raise AttributeError(f"module 'portcall' has no attribute {name!r}")
    from importlib.metadata import distributions

    return next((one.version for one in distributions(name="portcall")), _SOURCE_VERSION)  # the latter in a source tree
