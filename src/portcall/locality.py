"""Which ends of a flow are local: this machine, this network, our side of what was captured.

Three sources, the surest first: networks that the user names, the capture's own direction bits, and inference, where
an end is local if its address is private and the other end's is not. Inference never finds two local ends.
"""

from __future__ import annotations

import ipaddress
import socket
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from portcall.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Booleans = NDArray[np.bool_]

PRIVATE = tuple(
    ipaddress.ip_network(text)
    for text in (
        "10.0.0.0/8",  # RFC 1918
        "172.16.0.0/12",
        "192.168.0.0/16",
        "127.0.0.0/8",  # loopback, RFC 1122 §3.2.1.3
        "169.254.0.0/16",  # link-local, RFC 3927
        "100.64.0.0/10",  # carrier-grade NAT, RFC 6598
        "::1/128",  # loopback, RFC 4291
        "fe80::/10",  # link-local, RFC 4291
        "fc00::/7",  # unique local, RFC 4193
    )
)
"""Addresses that belong to one site. Their opposite is not "public": multicast is neither."""

_WORD = (1 << 64) - 1
_NAMED = 2  # above what is_ipv6 can be
_MOST_HOST_NAMES = 1 << 20
_HOST_NAMES = [""]
_NUMBER_OF_HOST: dict[str, int] = {}


class Addresses(NamedTuple):
    """IP addresses as columns: two 64-bit halves (IPv4 in the low 32 bits), and the version."""

    high_half: NDArray[np.uint64]
    low_half: NDArray[np.uint64]
    is_ipv6: Booleans

    def within(self, network: Network) -> Booleans:
        """bool[n]: true where the address lies in the network."""
        mask, value = int(network.netmask), int(network.network_address)
        inside = (self.low_half & np.uint64(mask & _WORD)) == np.uint64(value & _WORD)
        if network.version == 4:  # noqa: PLR2004 - of IP
            return np.asarray(inside & ~self.is_ipv6)
        inside &= (self.high_half & np.uint64(mask >> 64)) == np.uint64(value >> 64)
        return np.asarray(inside & self.is_ipv6)

    def within_any(self, networks: Iterable[Network]) -> Booleans:
        """bool[n]: true where the address lies in one of the networks."""
        result = np.zeros(len(self.is_ipv6), np.bool_)
        versions = {6: bool(self.is_ipv6.any()), 4: not self.is_ipv6.all()}
        for network in networks:
            if versions[network.version]:
                result |= self.within(network)
        return result

    def where(self, condition: Booleans, other: Addresses) -> Addresses:
        """These addresses where the condition holds, the other ones elsewhere."""
        return Addresses(
            np.where(condition, self.high_half, other.high_half),
            np.where(condition, self.low_half, other.low_half),
            self.is_ipv6,
        )


class LocalEnds(NamedTuple):
    """Which ends are local, and how many rows were inferred."""

    low: Booleans
    high: Booleans
    inferred: int


def addresses(flows: NDArray[np.void], end: str) -> Addresses:
    """The addresses of FLOW rows at one end, ``low`` or ``high``."""
    high_half, low_half = flows[end].view(">u8").T.astype(np.uint64, order="C")
    return Addresses(high_half, low_half, flows["ip_version"] == 6)  # noqa: PLR2004 - of IP


def local_ends(flows: NDArray[np.void], low: Addresses, high: Addresses, networks: tuple[Network, ...]) -> LocalEnds:
    """Which ends of FLOW rows are local; both or none may be.

    Networks that the user named decide alone; without them the capture's bits do, and where it has none, inference.
    """
    if networks:
        return LocalEnds(low.within_any(networks), high.within_any(networks), 0)
    bits = flows["local"]
    low_local, high_local = (bits & 1).astype(np.bool_), (bits & 2).astype(np.bool_)
    unknown = bits == 0
    inferred = int(np.count_nonzero(unknown))
    if inferred:
        low_private, high_private = low.within_any(PRIVATE), high.within_any(PRIVATE)
        low_local |= unknown & low_private & ~high_private
        high_local |= unknown & high_private & ~low_private
    return LocalEnds(low_local, high_local, inferred)


def networks(texts: Iterable[Any]) -> tuple[Network, ...]:
    """Networks as the user wrote them: an address, a CIDR, or an ``ipaddress`` object. UsageError for anything else."""
    return tuple(_network(str(text)) for text in texts)


@lru_cache(maxsize=1 << 16)
def address_text(is_ipv6: bool, high_half: int, low_half: int) -> str:  # noqa: FBT001 - one row of Addresses
    """An address as people write it (RFC 5952)."""
    if is_ipv6:
        return socket.inet_ntop(socket.AF_INET6, high_half.to_bytes(8, "big") + low_half.to_bytes(8, "big"))
    return socket.inet_ntop(socket.AF_INET, (low_half & 0xFFFFFFFF).to_bytes(4, "big"))


def host_name_number(name: str) -> int:
    """A number for the name of a host, from 1 on, within this process; 0 once there are too many."""
    number = _NUMBER_OF_HOST.get(name)
    if number is None:
        if len(_HOST_NAMES) > _MOST_HOST_NAMES:
            return 0
        number = _NUMBER_OF_HOST[name] = len(_HOST_NAMES)
        _HOST_NAMES.append(name)
    return number


def hosts(addresses: Addresses, names: NDArray[np.uint64]) -> dict[str, NDArray[Any]]:
    """Columns that tell hosts apart: by the number of their name, else by address."""
    is_named = names > 0
    return {
        "host_kind": np.where(is_named, np.uint8(_NAMED), addresses.is_ipv6.astype(np.uint8)),
        "high_half": np.where(is_named, np.uint64(0), addresses.high_half),
        "low_half": np.where(is_named, names, addresses.low_half),
    }


@lru_cache(maxsize=1 << 16)
def host_text(host_kind: int, high_half: int, low_half: int) -> str:
    """The name, or the address as people write it, in one row of ``hosts``."""
    return _HOST_NAMES[low_half] if host_kind == _NAMED else address_text(bool(host_kind), high_half, low_half)


def address_texts(column: Addresses) -> list[str]:
    """Every address of a column as people write it."""
    return list(map(address_text, column.is_ipv6.tolist(), column.high_half.tolist(), column.low_half.tolist()))


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        raise UsageError(f"--local {text}: not an address or a network. Write it like 192.168.0.0/16") from None
