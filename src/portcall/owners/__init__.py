"""Who owns sockets, asked of this machine: back ends of one shape, and the ladder that chooses among them.

    name             needs                                     misses
    ebpf             root, Linux with BTF and cgroup2          packet sockets that send from a ring
    ebpf-cgroup      root, Linux with cgroup2                  who works on a socket that somebody else accepted
    ebpf-tracing     root, Linux with BTF                      peers of open UDP sockets; when those end
    netlink          root, Linux                               sockets that end before the kernel can be asked
    psutil           nothing; root for others' processes       sockets that live less than half a second

``open_owners`` takes the best that works. Each says its name, what it misses and what would mend that.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Literal, Protocol, get_args

from portcall.errors import PortcallError
from portcall.records.report import Degradation
from portcall.system.remedies import ROOT_OF_THE_HOST, more_rights
from portcall.system.scarcity import what_is_scarce

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from portcall.records.ownership import OwnerEvents

BackEnd = Literal["ebpf", "ebpf-cgroup", "ebpf-tracing", "netlink", "psutil"]
BACK_ENDS: tuple[BackEnd, ...] = get_args(BackEnd)

_FEATURE = "owners"
_LADDER: tuple[BackEnd, ...] = ("ebpf", "netlink", "psutil")
_KEEPS_RIGHTS = ("netlink", "psutil")


class Owners(Protocol):
    """A back end, open from its construction on: socket sightings and process events for a ``Timeline``."""

    name: str
    degradations: list[Degradation]
    """What it misses here."""

    @property
    def lost(self) -> int:
        """Reports lost since the start."""

    def fileno(self) -> int | None:
        """What epoll watches for news; None where only time brings some. Drain every 20 to 50 ms in any case."""

    def drain(self, unknown: NDArray[np.void] | None = None) -> OwnerEvents:
        """What was seen since the last drain. ``unknown`` is FLOW_END[n] of packets whose sockets no sighting named."""

    def close(self) -> None:
        """Leave nothing behind."""


def open_owners(name: BackEnd | None = None) -> Owners:
    """The best back end that works here, or the one named; PortcallError where that one does not.

    What stood in the way of better ones is in its ``degradations``. After this the process may give up its rights.
    """
    refusals: list[Degradation] = []
    for candidate in _LADDER if name is None else (name,):
        if candidate != "psutil" and sys.platform != "linux":
            refusals.append(Degradation(_FEATURE, f"{candidate} is for Linux", "none on this system"))
            continue
        try:
            owners = _open(candidate)
        except OSError as error:
            refusals.append(_refusal(candidate, error))
            continue
        owners.degradations = refusals + owners.degradations
        return owners
    raise PortcallError(f"{refusals[-1].reason}. Remedy: {refusals[-1].remedy}")


def _refusal(name: BackEnd, error: OSError) -> Degradation:
    scarce = what_is_scarce(error)
    if scarce:
        reason, _, remedy = scarce.partition("; ")
        return Degradation(_FEATURE, f"no {name}: {reason}", remedy)
    return Degradation(_FEATURE, f"no {name}: {error.strerror or error}", more_rights(ROOT_OF_THE_HOST))


def open_here(name: BackEnd) -> Owners:
    """A back end in this very process."""
    if name.startswith("ebpf"):
        from portcall.owners.ebpf import EbpfOwners

        _, _, subset = name.partition("-")
        return EbpfOwners(subset or "all")  # type: ignore[arg-type]  # one of BackEnd
    if name == "netlink":
        from portcall.owners.netlink import NetlinkOwners

        return NetlinkOwners()
    from portcall.owners.psutil_polling import PsutilOwners

    return PsutilOwners()


def _open(name: BackEnd) -> Owners:
    if name in _KEEPS_RIGHTS:
        from portcall.owners.privileged_helper import KeptOwners

        return KeptOwners(name)
    return open_here(name)
