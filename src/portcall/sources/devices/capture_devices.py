"""Live capture: the best source that this machine and this user have.

    ring    Linux; everything, at the speed of the kernel
    scapy   anywhere; the interfaces that are there now, in one's own namespace

Both give batches for what waits now (``batches``), files to wait on (``descriptors``), what was still on its way
(``finish``) and frames that the kernel dropped (``dropped_by_kernel``). What a source cannot do is said, never skipped.
"""

from __future__ import annotations

import os
import platform
import shlex
import sys
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from portcall.errors import PortcallError, UsageError
from portcall.records.report import Degradation
from portcall.sources.devices.interface_watch import select_here
from portcall.sources.devices.interfaces import Selection, choose
from portcall.sources.devices.ring_size import RingSize
from portcall.system.network_namespaces import ALL, choose_namespaces, inside_each
from portcall.system.remedies import is_private_interpreter, is_root, more_rights
from portcall.system.scarcity import what_is_scarce

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from portcall.records.packets import CapturePoint, FrameBatch

RING, SCAPY = "ring", "scapy"
_NO_RING = "only Linux has one"
_SCAPY_INSTEAD = "scapy captures: it is slower"
CAPABILITIES = "cap_net_raw,cap_net_admin,cap_bpf,cap_perfmon,cap_sys_ptrace,cap_dac_read_search"
"""What ring, eBPF programs and other users' processes need together."""


class LiveSource(Protocol):
    """Frames as they come."""

    name: str
    degradations: list[Degradation]
    """What could not be captured, as far as it has come."""

    def descriptors(self) -> list[int]:
        """Files that are readable while frames wait."""

    def batches(self, timeout_ms: int = 0) -> Iterator[FrameBatch]:
        """What waits now, after waiting for the first of it; each is valid until the next is asked for."""

    def finish(self) -> Iterator[FrameBatch]:
        """The last frames, and no more."""

    def dropped_by_kernel(self) -> int | None:
        """Frames that the kernel dropped so far, None where it does not say."""

    def capture_point(self, namespace: int, interface: int) -> CapturePoint:
        """What people call the interface of a frame."""

    def close(self) -> None:
        """Give everything back."""


@dataclass(frozen=True, slots=True)
class LiveSpec:
    """What to capture."""

    interfaces: Sequence[str] = ()
    """Names, or ``any``; none: those with an address, and loopback."""
    namespaces: Sequence[str] = ()
    """Names of network namespaces, or ``all``, those that come later too; none: one's own."""
    filter: str | None = None
    source: str | None = None
    """``ring`` or ``scapy``; None: the best."""
    is_promiscuous: bool = False
    ring_bytes: int | None = None
    """Memory of the ring of a lonely namespace; None: as much as is usual."""
    snap_length: int = 0
    """How much of a frame is wanted at least; 0: what is looked at."""


def best_source(spec: LiveSpec) -> tuple[LiveSource, list[Degradation]]:
    """The source, opened, and what is missing where it is not the best one.

    UsageError for a name or a filter that is none, PortcallError with remedies where nothing can be opened.
    """
    if spec.source not in (None, RING, SCAPY):
        raise UsageError(f"--source {spec.source!r} is none of {RING}, {SCAPY}")
    if spec.ring_bytes is not None and spec.source == SCAPY:
        raise UsageError("--ring-size is of the kernel's ring, and scapy has none: leave out --source scapy")
    if spec.source == RING and platform.system() != "Linux":
        raise UsageError(f"--source {RING} needs Linux; leave it out, and scapy captures")
    selections = _selections(spec)
    try:
        if spec.source == SCAPY or platform.system() != "Linux":
            missing = [] if spec.source else [Degradation("packet ring", _NO_RING, _SCAPY_INSTEAD)]
            return _scapy(spec, selections), missing
        try:
            return _ring(spec, selections), []
        except (OSError, AttributeError) as error:  # AttributeError: a Python without packet sockets
            if spec.source == RING or isinstance(error, PermissionError) or what_is_scarce(error):
                raise
            reason = str(error).lower() if isinstance(error, OSError) else _NO_RING
            return _scapy(spec, selections), [Degradation("packet ring", reason, _SCAPY_INSTEAD)]
    except PermissionError as error:
        raise PortcallError(missing_rights()) from error
    except (OSError, AttributeError) as error:
        scarce = what_is_scarce(error)
        if scarce:
            raise PortcallError(scarce) from error
        raise PortcallError(f"cannot capture by {spec.source or 'ring or scapy'}: {error}") from error


def missing_rights() -> str:
    """One sentence: what to do, and what can be done meanwhile."""
    return (
        f"this user may not capture packets: {capture_remedy()}; meanwhile 'portcall conns' shows who talks with whom, "
        "and 'portcall read' attributes what others have captured"
    )


def capture_remedy() -> str:
    """How to get the right to capture; rights for the interpreter itself only where nobody else uses it."""
    remedy = more_rights("give the container that right (docker run --cap-add NET_RAW), or run it on the host")
    if sys.platform != "linux" or is_root() or not is_private_interpreter():
        return remedy
    return f"{remedy}, or allow it for this Python once: {setcap_command()}"


def setcap_command() -> str:
    """What gives this Python the rights once and for all."""
    return f"sudo setcap {CAPABILITIES}+ep {shlex.quote(os.path.realpath(sys.executable))}"


def _selections(spec: LiveSpec) -> list[Selection]:
    """Where to listen; of all namespaces, those that have an interface that is meant and are not gone meanwhile."""
    namespaces = choose_namespaces(spec.namespaces)
    if platform.system() != "Linux":
        from portcall.sources.devices.scapy import list_interfaces

        return [
            Selection(one, choose(spec.interfaces, list_interfaces()), tuple(spec.interfaces)) for one in namespaces
        ]
    selected = [each for _, each in inside_each(namespaces, partial(select_here, spec.interfaces))]
    if ALL not in spec.namespaces:
        return [each.result() for each in selected]
    refusals = [each for each in selected if isinstance(each.error, UsageError | FileNotFoundError)]
    if len(refusals) == len(selected):
        refusals[0].result()
    return [each.result() for each in selected if each not in refusals]


def _ring(spec: LiveSpec, selections: list[Selection]) -> LiveSource:
    from portcall.sources.devices.afpacket import SNAP_LENGTH, RingSource

    size = RingSize() if spec.ring_bytes is None else RingSize.of(spec.ring_bytes)
    follow = [name for name in spec.namespaces if not name.isdigit()]  # a process's number may become another's
    return RingSource(
        selections,
        filter=spec.filter,
        block_bytes=size.block_bytes,
        blocks=size.blocks,
        snap_length=max(SNAP_LENGTH, spec.snap_length),
        is_promiscuous=spec.is_promiscuous,
        follow=follow,
    )


def _scapy(spec: LiveSpec, selections: list[Selection]) -> LiveSource:
    from portcall.sources.devices.scapy import ScapySource

    return ScapySource(selections, filter=spec.filter, is_promiscuous=spec.is_promiscuous)
