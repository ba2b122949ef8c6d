"""What an address alone says: loopback, private, link-local, public, multicast, wildcard … in plain words.

The first row of the table that an address lies in tells its kind. Sources: IANA's special-purpose address registries
(RFC 6890) and the RFCs named in the rows.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AddressKind:
    """A kind of address, and what it means to have one of it."""

    name: str
    meaning: str


_WILDCARD = AddressKind(
    "wildcard", "no address of its own; a program that listens here takes what comes to any address of the machine"
)
_LOOPBACK = AddressKind("loopback", "this machine talking to itself; nobody outside can reach it")
_LINK_LOCAL = AddressKind("link-local", "given by the machine to itself, and good only on this one cable or Wi-Fi")
_PRIVATE = AddressKind(
    "private", "for use inside a home, office or data centre; the internet does not route it, a router translates it"
)
_CARRIER = AddressKind("carrier-grade NAT", "shared by customers of a provider, and translated before the internet")
_MULTICAST = AddressKind("multicast", "no machine but a group; all who joined it get a copy")
_BROADCAST = AddressKind("broadcast", "everybody on this network")
_DOCUMENTATION = AddressKind("documentation", "reserved for examples in books; no machine has it")
_RESERVED = AddressKind("reserved", "set aside, and not in ordinary use")
_PUBLIC = AddressKind("public", "reachable from the whole internet, as far as firewalls let packets through")

_KINDS = [
    (ipaddress.ip_network(network), kind)
    for network, kind in (
        ("0.0.0.0/32", _WILDCARD),  # RFC 1122 §3.2.1.3
        ("::/128", _WILDCARD),  # RFC 4291 §2.5.2
        ("127.0.0.0/8", _LOOPBACK),
        ("::1/128", _LOOPBACK),
        ("169.254.0.0/16", _LINK_LOCAL),  # RFC 3927
        ("fe80::/10", _LINK_LOCAL),
        ("10.0.0.0/8", _PRIVATE),  # RFC 1918
        ("172.16.0.0/12", _PRIVATE),
        ("192.168.0.0/16", _PRIVATE),
        ("fc00::/7", _PRIVATE),  # RFC 4193
        ("100.64.0.0/10", _CARRIER),  # RFC 6598
        ("255.255.255.255/32", _BROADCAST),
        ("224.0.0.0/4", _MULTICAST),  # RFC 5771
        ("ff00::/8", _MULTICAST),
        ("192.0.2.0/24", _DOCUMENTATION),  # RFC 5737
        ("198.51.100.0/24", _DOCUMENTATION),
        ("203.0.113.0/24", _DOCUMENTATION),
        ("2001:db8::/32", _DOCUMENTATION),  # RFC 3849
        ("3fff::/20", _DOCUMENTATION),  # RFC 9637
        ("0.0.0.0/8", _RESERVED),
        ("192.0.0.0/24", _RESERVED),  # RFC 6890
        ("198.18.0.0/15", _RESERVED),  # benchmarks, RFC 2544
        ("240.0.0.0/4", _RESERVED),  # RFC 1112 §4
        ("100::/64", _RESERVED),  # discarded, RFC 6666
    )
]


def address_kind(text: str) -> AddressKind:
    """The kind of an address in text, with or without a zone; ValueError for what is no address."""
    address = ipaddress.ip_address(text.partition("%")[0])
    plain = getattr(address, "ipv4_mapped", None) or address
    for network, kind in _KINDS:
        if plain.version == network.version and plain in network:
            return kind
    return _PUBLIC
