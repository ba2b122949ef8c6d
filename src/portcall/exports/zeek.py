"""Zeek's logs of a report by flow: conn.log, and dns.log, ssl.log, http.log and quic.log of what was said.

What portcall does not know, such as ``history``, stays unset. Conversations are in the order of their first frame; a
``uid`` follows from a conversation's ends and time, so the same capture gives the same logs. Frames on no flow have no
line, as in Zeek.
"""

from __future__ import annotations

import hashlib
import time
from contextlib import ExitStack
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

from portcall.errors import PortcallError
from portcall.exports._zeek_lines import header, json_line, tab_separated
from portcall.records.payloads.log_entries import CLOSED_NS, LOG_ENTRIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from typing import TextIO

    from portcall.records.payloads.log_entries import LogValue
    from portcall.records.report import Report
    from portcall.records.schema import Listing

    Row = dict[str, Any]  # Any: plain values, see schema

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_UID_DIGITS = 17
_SERVICES = {
    **dict.fromkeys(("mdns", "llmnr", "netbios-ns"), "dns"),
    "tls": "ssl",
    "http2": "http",
    "dcerpc": "dce_rpc",
    "gtp-u": "gtpv1",
}
_OF_TRANSPORT = {
    ("ldap", "tcp"): "ldap_tcp",
    ("ldap", "udp"): "ldap_udp",
    ("kerberos", "tcp"): "krb_tcp",
    ("kerberos", "udp"): "krb",
}
"""Protocol → Zeek's name for its analyzer, where that is another one."""
_NOT_ROUTABLE = """
0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.168.0.0/16
198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/24 239.0.0.0/8 240.0.0.0/4
::/128 ::1/128 64:ff9b:1::/48 100::/64 2001::/23 2001:db8::/32 fc00::/7 fe80::/10 fec0::/10
"""
_LOCAL = tuple(map(ip_network, _NOT_ROUTABLE.split()))
"""``Site::private_address_space`` of Zeek 7, without the same as 6to4."""
_PROTOCOLS = ("tcp", "udp", "icmp")
_NUMBERS = {"icmp": 1, "tcp": 6, "udp": 17, "dccp": 33, "icmp6": 58, "sctp": 132, "udplite": 136}
_NAMES = ("protocol", "client_ip", "client_port", "server_ip", "server_port", "first_ns", "last_ns")
_COUNTS = ("packets_to_server", "packets_to_client", "payload_to_server", "payload_to_client")
_COLUMNS = (*_NAMES, *_COUNTS, "state", "application_protocol", CLOSED_NS, LOG_ENTRIES)


def write(report: Report | Listing, stream: TextIO) -> None:
    """Write conn.log."""
    _write(report, stream, tab_separated, with_header=True)


def write_json(report: Report | Listing, stream: TextIO) -> None:
    """Write conn.log as JSON lines."""
    _write(report, stream, json_line, with_header=False)


def write_logs(
    report: Report | Listing, opened: Callable[[str], AbstractContextManager[TextIO]], *, as_json: bool
) -> None:
    """Write each log that has a line, and conn.log in any case; ``opened`` opens the file of that name."""
    as_line = json_line if as_json else tab_separated
    with ExitStack() as stack:
        streams: dict[str, TextIO] = {}

        def stream_of(log: str) -> TextIO:
            if log not in streams:
                streams[log] = stack.enter_context(opened(f"{log}.log"))
                if not as_json:
                    streams[log].write(header(log, _moment(report, 0)))
            return streams[log]

        stream_of("conn")
        for log, values in _lines(report):
            stream_of(log).write(as_line(log, values))
        if not as_json:
            for stream in streams.values():
                stream.write(f"#close\t{_moment(report, 1)}\n")


def _write(
    report: Report | Listing, stream: TextIO, as_line: Callable[[str, dict[str, LogValue]], str], *, with_header: bool
) -> None:
    if with_header:
        stream.write(header("conn", _moment(report, 0)))
    stream.writelines(as_line(log, values) for log, values in _lines(report) if log == "conn")
    if with_header:
        stream.write(f"#close\t{_moment(report, 1)}\n")


def _lines(report: Report | Listing) -> Iterator[tuple[str, dict[str, LogValue]]]:
    """Each line of each log, as the values of its fields."""
    if report.by != "flow" or isinstance(report.rows, list):
        raise PortcallError("zeek: logs are of conversations, as --by flow has them")
    for columns in report.rows.ordered_by("first_ns").blocks():
        for row in columns.rows(_COLUMNS):
            if row["protocol"] is None:
                continue
            connection = _connection(row)
            yield "conn", {**connection, **_summary(row)}
            for entry in row[LOG_ENTRIES] or ():
                yield entry.log, {**connection, "ts": entry.ts_ns, **entry.fields}


def _connection(row: Row) -> dict[str, LogValue]:
    """The fields that all logs begin with."""
    identity = "|".join(str(row[name]) for name in _NAMES[:6])
    number = int.from_bytes(hashlib.blake2b(identity.encode(), digest_size=13).digest(), "big")
    digits = []
    for _ in range(_UID_DIGITS):
        number, digit = divmod(number, 62)
        digits.append(_DIGITS[digit])
    return {
        "ts": row["first_ns"],
        "uid": "C" + "".join(digits),
        "id.orig_h": row["client_ip"],
        "id.orig_p": row["client_port"],
        "id.resp_h": row["server_ip"],
        "id.resp_p": row["server_port"],
    }


def _summary(row: Row) -> dict[str, LogValue]:
    """What conn.log says besides."""
    protocol, said = str(row["protocol"]), row["application_protocol"]
    name = "icmp" if protocol == "icmp6" else protocol
    values: dict[str, LogValue] = {
        "proto": name if name in _PROTOCOLS else "unknown_transport",
        "service": _service(protocol, said, {entry.log for entry in row[LOG_ENTRIES] or ()}),
        "conn_state": row["state"],
        "local_orig": _is_private(row["client_ip"]),
        "local_resp": _is_private(row["server_ip"]),
        "orig_pkts": row["packets_to_server"],
        "resp_pkts": row["packets_to_client"],
        "ip_proto": _NUMBERS.get(protocol) or int(protocol.rpartition("-")[2]),
    }
    ended_ns = row["last_ns"] if row[CLOSED_NS] is None else row[CLOSED_NS]  # the last acknowledgement does not count
    if row["first_ns"] is not None and ended_ns > row["first_ns"]:  # as Zeek, which knows no sizes of one packet
        values |= {
            "duration": (ended_ns - row["first_ns"]) / 1e9,
            "orig_bytes": row["payload_to_server"],
            "resp_bytes": row["payload_to_client"],
        }
    return values


def _service(transport: str, protocol: str | None, logs: set[str]) -> str | None:
    """The protocol, and TLS where that came within it."""
    if protocol is None:
        return None
    name = _OF_TRANSPORT.get((protocol, transport)) or _SERVICES.get(protocol, protocol)
    return f"{name},ssl" if "ssl" in logs and name != "ssl" else name


@lru_cache(maxsize=1 << 16)
def _is_private(address: str) -> bool:
    """Whether Zeek takes an address for local where nobody says which are."""
    known = ip_address(address)
    return any(known.version == network.version and known in network for network in _LOCAL)


def _moment(report: Report | Listing, end: int) -> str:
    """When the traffic began or ended, as the first and last line have it."""
    seconds = report.window_ns[end] // 10**9 if report.window_ns else 0
    return time.strftime("%Y-%m-%d-%H-%M-%S", time.gmtime(seconds))
