"""Interfaces: which there are, and which of them are meant.

Without a wish, those with an address that others can reach, and loopback: every interface that is up has a link-local
IPv6 address, so that alone says nothing, and the ports of a bridge would count what the bridge counts. ``any`` is all
of them, those that come later too.
"""

from __future__ import annotations

import difflib
import socket
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from portcall.errors import UsageError
from portcall.system.network_namespaces import inside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from portcall.system.network_namespaces import Namespace

ANY = "any"
LOOPBACK = 772  # ARPHRD_LOOPBACK
COOKED = 113
LINK_BY_HARDWARE = np.full(1 << 16, COOKED, np.uint16)
"""Link type by ARPHRD_ number, as libpcap has it (pcap-linux.c, map_arphrd_to_dlt)."""
for _link, _hardware in {
    1: (1, 23, LOOPBACK),  # Ethernet: ETHER, METRICOM
    6: (6, 800),  # IEEE802, IEEE802_TR
    10: (774,),  # FDDI
    101: (15, 256, 257, 258, 259, 264, 518, 519, 768, 776, 0xFFFE),  # IP: DLCI, SLIPs, ADAPT, RAW…, TUNNEL, SIT, NONE
    104: (513,),  # CISCO
    105: (801,),  # IEEE80211
    107: (770,),  # FRAD
    119: (802,),  # IEEE80211_PRISM
    127: (803,),  # IEEE80211_RADIOTAP
    129: (7,),  # ARCNET
    271: (826,),  # VSOCKMON
}.items():
    LINK_BY_HARDWARE[list(_hardware)] = _link

_GET_ADDRESS, _GET_HARDWARE = 0x8915, 0x8927  # SIOCGIFADDR, SIOCGIFHWADDR, linux/sockios.h
_LINK_LOCAL = 0x20  # IPV6_ADDR_LINKLOCAL, fourth column of if_inet6
_NAME_BYTES = 16


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface of one namespace."""

    name: str
    index: int
    hardware: int
    """Its ARPHRD_ number, linux/if_arp.h."""
    has_address: bool
    """Whether it has an address besides a link-local IPv6 one."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The interfaces of one namespace on which to capture."""

    namespace: Namespace
    interfaces: list[Interface]
    is_any: bool
    """Whether those that come later are meant too."""


def select(names: Sequence[str], namespace: Namespace) -> Selection:
    """What the names mean inside the namespace, now; UsageError for a name that nothing has."""
    return Selection(namespace, choose(names, inside(namespace, list_interfaces)), ANY in names)


def choose(names: Sequence[str], there: Sequence[Interface]) -> list[Interface]:
    """The interfaces that are meant, each once, in the order of ``there``; UsageError for a name that none has."""
    if ANY in names:
        return list(there)
    for name in names:
        if name not in {interface.name for interface in there}:
            raise UsageError(f"no interface {name!r}{_suggestion(name, there)}")
    chosen = [
        interface
        for interface in there
        if (interface.name in names if names else interface.has_address or interface.hardware == LOOPBACK)
    ]
    if not chosen:
        raise UsageError(f"there is no interface to capture on{_suggestion('', there)}")
    return chosen


def _suggestion(name: str, there: Sequence[Interface]) -> str:
    known = [*(interface.name for interface in there), ANY]
    near = difflib.get_close_matches(name, known, 1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(known)}"


def list_interfaces() -> list[Interface]:
    """Those of the namespace that the calling thread is in, by index."""
    routable = _ipv6_routable()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        return [
            Interface(name, index, hardware, name in routable or _ask(asked, _GET_ADDRESS, name) is not None)
            for index, name in sorted(socket.if_nameindex())
            if (hardware := _ask(asked, _GET_HARDWARE, name)) is not None  # it may be gone meanwhile
        ]


def _ask(asked: socket.socket, question: int, name: str) -> int | None:
    """The family field of the address that the kernel answers with, for hardware its type; None without an answer."""
    import fcntl  # Windows has none, and needs only ``choose``

    request = struct.pack(f"{_NAME_BYTES}s24x", name.encode())
    try:
        (answer,) = struct.unpack_from("H", fcntl.ioctl(asked, question, request), _NAME_BYTES)
    except OSError:
        return None
    return int(answer)


def _ipv6_routable() -> set[str]:
    """Interfaces with an IPv6 address that is more than link-local (if_inet6: address index length scope flag name)."""
    try:
        lines = Path("/proc/thread-self/net/if_inet6").read_text().splitlines()
    except OSError:  # a kernel without IPv6
        return set()
    return {columns[5] for line in lines if int((columns := line.split())[3], 16) != _LINK_LOCAL}
