"""Interfaces: which there are, and which of them are meant.

Without a wish, those with an address that others can reach, and loopback: every interface that is up has a link-local
IPv6 address, so that alone says nothing, and the ports of a bridge would count what the bridge counts. ``any`` is all
of them.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from portcall.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

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
    names: tuple[str, ...] = ()
    """As the user gave them."""

    @property
    def is_any(self) -> bool:
        """Whether all are meant."""
        return ANY in self.names


def choose(names: Sequence[str], there: Sequence[Interface]) -> list[Interface]:
    """The interfaces that are meant, each once, in the order of ``there``; UsageError for a name that none has."""
    if ANY in names:
        return list(there)
    for name in names:
        if name not in {interface.name for interface in there}:
            raise UsageError(f"no interface {name!r}{_suggestion(name, there)}")
    chosen = choose_among(names, there)
    if not chosen:
        raise UsageError(f"there is no interface to capture on{_suggestion('', there)}")
    return chosen


def choose_among(
    names: Sequence[str], there: Sequence[Interface], kept: Container[int] = frozenset()
) -> list[Interface]:
    """The same where there need be none; those whose index is in ``kept`` are meant whatever became of their names."""
    if ANY in names:
        return list(there)
    return [
        interface
        for interface in there
        if interface.index in kept
        or (interface.name in names if names else interface.has_address or interface.hardware == LOOPBACK)
    ]


def _suggestion(name: str, there: Sequence[Interface]) -> str:
    known = [*(interface.name for interface in there), ANY]
    near = difflib.get_close_matches(name, known, 1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(known)}"
