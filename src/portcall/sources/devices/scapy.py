"""Live frames from scapy's sniffer: portable, and slow, because each frame passes through Python on its own.

scapy opens what the system has (a packet socket, BPF, libpcap); its ``recv_raw`` gives bytes and a time, and nothing
is dissected. Directions are not told, times are floating-point seconds (good to about 0.25 µs), and a frame is as long
as what was captured of it, 65 535 bytes at the most. Each frame comes once on loopback, as with the ring.
"""

from __future__ import annotations

import errno
import platform
import socket
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from portcall.errors import PortcallError, UsageError
from portcall.records.packets import FRAME, NO_TIME, CapturePoint, FrameBatch
from portcall.records.report import Degradation
from portcall.sources.devices.frame_directions import OwnAddresses, direction_of
from portcall.sources.devices.happenings import MOST_SAID
from portcall.sources.devices.interfaces import COOKED, LINK_BY_HARDWARE, LOOPBACK, Interface
from portcall.sources.filters import FrameFilter, asks_for_tag
from portcall.system.network_namespaces import own_namespace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from portcall.sources.devices.interfaces import Selection

FRAMES_PER_BATCH = 1024
ROUNDS = 16
"""So many batches of an interface at a time, then the caller gets a word in."""
BUFFER_BYTES = 8 << 20
"""What the kernel may hold back for each interface while Python is busy."""
_UNKNOWN_LINK = 0xFFFF
_ETHERNET_HARDWARE = 1
# linux/if_packet.h, asm-generic/socket.h
_SOL_PACKET, _STATISTICS, _IGNORE_OUTGOING, _SO_RCVBUFFORCE = 263, 6, 23, 33


class ScapySource:
    """Frames of one namespace's interfaces, as they are now, by scapy."""

    name = "scapy"

    def __init__(
        self,
        selections: Sequence[Selection],
        *,
        filter: str | None = None,  # noqa: A002 (the option's name)
        is_promiscuous: bool = False,
    ) -> None:
        """PermissionError without the rights, UsageError for a filter that is none or another namespace."""
        import scapy.layers.l2  # noqa: F401 (with it, scapy chooses its sockets and knows their link types)
        from scapy.config import conf
        from scapy.error import Scapy_Exception

        if len(selections) != 1 or (platform.system() == "Linux" and selections[0].namespace != own_namespace()):
            raise UsageError("scapy captures in its own network namespace only; '--source ring' captures in others")
        self._filter = FrameFilter(filter) if filter else None
        in_kernel = None if asks_for_tag(filter) else filter
        if in_kernel:
            self._filter = None  # it was compiled to be found wrong early
        self.degradations: list[Degradation] = []
        self._names = {interface.index: interface.name for interface in selections[0].interfaces}
        self._frames_given = 0
        self._dropped = 0
        self._sockets: dict[Any, tuple[int, int]] = {}  # scapy's socket → interface and link type
        self._own: dict[int, OwnAddresses] = {}  # interface → its addresses
        try:
            for interface in selections[0].interfaces:
                opened: Any = conf.L2listen(iface=interface.name, filter=in_kernel, promisc=is_promiscuous)
                self._sockets[opened] = interface.index, _link(opened, interface)
                self._own[interface.index] = _own_addresses(interface)
                _prepare(opened, interface)
        except Scapy_Exception as error:
            self.close()
            raise PortcallError(f"scapy cannot capture on {interface.name!r}: {error}") from error
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> ScapySource:  # noqa: PYI034 (Self would be another dependency before Python 3.11)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def descriptors(self) -> list[int]:
        """Files that poll finds readable while a frame waits."""
        return [opened.fileno() for opened in self._sockets]

    def batches(self, timeout_ms: int = 0) -> Iterator[FrameBatch]:
        """What waits now, copied, in batches of one interface, at most ROUNDS of each; waits for the first of it."""
        sockets = list(self._sockets)
        for _ in range(ROUNDS):
            sockets = type(sockets[0]).select(sockets, timeout_ms / 1000)
            if not sockets:
                return
            timeout_ms = 0
            for opened in sockets:
                batch = self._batch(opened)
                found = batch and (next(self._filter.matching(iter([batch])), None) if self._filter else batch)
                if found:
                    self._frames_given += len(found.frames)
                    yield found

    def finish(self) -> Iterator[FrameBatch]:
        """What waits now; frames that come later stay unread."""
        yield from self.batches()

    def dropped_by_kernel(self) -> int | None:
        """Frames for which the kernel's buffer had no room, None where the system does not say."""
        if platform.system() != "Linux":
            return None
        for opened in self._sockets:
            told = opened.ins.getsockopt(_SOL_PACKET, _STATISTICS, 8)  # struct tpacket_stats, forgotten once told
            self._dropped += int(np.frombuffer(told, np.uint32)[1])
        return self._dropped

    def capture_point(self, namespace: int, interface: int) -> CapturePoint:  # noqa: ARG002 - its own is the only one
        """What the interface of a frame is called."""
        return CapturePoint(self._names.get(interface))

    def close(self) -> None:
        """Close scapy's sockets."""
        while self._sockets:
            self._sockets.popitem()[0].close()

    def _batch(self, opened: Any) -> FrameBatch | None:  # Any: scapy's socket
        pieces, times_ns = _receive(opened, FRAMES_PER_BATCH, lambda: self._note_down(opened))
        if not pieces:
            return None
        frames = np.zeros(len(pieces), FRAME)
        frames["captured"] = frames["wire"] = [len(piece) for piece in pieces]
        frames["offset"][1:] = np.cumsum(frames["captured"][:-1])
        frames["ts_ns"] = times_ns
        interface, link = self._sockets[opened]
        own = self._own[interface]
        frames["direction"] = [direction_of(piece, link, own) for piece in pieces]
        frames["interface"], frames["link"] = interface, link
        buffer = np.frombuffer(b"".join(pieces), np.uint8)
        number = own_namespace().number if platform.system() == "Linux" else 0
        return FrameBatch(frames, buffer, self._frames_given + 1, number)

    def _note_down(self, opened: Any) -> None:  # Any: scapy's socket
        name = self._names[self._sockets[opened][0]]
        remedy = "none is needed where it comes up again; where it is made anew, start portcall again"
        if len(self.degradations) < MOST_SAID:
            reason = f"{name} went down at {time.strftime('%H:%M:%S')}"
            self.degradations.append(Degradation("interfaces", reason, remedy))


def list_interfaces() -> list[Interface]:
    """The interfaces as scapy knows them, for systems other than Linux."""
    from scapy.config import conf

    return [
        Interface(
            known.network_name,
            known.index,
            LOOPBACK if "LOOPBACK" in str(known.flags) else _ETHERNET_HARDWARE,
            any(not address.startswith("fe80:") for version in (4, 6) for address in known.ips[version]),
        )
        for known in conf.ifaces.values()
    ]


def _receive(opened: Any, limit: int, on_down: Callable[[], None]) -> tuple[list[bytes], list[int]]:  # Any: see above
    """Frames that wait, and their times; at most ``limit``. ``on_down`` hears that the interface went down, or away."""
    pieces: list[bytes] = []
    times_ns: list[int] = []
    while len(pieces) < limit:
        try:
            _, piece, seconds = opened.recv_raw()
        except BlockingIOError:
            break
        except OSError as error:
            if error.errno != errno.ENETDOWN:  # which is told once
                raise
            on_down()
            break
        if piece is None:
            break
        pieces.append(piece)
        times_ns.append(NO_TIME if seconds is None else round(seconds * 1e9))
    return pieces, times_ns


def _link(opened: Any, interface: Interface) -> int:  # Any: scapy's socket
    """The link type; one that nothing knows where only a cooked header would say what a frame is."""
    from scapy.config import conf

    if platform.system() == "Linux":
        link = int(LINK_BY_HARDWARE[interface.hardware])
        return _UNKNOWN_LINK if link == COOKED else link
    return int(conf.l2types.layer2num.get(opened.LL, _UNKNOWN_LINK))


def _own_addresses(interface: Interface) -> OwnAddresses:
    from scapy.interfaces import resolve_iface

    known = resolve_iface(interface.name)
    addresses = [address for version in (4, 6) for address in known.ips[version]]
    return OwnAddresses.of(known.mac or "", addresses, is_loopback=interface.hardware == LOOPBACK)


def _prepare(opened: Any, interface: Interface) -> None:  # Any: scapy's socket
    """Let reading never wait; on Linux, a large buffer, and on loopback only the received copy of a frame."""
    if platform.system() != "Linux":
        opened.pcap_fd.setnonblock(i=1) if hasattr(opened, "pcap_fd") else opened.set_nonblock(set_flag=True)
        return
    opened.ins.settimeout(0)
    opened.ins.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, BUFFER_BYTES)
    if interface.hardware == LOOPBACK:
        opened.ins.setsockopt(_SOL_PACKET, _IGNORE_OUTGOING, 1)
        while _receive(opened, FRAMES_PER_BATCH, lambda: None)[0]:  # what came before, some of it twice
            pass
