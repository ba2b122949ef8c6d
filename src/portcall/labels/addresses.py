"""What an address alone says: loopback, private, link-local, public, multicast, wildcard … in plain words.

The first row of the table that an address lies in tells its kind. Sources: IANA's special-purpose address registries
(RFC 6890) and the RFCs named in the rows.
"""

from __future__ import annotations

import ipaddress
import re
import socket
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
_DOCUMENTATION = AddressKind("documentation", "reserved for examples in books; no machine should have it")
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


_MAPPED = "::ffff:"
_ZONE = re.compile(r"[\w.@-]+")


def plain_address(text: str) -> str | None:
    """An address in any of its forms as sockets and rows write it (RFC 5952), IPv4 inside IPv6 as plain IPv4.

    A zone stays, such as ``%eth0``. None for what is no address.
    """
    bare, percent, zone = text.partition("%")
    try:
        packed = socket.inet_pton(socket.AF_INET6 if ":" in bare else socket.AF_INET, bare)
    except (OSError, ValueError):  # no address; or a zero byte in it
        return None
    if percent and (len(packed) == 4 or not _ZONE.fullmatch(zone)):  # noqa: PLR2004 - bytes of IPv4
        return None
    address = socket.inet_ntop(socket.AF_INET6 if ":" in bare else socket.AF_INET, packed)
    mapped = ipaddress.IPv6Address(packed).ipv4_mapped if address.startswith(_MAPPED) else None
    return str(mapped or address) + percent + zone


def is_same_address(address: str | None, wanted: str, interface: str | None = None) -> bool:
    """Whether an address that a socket or a row has is the wanted one, as ``plain_address`` writes it.

    A zone of the wanted one names an interface; a socket that uses just another one is not meant.
    """
    if address is None:
        return False
    bare, _, zone = wanted.partition("%")
    here, _, own_zone = address.partition("%")
    if here != bare and not (here.startswith(_MAPPED) and plain_address(here) == bare):
        return False
    place = interface or own_zone
    return not zone or not place or zone.isdecimal() or place == zone
