"""The columns of rows of traffic: one group or one conversation each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from portcall.records.columns import SCRIPT, Column, Unit, address_columns

if TYPE_CHECKING:
    from collections.abc import Mapping

REASONS = {
    "not-ip": "not IP",
    "truncated": "cut too short to see its ports",
    "malformed": "malformed",
    "unsupported-link": "link type not supported",
    "fragment-without-first": "fragments without their first",
    "duplicate": "copies of frames that count",
    "no-question": "asks nothing of DNS",
    "no-owner": "no owner known",
    "ambiguous": "several possible owners",
    "kernel": "the kernel itself",
}
"""Why traffic has no app, or by query no question: the closed list → plain words."""


def is_unknown_service(row: Mapping[str, Any]) -> bool:
    """Whether a row has no app because nothing tells its service, where no owners were asked for, as in a capture."""
    return row["unattributed_reason"] == "no-owner" and row.get("owner_quality") is None


def unknown_service(row: Mapping[str, Any]) -> str:
    """That service in words: ``unknown service tcp/81``; of a row with several, that they are."""
    services = row.get("services")
    if services is None and row.get("server_port"):
        services = [f"{row['protocol']}/{row['server_port']}"]
    return f"unknown service {services[0]}" if services and len(services) == 1 else "unknown services"


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


_TIMES = (
    Column("first_ns", "integer", "ns", "time of the first frame since 1970 UTC; null where the capture has no times"),
    Column("last_ns", "integer", "ns", "time of the last frame since 1970 UTC; null where the capture has no times"),
)
BUCKET = Column(
    "bucket_ns",
    "integer",
    "ns",
    "when the row's bucket of time begins, since 1970 UTC; the counts and the times are of that bucket. "
    "Null without --bucket, and for frames without a time",
)
_APP = Column("app", "text", "", "the application; null where the traffic cannot be attributed")
_APP_SOURCE = Column("app_source", "text", "", "what the app rests on: process, name, protocol or port")
_OWNER_QUALITY = Column("owner_quality", "text", "", "how surely the owner is known")
_REASON = Column("unattributed_reason", "text", "", f"why there is no app: {', '.join(REASONS)}; null where there is")

FIRST = {
    "app": _APP,
    "user": Column("user", "text", "", "user of the local process; null where nobody could say, or the system speaks"),
    "service": Column("service", "text", "", "service at the server's port, else protocol/port or protocol/ephemeral"),
    "host": Column("host", "address", "", "name of the remote host, else its address"),
    "time": BUCKET,
}
"""The first column of a group, by grouping."""
PROCESS_AND_PID = (
    Column("process", "text", "", "name of the local process; [kernel] or [icmp] where the system itself speaks"),
    Column("pid", "integer", "", "id of the local process; null where the row is of several"),
)
"""What stands first in ``--by process``."""
GROUPED = (
    _APP_SOURCE,
    *PROCESS_AND_PID,
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
    *address_columns("top_host", "the top host, where that is an address"),
    Column("script", "text", "", f"{SCRIPT}, and where the row is of different ones"),
    BUCKET,
)
"""What follows the first column of a group."""
WINDOW = (
    *(FIRST[name] for name in ("app", "user", "service", "host")),
    PROCESS_AND_PID[0],
    *(column for column in GROUPED if column.name in ("app_source", "owner_quality", "unattributed_reason", "script")),
)
"""What tells rows of a window of a history apart."""
QUERY = (
    Column("query", "text", "", "name that was asked for, in lower case, without the last dot; null in the remainder"),
    Column("query_type", "text", "", "type of record that was asked for: A, AAAA, PTR …; TYPE65300 without a name"),
    Column("client_ip", "address", "", "who asked"),
    Column("questions", "integer", "", "messages that ask it, repeated ones too"),
    Column("responses", "integer", "", "messages that answer it"),
    Column("answers", "integer", "", "records in the answers of all these"),
    Column("response_codes", "texts", "", "what responses said: NOERROR, NXDOMAIN …, at most ten, the commonest first"),
    Column("resolvers", "texts", "", "whom the client asked, at most ten, the most asked first"),
    *_counted("to_server", "from client to server"),
    *_counted("to_client", "from server to client"),
    *_TIMES,
    _REASON,
    *address_columns("client", "the client"),
)
"""What ``--by query`` says of one question of one client. A frame counts for the first question in it."""
FLOW = (
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
        "tls-sni-outer, quic-sni-outer where it is a cover, and an encrypted hello (ECH) asks for another one; "
        "ambiguous where resolvers gave several names for the address",
    ),
    _APP,
    _APP_SOURCE,
    *_owner("client"),
    *_owner("server"),
    _OWNER_QUALITY,
    Column("owner_source", "text", "", "which back end saw the owner"),
    _REASON,
    Column(
        "opener_evidence",
        "text",
        "",
        "why this end is taken for the client: syn, syn-ack, asked, port-class, curated-name, iana-name, lower-port or "
        "first-sender",
    ),
    Column("interface", "text", "", "live, the interface on which the conversation counts"),
    Column("namespace", "text", "", "live, the network namespace of that interface; null for portcall's own"),
    Column("application_protocol", "text", "", "protocol recognised in what was said: tls, http, dns …; null for none"),
    Column("said", "texts", "", "what else was said, as key=text: alpn, ja4, user_agent, version …"),
    Column("evidence_frame", "integer", "", "number of the frame that told protocol and name; null for none"),
    *address_columns("client", "the client"),
    *address_columns("server", "the server"),
    *(Column(f"{end}_script", "text", "", f"at the {end}, {SCRIPT}") for end in ("client", "server")),
    Column(
        "owner_search",
        "text",
        "",
        "where no owner was found: no-socket, or exact (4-tuple), listener (local end) or wildcard (local port) and "
        "why no socket there has one: several-owners, other-namespace, no-process, closed-before, opened-later "
        "or other-time",
    ),
    BUCKET,
    Column(
        "expected", "text", "", "known, new or unknown, against the baseline of --expect; null without, and on no flow"
    ),
)
"""What ``--by flow`` says of a conversation."""

_BOTH_WAYS: tuple[tuple[str, Unit, str], ...] = (
    ("bytes", "bytes", "frame bytes both ways"),
    ("flows", "", "conversations"),
    ("packets", "", "frames both ways"),
)
DIFF = (
    Column("change", "text", "", "new, gone, grown, shrunk or same"),
    _APP,
    Column("host", "address", "", "name of the server, else its address; of grouped reports, of the remote host"),
    PROCESS_AND_PID[0],
    FIRST["user"],
    FIRST["service"],
    *(
        Column(f"{count}_{side}", "integer", unit, f"{words} on the {which} side")
        for count, unit, words in _BOTH_WAYS
        for side, which in (("before", "first"), ("after", "second"))
    ),
    Column("bytes_change", "integer", "bytes", "bytes_after less bytes_before"),
    Column(
        "ratio_percent",
        "integer",
        "",
        "bytes_after in per cent of bytes_before, with --rates of both rates; null where that is 0",
    ),
    Column("unattributed_reason", "text", "", f"{_REASON.meaning}; further: keys beyond half a million"),
)
"""What ``diff`` says of whatever two sides are compared by; of those that it is not compared by, null."""
