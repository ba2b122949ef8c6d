"""The columns of conn.log, and what all of Zeek's logs begin with, from those of conversations."""

from __future__ import annotations

from functools import cache
from ipaddress import IPv4Network, ip_network
from typing import TYPE_CHECKING

import numpy as np

from portcall.exports._row_writer import Identifiers, Seconds
from portcall.records.column_values import Addresses, Numbers, Words
from portcall.records.histories import (
    ACTIVE_NS,
    BYTES_OF_CLIENT,
    BYTES_OF_SERVER,
    HISTORY_TEXT,
    IP_BYTES_OF_CLIENT,
    IP_BYTES_OF_SERVER,
    MISSED_BYTES,
    PACKETS_OF_CLIENT,
    PACKETS_OF_SERVER,
)
from portcall.records.payloads.log_entries import CLOSED_NS, LOG_ENTRIES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from portcall.records.column_values import Columns, ColumnValues

    Values = ColumnValues | Seconds | Identifiers

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
"""``Site::private_address_space`` of Zeek 7, without the same as 6to4."""
_PROTOCOLS = ("tcp", "udp", "icmp")
_NUMBERS = {"icmp": 1, "tcp": 6, "udp": 17, "dccp": 33, "icmp6": 58, "sctp": 132, "udplite": 136}
_COUNTS = {
    "orig_pkts": (PACKETS_OF_CLIENT, "packets_to_server"),
    "resp_pkts": (PACKETS_OF_SERVER, "packets_to_client"),
    "orig_ip_bytes": (IP_BYTES_OF_CLIENT, None),
    "resp_ip_bytes": (IP_BYTES_OF_SERVER, None),
    "missed_bytes": (MISSED_BYTES, None),
}
_SIZES = {
    "orig_bytes": (BYTES_OF_CLIENT, "payload_to_server"),
    "resp_bytes": (BYTES_OF_SERVER, "payload_to_client"),
}
"""Field → the column that has it, and what stands in where the order of packets was not noted."""
_ENDS = {"client_ip", "client_port", "server_ip", "server_port"}
NEEDED = frozenset(
    {
        "protocol",
        "first_ns",
        "last_ns",
        "state",
        "application_protocol",
        HISTORY_TEXT,
        ACTIVE_NS,
        CLOSED_NS,
        LOG_ENTRIES,
    }
    | _ENDS
    | {name for names in (*_COUNTS.values(), *_SIZES.values()) for name in names if name}
)
"""Columns of conversations that logs are made of."""
_SPREAD = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F))  # odd, and their bits without a pattern
_SHIFTS = (np.uint64(29), np.uint64(32))


def conn_columns(columns: Columns) -> dict[str, Values]:
    """By field of conn.log; what is not known has no column, or null."""
    by_name, first = columns.by_name, _numbers(columns, "first_ns")
    protocols = _words(columns, "protocol")
    texts = [str(word) for word in protocols.words]
    counts = {field: _either(columns, *names) for field, names in _COUNTS.items()}
    duration = _duration(columns)
    sizes = {field: _where(_either(columns, *names), duration.is_known) for field, names in _SIZES.items()}
    known = {
        "ts": Seconds(_microseconds(first.values), _is_known(first)),
        "uid": identifiers(columns),
        "id.orig_h": by_name["client_ip"],
        "id.orig_p": by_name["client_port"],
        "id.resp_h": by_name["server_ip"],
        "id.resp_p": by_name["server_port"],
        "proto": Words(protocols.codes, [_transport(text) for text in texts]),
        "service": _services(columns),
        "duration": duration,
        **sizes,
        "conn_state": _states(columns, counts["orig_pkts"], counts["resp_pkts"]),
        "local_orig": _are_private(by_name["client_ip"]),
        "local_resp": _are_private(by_name["server_ip"]),
        "history": by_name.get(HISTORY_TEXT),
        **counts,
        "ip_proto": Words(protocols.codes, [_NUMBERS.get(text) or int(text.rpartition("-")[2]) for text in texts]),
    }
    return {field: values for field, values in known.items() if values is not None}


def identifiers(columns: Columns) -> Identifiers:
    """What follows from a conversation's ends and time alone, so that the same capture always gives the same."""
    protocols, first = _words(columns, "protocol"), _numbers(columns, "first_ns")
    names = np.array([int.from_bytes(str(word).encode()[:8], "big") for word in protocols.words], np.uint64)
    words: list[NDArray[np.uint64]] = [
        names[protocols.codes],
        np.where(_is_known(first), first.values, 0).view(np.uint64),
    ]
    for end in ("client", "server"):
        address = columns.by_name[f"{end}_ip"]
        if isinstance(address, Addresses):
            words += [address.high_half, address.low_half, address.is_ipv6.astype(np.uint64)]
        words.append(_numbers(columns, f"{end}_port").values.view(np.uint64))
    return Identifiers(*(_mixed(words, spread) for spread in _SPREAD))


def _mixed(words: list[NDArray[np.uint64]], spread: np.uint64) -> NDArray[np.uint64]:
    """uint64[n]: a number that depends on every bit of them."""
    mixed = np.full(len(words[0]), spread, np.uint64)
    for word in [*words, np.full(1, len(words), np.uint64)]:
        mixed = mixed ^ word
        for shift in _SHIFTS:
            mixed = mixed * spread
            mixed = mixed ^ (mixed >> shift)
    return mixed


def are_of_conversations(columns: Columns) -> NDArray[np.bool_]:
    """bool[n]: which rows are of conversations, and not of frames without one."""
    protocols = columns.by_name.get("protocol")
    if not isinstance(protocols, Words):
        return np.zeros(len(columns), np.bool_)
    return np.array([word is not None for word in protocols.words], np.bool_)[protocols.codes]


def have_times(columns: Columns) -> NDArray[np.bool_]:
    """bool[n]: which conversations have a time."""
    return _is_known(_numbers(columns, "first_ns"))


def _states(columns: Columns, sent: Numbers | None, answered: Numbers | None) -> ColumnValues | None:
    """As the flows have it; of UDP by the packets that count here."""
    states, protocols = columns.by_name.get("state"), _words(columns, "protocol")
    if not isinstance(states, Words) or sent is None or answered is None:
        return states
    is_udp = np.array([word == "udp" for word in protocols.words], np.bool_)[protocols.codes]
    codes = len(states.words) + 2 * (sent.values > 0) + (answered.values > 0)
    return Words(np.where(is_udp, codes, states.codes), [*states.words, "OTH", "SHR", "S0", "SF"])


def _duration(columns: Columns) -> Seconds:
    """As Zeek has it, which knows no sizes of one packet; the last acknowledgement does not count."""
    first, last = _numbers(columns, "first_ns"), _numbers(columns, "last_ns")
    closed, active = _numbers(columns, CLOSED_NS), _numbers(columns, ACTIVE_NS)
    ended = np.where(_is_known(closed), closed.values, last.values)
    ended = np.where(_is_known(active), active.values, ended)
    is_known = _is_known(first) & _is_known(last) & (ended > first.values)
    return Seconds(np.where(is_known, ended - first.values + 500, 0) // 1000, is_known)


def _services(columns: Columns) -> Words | None:
    """The protocol, and TLS where that came within it."""
    said = columns.by_name.get("application_protocol")
    if not isinstance(said, Words):
        return None
    protocols, entries = _words(columns, "protocol"), columns.by_name.get(LOG_ENTRIES)
    has_tls = np.zeros(len(columns), np.int64)
    if isinstance(entries, Words):
        logged = [bool(some) and any(entry.log == "ssl" for entry in some) for some in entries.words]
        has_tls = np.array(logged, np.int64)[entries.codes]
    key = (said.codes * len(protocols.words) + protocols.codes) * 2 + has_tls
    distinct, codes = np.unique(key, return_inverse=True)
    words = []
    for one in distinct.tolist():
        place, tls = divmod(one, 2)
        said_at, transport_at = divmod(place, len(protocols.words))
        words.append(_service(str(protocols.words[transport_at]), said.words[said_at], has_tls=bool(tls)))
    return Words(codes, words)


def _service(transport: str, protocol: str | None, *, has_tls: bool) -> str | None:
    if protocol is None:
        return None
    name = _OF_TRANSPORT.get((protocol, transport)) or _SERVICES.get(protocol, protocol)
    return f"{name},ssl" if has_tls and name != "ssl" else name


def _transport(protocol: str) -> str:
    name = "icmp" if protocol == "icmp6" else protocol
    return name if name in _PROTOCOLS else "unknown_transport"


def _are_private(addresses: ColumnValues) -> Words | None:
    """Whether Zeek takes an address for local where nobody says which are."""
    if not isinstance(addresses, Addresses):
        return None
    are = np.zeros(len(addresses.is_ipv6), np.bool_)
    for is_ipv6, mask, value in _networks():
        high, low = (addresses.high_half & mask[0]) == value[0], (addresses.low_half & mask[1]) == value[1]
        are |= high & low & (addresses.is_ipv6 == is_ipv6)
    return Words(are.astype(np.int64), [False, True])


@cache
def _networks() -> list[tuple[bool, tuple[np.uint64, np.uint64], tuple[np.uint64, np.uint64]]]:
    """Of each network, whether it is IPv6, its mask and what addresses are then, in halves."""
    found = []
    for network in map(ip_network, _NOT_ROUTABLE.split()):
        mask, value = int(network.netmask), int(network.network_address)
        halves = [(np.uint64(number >> 64), np.uint64(number & (1 << 64) - 1)) for number in (mask, value)]
        found.append((not isinstance(network, IPv4Network), halves[0], halves[1]))
    return found


def _either(columns: Columns, name: str, other: str | None) -> Numbers | None:
    """A column, and another one where it has none."""
    values, instead = columns.by_name.get(name), columns.by_name.get(other) if other else None
    if not isinstance(values, Numbers):
        return instead if isinstance(instead, Numbers) else None
    if not isinstance(instead, Numbers) or values.is_known is None:
        return values
    return Numbers(np.where(values.is_known, values.values, instead.values), values.is_known | _is_known(instead))


def _where(values: Numbers | None, condition: NDArray[np.bool_]) -> Numbers | None:
    return values and Numbers(values.values, _is_known(values) & condition)


def _numbers(columns: Columns, name: str) -> Numbers:
    values = columns.by_name.get(name)
    if isinstance(values, Numbers):
        return values
    return Numbers(np.zeros(len(columns), np.int64), np.zeros(len(columns), np.bool_))


def _words(columns: Columns, name: str) -> Words:
    values = columns.by_name.get(name)
    return values if isinstance(values, Words) else Words(np.zeros(len(columns), np.int64), [None])


def _is_known(values: Numbers) -> NDArray[np.bool_]:
    return np.ones(len(values.values), np.bool_) if values.is_known is None else values.is_known


def _microseconds(times_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Towards zero."""
    return np.asarray(np.sign(times_ns) * (np.abs(times_ns) // 1000), np.int64)
