"""Which ends of a flow are local: this machine, this network, our side of what was captured.

Three sources, the surest first: networks that the user names, the capture's own direction bits, and inference, where
an end is local if its address is private and the other end's is not. Inference never finds two local ends.
"""

from __future__ import annotations

import enum
import ipaddress
from typing import TYPE_CHECKING, Any

import numpy as np

from portcall.errors import UsageError
from portcall.records.column_values import Addresses, address_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from portcall.labels.registry import Registry

    Booleans = NDArray[np.bool_]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

NETWORK = np.dtype(
    [
        ("mask", "u8", (2,)),  # both as they lie in a FLOW row, IPv4 with zeros before it
        ("value", "u8", (2,)),
        ("ip_version", "u8"),
    ]
)
"""One network: addresses of its version that are ``value`` under the mask. 40 bytes."""

_PRIVATE_NETWORKS = (
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


class HostKind(enum.IntEnum):
    """What tells a host from others."""

    IPV4 = 0
    IPV6 = 1
    NAMED = 2  # the number of its name in the run's Registry stands in place of the address


def addresses(flows: NDArray[np.void], end: str) -> Addresses:
    """The addresses of FLOW rows at one end, ``low`` or ``high``."""
    high_half, low_half = flows[end].view(">u8").T.astype(np.uint64, order="C")
    return Addresses(high_half, low_half, flows["ip_version"] == 6)  # noqa: PLR2004 - of IP


def networks(texts: Iterable[Any]) -> NDArray[np.void]:
    """NETWORK[n] as the user wrote them: addresses, CIDRs or ``ipaddress`` objects. UsageError for anything else."""
    return _as_rows([_network(str(text)) for text in texts])


def host_text(host_kind: int, high_half: int, low_half: int, registry: Registry) -> str:
    """The name with this number (in ``low_half``), or the address as people write it."""
    if host_kind == HostKind.NAMED:
        return registry.host_name(low_half)
    return address_text(bool(host_kind), high_half, low_half)


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        raise UsageError(f"--local {text}: not an address or a network. Write it like 192.168.0.0/16") from None


def _as_rows(networks: Iterable[Network]) -> NDArray[np.void]:
    rows = [(_words(one.netmask), _words(one.network_address), one.version) for one in networks]
    return np.array(rows, NETWORK)


def _words(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> tuple[int, ...]:
    """The 16 bytes of an address in a FLOW row, as two numbers in this machine's order."""
    return tuple(np.frombuffer(address.packed.rjust(16, b"\0"), np.uint64).tolist())


PRIVATE = _as_rows(map(ipaddress.ip_network, _PRIVATE_NETWORKS))
"""NETWORK[n]: addresses that belong to one site. Their opposite is not "public": multicast is neither."""
