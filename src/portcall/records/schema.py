"""Every output column once: its name, type, unit and meaning.

Exports, table headers, ``--where`` and the documentation derive from these tables: a column that is added here appears
everywhere. Names are a promise to scripts: adding one is free, renaming or dropping one needs a decision record.
Columns that nothing fills yet are present as null, so that scripts can name them today.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from portcall.errors import UsageError

if TYPE_CHECKING:
    from portcall.records.report import Degradation
    from portcall.records.sockets import SocketCoverage

GROUPINGS = ("app", "service", "host", "flow")
"""What ``--by`` accepts; the first is the default."""
LIVE_GROUPINGS = ("app", "process", "service", "host", "flow")
"""What it accepts where the owners of the flows are known."""
COUNTS = {by: f"conns by {by}" for by in ("app", "host", "service", "state")}
"""What ``conns --by`` accepts → the list of such counts."""
LISTS = {
    "ports": "socket that listens",
    "conns": "socket with a peer",
    **dict.fromkeys(COUNTS.values(), "what the conversations are counted by"),
    "who": "socket on the port, of the process, or connected to such a port",
    "check": "port of one address",
    "doctor": "thing that portcall needs, or works better with",
}
"""What commands list that is no traffic, by the command's name, and what a row of each stands for."""

REASONS = {
    "not-ip": "not IP",
    "truncated": "cut too short to see its ports",
    "malformed": "malformed",
    "unsupported-link": "link type not supported",
    "fragment-without-first": "fragments without their first",
    "no-owner": "no owner known",
    "ambiguous": "several possible owners",
    "kernel": "the kernel itself",
}
"""Why traffic has no app: the closed list → plain words."""


Verdict = Literal["open", "closed", "filtered", "open-or-filtered", "no-route", "unresolved"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
"""What ``check`` may say of a port."""

ADDRESS_ENDS = {"client_ip": "client", "server_ip": "server", "top_host": "top_host", "remote_ip": "remote"}
"""Columns with an address → how the columns begin that tell where it is and what it is called, where asked for."""

Unit = Literal["", "bytes", "ns", "s"]


class Column(NamedTuple):
    """One output column. Every column may be null."""

    name: str
    type: Literal["integer", "text", "address", "texts", "integers"]
    """``address`` is text that may be an IP address; ``texts`` and ``integers`` are lists, joined by ``;`` in csv."""
    unit: Unit
    meaning: str


@dataclass(frozen=True, slots=True)
class Listing:
    """Rows that are no traffic, in the shape of ``model.Report``: exports write either."""

    by: str
    """What they are rows of, one of LISTS."""
    source: str
    """What the command was asked about."""
    rows: list[dict[str, Any]]  # Any: plain values of several types
    window_ns: tuple[int, int] | None = None
    """First and last moment that they tell of, where that matters."""
    coverage: SocketCoverage | None = None
    """How much of what is there could be seen; None where all was."""
    degradations: list[Degradation] = field(default_factory=list)
    rows_left_out: int = 0
    """Rows that ``--where`` or ``--top`` left out."""


def columns(by: str) -> tuple[Column, ...]:
    """The columns of a grouping or of one of LISTS, in output order. UsageError for a grouping that does not exist."""
    if by in LISTS:
        return _OF_LIST[by]
    if by not in LIVE_GROUPINGS:
        raise UsageError(f"--by {by}: no such grouping{did_you_mean(by, LIVE_GROUPINGS)}")
    if by == "process":
        return (*_PROCESS_AND_PID, *(column for column in _GROUPED if column not in _PROCESS_AND_PID))
    return _FLOW if by == "flow" else (_FIRST[by], *_GROUPED)


@lru_cache
def column_names(by: str) -> tuple[str, ...]:
    """The names of one grouping's or list's columns, in output order."""
    return tuple(column.name for column in columns(by))


def directions(by: str) -> tuple[str, str]:
    """The suffixes of a grouping's two counted directions, what leaves the client or local end first."""
    return ("to_server", "to_client") if by == "flow" else ("out", "in")


def asked_names(end: str) -> tuple[str, ...]:
    """The columns about the address of an end, one of ADDRESS_ENDS' values, that are null unless they are asked for."""
    return tuple(column.name for column in _asked(end, ""))


def did_you_mean(word: str, words: tuple[str, ...]) -> str:
    """The end of a sentence that refuses a word: the nearest accepted one, or all of them."""
    import difflib

    near = difflib.get_close_matches(word, words, n=1)
    return f". Did you mean '{near[0]}'?" if near else f". Choose from: {', '.join(words)}"


_COUNTS: dict[str, tuple[Unit, str]] = {
    "packets": ("", "frames"),
    "bytes": ("bytes", "frame bytes on the wire, link header included,"),
    "payload": ("bytes", "bytes that the transport carries"),
}


def _counted(direction: str, towards: str) -> tuple[Column, ...]:
    """The three counts of one direction."""
    return tuple(
        Column(f"{count}_{direction}", "integer", unit, f"{words} {towards}")
        for count, (unit, words) in _COUNTS.items()
    )


def _owner(end: str) -> tuple[Column, ...]:
    """Who holds one end's socket."""
    return (
        Column(f"{end}_pid", "integer", "", f"process id at the {end}"),
        Column(f"{end}_process", "text", "", f"name of the process at the {end}"),
        Column(f"{end}_exe", "text", "", f"executable of the process at the {end}"),
        Column(f"{end}_user", "text", "", f"user of the process at the {end}"),
        Column(f"{end}_container", "text", "", f"container or unit of the process at the {end}"),
    )


def _asked(end: str, whose: str) -> tuple[Column, ...]:
    """What only databases or DNS know of an address, and only tell who asks."""
    return (
        Column(f"{end}_country", "text", "", f"country of {whose}, two letters, as the files of --geo say"),
        Column(f"{end}_network", "text", "", f"owner of the network of {whose}, as the files of --geo say"),
        Column(f"{end}_reverse_name", "text", "", f"name of {whose} in reverse DNS, where --resolve asked"),
    )


_TIMES = (
    Column("first_ns", "integer", "ns", "time of the first frame since 1970 UTC; null where the capture has no times"),
    Column("last_ns", "integer", "ns", "time of the last frame since 1970 UTC; null where the capture has no times"),
)
_APP = Column("app", "text", "", "the application; null where the traffic cannot be attributed")
_APP_SOURCE = Column("app_source", "text", "", "what the app rests on: process, name, protocol or port")
_OWNER_QUALITY = Column("owner_quality", "text", "", "how surely the owner is known")
_REASON = Column("unattributed_reason", "text", "", f"why there is no app: {', '.join(REASONS)}; null where there is")

_FIRST = {
    "app": _APP,
    "service": Column("service", "text", "", "service at the server's port, else protocol/port or protocol/ephemeral"),
    "host": Column("host", "address", "", "name of the remote host, else its address"),
}
_PROCESS_AND_PID = (
    Column("process", "text", "", "name of the local process; [kernel] or [icmp] where the system itself speaks"),
    Column("pid", "integer", "", "id of the local process; null where the row is of several"),
)
_GROUPED = (
    _APP_SOURCE,
    *_PROCESS_AND_PID,
    Column("flows", "integer", "", "conversations"),
    *(
        column
        for both_ways in zip(_counted("out", "sent by the local ends"), _counted("in", "sent to them"), strict=True)
        for column in both_ways
    ),
    *_TIMES,
    Column(
        "top_host",
        "address",
        "",
        "remote host with the most bytes; null where so many hosts took part that it is not certain",
    ),
    Column("services", "texts", "", "the services with the most bytes, at most ten, greatest first"),
    _OWNER_QUALITY,
    _REASON,
    *_asked("top_host", "the top host, where that is an address"),
)
_FLOW = (
    Column("protocol", "text", "", "transport: tcp, udp, sctp, dccp, udplite, icmp, icmp6 or ip-N; null on no flow"),
    Column("client_ip", "address", "", "address of the end that opened"),
    Column("client_port", "integer", "", "port of the end that opened, 0 for protocols without ports"),
    Column("server_ip", "address", "", "address of the end that was called"),
    Column("server_port", "integer", "", "port of the end that was called, 0 for protocols without ports"),
    *_counted("to_server", "from client to server"),
    *_counted("to_client", "from server to client"),
    *_TIMES,
    Column("tcp_flags_to_server", "integer", "", "all TCP flags that the client sent, ORed; null for other protocols"),
    Column("tcp_flags_to_client", "integer", "", "all TCP flags that the server sent, ORed; null for other protocols"),
    Column("state", "text", "", "how far the connection came, in Zeek's conn_state words"),
    Column("service", "text", "", "service at the server's port; the protocol found, where that is another one"),
    Column("client_port_class", "text", "", "well-known, registered or ephemeral; null for protocols without ports"),
    Column("server_port_class", "text", "", "well-known, registered or ephemeral; null for protocols without ports"),
    Column("tls_server_name", "text", "", "server name that the client asked for in TLS or QUIC, as sent"),
    Column("http_host", "text", "", "HTTP Host header, as sent"),
    Column("hostname", "text", "", "name of the server"),
    Column(
        "hostname_source",
        "text",
        "",
        "where the name comes from: tls-sni, quic-sni, http-host, certificate, stun-realm, dns or capture; "
        "ambiguous where resolvers gave several names for the address",
    ),
    _APP,
    _APP_SOURCE,
    *_owner("client"),
    *_owner("server"),
    _OWNER_QUALITY,
    Column("owner_source", "text", "", "which back end saw the owner"),
    _REASON,
    Column("opener_evidence", "text", "", "why this end is taken for the client"),
    Column("interface", "text", "", "live, the interface on which the conversation counts"),
    Column("namespace", "text", "", "live, the network namespace of that interface; null for portcall's own"),
    Column("application_protocol", "text", "", "protocol recognised in what was said: tls, http, dns …; null for none"),
    Column("said", "texts", "", "what else was said, as key=text: alpn, ja4, user_agent, version …"),
    Column("evidence_frame", "integer", "", "number of the frame that told protocol and name; null for none"),
    *_asked("client", "the client"),
    *_asked("server", "the server"),
)
_PROTOCOL = Column("protocol", "text", "", "tcp or udp")
_STATE = Column("state", "text", "", "state of the socket, in the words of ss")
_PIDS = Column("pids", "integers", "", "ids of all processes that have it open")
_HOLDER = (
    Column("process", "text", "", "name of the process that has it open, of several the oldest"),
    Column("pid", "integer", "", "id of that process"),
    _PIDS,
    Column("exe", "text", "", "executable of that process"),
    Column("cmdline", "texts", "", "command line of that process, an argument each"),
    Column("user", "text", "", "user of that process, else who made the socket"),
    Column("container", "text", "", "container or unit of that process"),
    Column(
        "holding",
        "text",
        "",
        "process; hidden: one that may not be looked at; unfound: none; nobody: not yet or no more",
    ),
)
_PLACE = (
    Column("interface", "text", "", "the only interface that it uses; null for all"),
    Column("inode", "integer", "", "number of the socket, as in /proc/PID/fd; null where no process has it"),
    Column("namespace", "text", "", "network namespace, by name or path; null for one's own"),
)
_EXPOSURE = (
    Column("exposure", "text", "", "machine, network, everywhere, group or nowhere: who can reach it by its address"),
    Column("exposed_to", "text", "", "the same in plain words"),
    Column("outside", "text", "", "yes where other machines can reach it if no firewall refuses them, else no"),
    Column("published_for", "text", "", "address and port of the container that docker passes it on to"),
)
_PORT_COLUMNS = (
    _PROTOCOL,
    Column("address", "address", "", "address that it listens on; 0.0.0.0 and :: are all"),
    Column("port", "integer", "", "port that it listens on"),
    *_EXPOSURE,
    Column("service", "text", "", "service that usually lives on that port"),
    Column("port_class", "text", "", "well-known, registered or ephemeral"),
    *_HOLDER,
    _STATE,
    *_PLACE,
)
_CONVERSATION_COLUMNS = (
    _PROTOCOL,
    _STATE,
    Column("state_meaning", "text", "", "that state in plain words"),
    Column("local_ip", "address", "", "address of this machine's end"),
    Column("local_port", "integer", "", "port of this machine's end"),
    Column("remote_ip", "address", "", "address of the other end"),
    Column("remote_port", "integer", "", "port of the other end"),
    Column("direction", "text", "", "in: the other end opened it; out: this one did; null where not known"),
    Column("opener_evidence", "text", "", "why that is so: state, listener, remote-listener or a rule about ports"),
    Column("service", "text", "", "service that usually lives on the port of the end that was called"),
    Column("local_port_class", "text", "", "well-known, registered or ephemeral"),
    Column("remote_port_class", "text", "", "well-known, registered or ephemeral"),
    *_HOLDER,
    Column("since_ns", "integer", "ns", "when it was established, since 1970 UTC; null unless the kernel still knows"),
    Column("age_ns", "integer", "ns", "how long it has been established; null unless the kernel still knows"),
    Column("bytes_sent", "integer", "bytes", "payload sent, each byte once; null for other protocols than TCP"),
    Column("bytes_received", "integer", "bytes", "payload received; null for other protocols than TCP"),
    Column("bytes_sent_again", "integer", "bytes", "payload that had to be sent again"),
    Column("bytes_to_send", "integer", "bytes", "what the other end has not confirmed yet"),
    Column("bytes_to_read", "integer", "bytes", "what the process has not read yet"),
    Column("round_trip_ns", "integer", "ns", "smoothed round-trip time"),
    Column("round_trip_variation_ns", "integer", "ns", "how much it varies"),
    *_PLACE,
    *_asked("remote", "the other end"),
)
_HELD_COLUMNS = (
    Column("relation", "text", "", "local: the socket is on the port; connected to: its peer is"),
    *_CONVERSATION_COLUMNS,
    *_EXPOSURE,
    Column("process_since_ns", "integer", "ns", "when the process began, since 1970 UTC"),
    Column("started_by", "texts", "", "the processes above it, nearest first, each as name(pid)"),
)
_COUNT_FIRST = {
    "app": Column("app", "text", "", "name of the process; null where none is known"),
    "host": Column("host", "address", "", "address of the other end"),
    "service": Column("service", "text", "", "service that usually lives on the port of the end that was called"),
    "state": _STATE,
}
_COUNTED_CONVERSATIONS = (
    Column("conversations", "integer", "", "sockets with a peer"),
    Column("established", "integer", "", "of them, those in state ESTAB"),
    Column("opened_in", "integer", "", "of them, those that the other end opened"),
    Column("opened_out", "integer", "", "of them, those that this end opened"),
    Column("hosts", "integer", "", "addresses of other ends"),
    Column("bytes_sent", "integer", "bytes", "payload sent over TCP"),
    Column("bytes_received", "integer", "bytes", "payload received over TCP"),
    _PIDS,
)
_OF_LIST = {
    "ports": _PORT_COLUMNS,
    "conns": _CONVERSATION_COLUMNS,
    **{counts: (_COUNT_FIRST[by], *_COUNTED_CONVERSATIONS) for by, counts in COUNTS.items()},
    "who": _HELD_COLUMNS,
    "check": (
        Column("host", "address", "", "the host as it was asked for"),
        Column("ip_version", "integer", "", "4 or 6; null where the name has no address"),
        Column("address", "address", "", "the address that was asked; null where the name has none"),
        Column("protocol", "text", "", "tcp or udp"),
        Column("port", "integer", "", "the port that was asked"),
        Column("service", "text", "", "service that usually lives on the port"),
        Column("verdict", "text", "", ", ".join(VERDICTS)),
        Column("reason", "text", "", "what the verdict rests on"),
        Column("answer_ns", "integer", "ns", "until something answered, whatever it said; null where nothing did"),
        Column("icmp_type", "integer", "", "type of the ICMP or ICMPv6 error that decided; null without one"),
        Column("icmp_code", "integer", "", "its code"),
        Column("said_by", "address", "", "who sent the ICMP error"),
        Column(
            "banner", "text", "", "the first bytes that came, where asked for by --banner; others than UTF-8 as \\xNN"
        ),
    ),
    "doctor": (
        Column("subject", "text", "", "what was tried"),
        Column("state", "text", "", "works, works less well or missing"),
        Column("detail", "text", "", "what was found"),
        Column(
            "remedy",
            "text",
            "",
            "what mends it; null where nothing is to be mended, or nothing can",
        ),
        Column("needed_for", "texts", "", "commands that do not run without it"),
    ),
}
