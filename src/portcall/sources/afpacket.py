"""Live frames on Linux, from a ring that the kernel fills and we read in place (AF_PACKET, TPACKET_V3).

One ring for each network namespace listens to all of its interfaces, and the kernel's filter picks those that are
meant: so frames of different interfaces come in the order of time. What a frame is:

- It comes with its interface's own link header, and on ``any`` too; where nobody can tell what that header is (PPP,
  IPv6 tunnels), with a cooked one, as tcpdump has it.
- It comes once: on loopback, where the kernel shows a sent and a received copy, the received one counts.
- It is what the kernel moves, as in tcpdump: with offloading, one frame of up to 64 KiB (more with BIG TCP) that the
  card cuts later or has put together before. It has one header where the wire had many; payloads are the same.
- A VLAN tag that the card or the kernel took off is put back. ``--filter`` sees frames without it, as libpcap's does in
  the kernel, but for expressions that ask for ``vlan``: these are judged here, with the tag.
- Its time is the kernel's when it came in, in ns, and the same for everybody who captures it; but over loopback and
  veth a TCP segment of this machine brings the time for which TCP scheduled it (Linux since 5.18), which stands in the
  way, so each capture stamps it for itself, some 100 ns to a few µs apart.
- It is whole up to ``snap_length`` and the size of a block; its length on the wire is told in any case.

Rights are needed to open a packet socket, none to make a ring of it and to read that.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import select
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from portcall.errors import PortcallError
from portcall.kernels import packet_ring as ring
from portcall.records.packets import FRAME, CapturePoint, FrameBatch
from portcall.records.report import Degradation
from portcall.sources import kernel_filter
from portcall.sources.filters import FrameFilter, asks_for_tag
from portcall.sources.interfaces import COOKED, LINK_BY_HARDWARE
from portcall.sources.namespace_helper import NamespaceKeeper, open_packet_socket
from portcall.system.helper_process import since_now

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from portcall.sources.interfaces import Selection
    from portcall.system.network_namespaces import Namespace

SNAP_LENGTH = 4096
"""Headers and the beginning of what is said, which is all that is looked at; lengths come from the headers. With whole
frames, a bulk stream of 64 KiB frames fills a block with fifteen, and waking up for them costs four times the CPU."""
BLOCK_BYTES = 1 << 18
"""A batch of some two thousand small frames; a frame of 64 KiB still fits whole if it is wanted so."""
BLOCKS = 128
"""32 MiB: most of a second of 250 000 small packets a second, and six seconds of few, as no block waits longer than
RETIRE_MS: a report of many conversations may take a while. Namespaces share them."""
LEAST_BLOCKS = 16
"""What a namespace gets however many there are."""
MOST_RINGS = 256
"""Namespaces at a time, when they come and come: 1 GiB of the kernel's memory."""
RETIRE_MS = 50
"""A block is handed over after this long, full or not. An empty one is not, so nobody wakes without traffic."""

# linux/if_packet.h, asm-generic/socket.h, linux/if_ether.h
_SOL_PACKET, _SO_ATTACH_FILTER, _SO_TIMESTAMPNS, _ALL_PROTOCOLS = 263, 26, 35, 0x0003
_ADD_MEMBERSHIP, _RX_RING, _STATISTICS, _VERSION, _RESERVE = 1, 5, 6, 10, 12
_TPACKET_V3, _PROMISCUOUS = 2, 1
_GET_NAME = 0x8910  # SIOCGIFNAME, linux/sockios.h
_ROOM_BYTES = 16  # before a frame, for a tag
_FRAME_BYTES = 2048  # only the kernel's arithmetic asks for it
_DROP_ALL = kernel_filter.build([], {}, 0)


@dataclass(frozen=True, slots=True)
class Statistics:
    """What the kernel counted for the rings, over the frames that the kernel's filter let through."""

    frames: int
    dropped_by_kernel: int
    """Frames for which no block was free."""
    times_full: int
    """How often the ring began to drop."""


class RingSource:
    """Frames from the rings of one or more namespaces."""

    name = "ring"

    def __init__(  # noqa: PLR0913 (wishes, all but the first by name)
        self,
        selections: Sequence[Selection],
        *,
        filter: str | None = None,  # noqa: A002 (the option's name)
        snap_length: int = SNAP_LENGTH,
        block_bytes: int = BLOCK_BYTES,
        blocks: int = BLOCKS,
        is_promiscuous: bool = False,
        follow: Sequence[str] | None = None,
    ) -> None:
        """PermissionError without the rights, UsageError for a bad filter, PortcallError for want of memory.

        ``follow``: listen also in namespaces that come later, on interfaces with these names, without names on all.
        """
        self._filter = FrameFilter(filter) if filter else None
        self._in_kernel = None if asks_for_tag(filter) else self._filter
        self._snap_length, self._block_bytes, self._is_promiscuous = snap_length, block_bytes, is_promiscuous
        self._rings: dict[int, _Ring] = {}
        self._keeper: NamespaceKeeper | None = None
        self._epoll = select.epoll()
        self._frames_given = 0
        self._counts_gone = np.zeros(3, np.int64)
        self.degradations: list[Degradation] = []
        blocks = max(blocks // len(selections), LEAST_BLOCKS)
        try:
            for selection in selections:
                try:
                    opened = open_packet_socket(selection.namespace)
                except FileNotFoundError:  # gone since it was chosen
                    if follow is None:
                        raise
                    continue
                self._open(selection, opened, blocks)
            if follow is not None:
                self._keeper = NamespaceKeeper(follow, selections)
                self._epoll.register(self._keeper.fileno(), select.EPOLLIN)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> RingSource:  # noqa: PYI034 (Self would be another dependency before Python 3.11)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def descriptors(self) -> list[int]:
        """Files that poll and epoll find readable while a block waits."""
        return [self._epoll.fileno()]

    def batches(self, timeout_ms: int = 0) -> Iterator[FrameBatch]:
        """The blocks that are there, each a batch over the ring itself, at most once around; waits for the first.

        A batch is valid until the next is asked for, and counts as read once it is given. ``interface`` of its frames
        is the kernel's index within the batch's namespace.
        """
        for descriptor, _ in self._epoll.poll(timeout_ms / 1000):
            if self._keeper and descriptor == self._keeper.fileno():
                yield from self._follow(self._keeper)
            else:
                yield from self._numbered(self._rings[descriptor])

    def finish(self) -> Iterator[FrameBatch]:
        """Stop taking frames in; gives those that were taken in before, which takes a moment."""
        self._stop_following()
        for opened in self._rings.values():
            opened.attach(_DROP_ALL)
        while self._epoll.poll(3 * RETIRE_MS / 1000):  # an open block comes at the second tick of its timer
            yield from self.batches()

    def statistics(self) -> Statistics:
        """Since the rings were opened, over all of them."""
        counts = sum([opened.statistics() for opened in self._rings.values()], start=self._counts_gone)
        return Statistics(*map(int, counts))

    def dropped_by_kernel(self) -> int:
        """Frames for which no block was free."""
        return self.statistics().dropped_by_kernel

    def capture_point(self, namespace: int, interface: int) -> CapturePoint:
        """Names of an interface that a frame came from, and of its namespace."""
        for opened in self._rings.values():
            if opened.namespace.number == namespace:
                return CapturePoint(opened.interface_name(interface), opened.namespace.title)
        return CapturePoint()

    def close(self) -> None:
        """Let go of the rings; the kernel frees each once no batch points into it."""
        self._stop_following()
        self._epoll.close()
        while self._rings:
            self._rings.popitem()[1].close()

    def _open(self, selection: Selection, opened: socket.socket, blocks: int) -> None:
        """Listen with a packet socket of the selection's namespace."""
        new = _Ring(selection.namespace, opened, self._block_bytes, blocks)
        self._rings[new.fileno()] = new
        new.judge(selection, self._in_kernel, self._snap_length)
        new.listen([interface.index for interface in selection.interfaces] if self._is_promiscuous else [])
        self._epoll.register(new.fileno(), select.EPOLLIN)

    def _follow(self, keeper: NamespaceKeeper) -> Iterator[FrameBatch]:
        """Listen in namespaces that are new, let go of those that are gone; gives the last frames of those."""
        try:
            while (news := keeper.news()) is not None:
                if news.selection and news.opened:
                    self._open_later(news.selection, news.opened)
                else:
                    yield from self._let_go(news.number)
        except EOFError as error:
            self._stop_following()
            self._miss(f"none is listened to {since_now()}: {error}", "start portcall again")

    def _open_later(self, selection: Selection, opened: socket.socket) -> None:
        if len(self._rings) >= MOST_RINGS:
            opened.close()
            self._miss(f"those beyond {MOST_RINGS} at a time were not listened to")
            return
        try:
            self._open(selection, opened, LEAST_BLOCKS)
        except (OSError, PortcallError) as error:
            opened.close()
            self._miss(f"{selection.namespace.title} could not be listened to: {error}")

    def _let_go(self, number: int) -> Iterator[FrameBatch]:
        for opened in [there for there in self._rings.values() if there.namespace.number == number]:
            yield from self._numbered(opened)
            self._counts_gone += opened.statistics()
            self._epoll.unregister(opened.fileno())
            self._rings.pop(opened.fileno()).close()

    def _miss(self, reason: str, remedy: str = "--netns NAME of fewer") -> None:
        """Say what of later namespaces is missing, the first such thing of each kind only."""
        if remedy not in [told.remedy for told in self.degradations]:
            self.degradations.append(Degradation("later network namespaces", reason, remedy))

    def _stop_following(self) -> None:
        if self._keeper:
            self._epoll.unregister(self._keeper.fileno())
            self._keeper.close()
            self._keeper = None

    def _numbered(self, opened: _Ring) -> Iterator[FrameBatch]:
        for batch in self._filtered(opened):
            numbered = batch._replace(first_number=self._frames_given + 1)
            self._frames_given += len(batch.frames)
            yield numbered

    def _filtered(self, opened: _Ring) -> Iterator[FrameBatch]:
        for batch in opened.batches():
            if self._filter and not opened.is_judged[batch.frames["link"]].all():
                yield from self._filter.matching(iter([batch]))
            else:
                yield batch


class _Ring:
    """The ring of one namespace: opened silent, told what to take, then to listen, so that no frame slips through."""

    def __init__(self, namespace: Namespace, opened: socket.socket, block_bytes: int, blocks: int) -> None:
        self.namespace = namespace
        self._block_bytes = block_bytes
        self._blocks = blocks
        self._block = 0
        self._counts = np.zeros(3, np.int64)
        self._frames = np.zeros(block_bytes // ring.LEAST_FRAME_BYTES, FRAME)
        self.is_judged = np.zeros(1 << 16, np.bool_)  # by link type: the kernel's program has judged its frames
        self._socket = opened
        self._socket.setsockopt(_SOL_PACKET, _VERSION, _TPACKET_V3)
        self._socket.setsockopt(_SOL_PACKET, _RESERVE, _ROOM_BYTES)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._buffer = self._map()

    def fileno(self) -> int:
        return self._socket.fileno()

    def _map(self) -> NDArray[np.uint8]:
        ring_bytes = self._block_bytes * self._blocks
        request = struct.pack(
            "7I", self._block_bytes, self._blocks, _FRAME_BYTES, ring_bytes // _FRAME_BYTES, RETIRE_MS, 0, 0
        )  # struct tpacket_req3
        try:
            self._socket.setsockopt(_SOL_PACKET, _RX_RING, request)
            return np.frombuffer(mmap.mmap(self._socket.fileno(), ring_bytes, mmap.MAP_SHARED), np.uint8)
        except OSError as error:
            self._socket.close()
            if error.errno != errno.ENOMEM:
                raise
            raise PortcallError(
                f"the kernel has no memory for a ring of {ring_bytes >> 20} MiB; capture in fewer namespaces, "
                "or with --source scapy"
            ) from error

    def judge(self, selection: Selection, in_kernel: FrameFilter | None, snap_length: int) -> None:
        """Let the kernel take the frames that are meant, as far as it can tell."""
        programs: dict[tuple[int, ...], bytes] = {}
        links = {int(LINK_BY_HARDWARE[interface.hardware]) for interface in selection.interfaces}
        if in_kernel:
            for link in links - {COOKED}:  # whose header the kernel's program would not see
                programs[tuple(np.equal(LINK_BY_HARDWARE, link).nonzero()[0].tolist())] = in_kernel.instructions(link)
                self.is_judged[link] = True
        indices = None if selection.is_any else [interface.index for interface in selection.interfaces]
        self.attach(kernel_filter.build(indices, programs, snap_length))

    def attach(self, program: bytes) -> None:
        """Have the kernel run the program on every frame from now on."""
        instructions = ctypes.create_string_buffer(program, len(program))
        count = len(program) // kernel_filter.INSTRUCTION.size
        self._socket.setsockopt(
            socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", count, ctypes.addressof(instructions))
        )  # struct sock_fprog

    def listen(self, promiscuous: Sequence[int]) -> None:
        """Take frames of all interfaces from now on, and have those with these indices take what is not for them."""
        for index in promiscuous:
            membership = struct.pack("=iHH8x", index, _PROMISCUOUS, 0)  # struct packet_mreq
            self._socket.setsockopt(_SOL_PACKET, _ADD_MEMBERSHIP, membership)
        # struct sockaddr_ll: all protocols, interface 0 for all
        address = struct.pack("=HHiHBB8x", socket.AF_PACKET, socket.htons(_ALL_PROTOCOLS), 0, 0, 0, 0)
        libc = ctypes.CDLL(None, use_errno=True)  # Python's bind wants an interface
        if libc.bind(self._socket.fileno(), address, len(address)):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def batches(self) -> Iterator[FrameBatch]:
        """A batch for each block that is ready, at most once around, so that under load the caller gets a word in."""
        for _ in range(self._blocks):
            start = self._block * self._block_bytes
            if not ring.is_ready(self._buffer, start):
                return
            try:
                count = ring.walk(self._buffer, start, self._block_bytes, LINK_BY_HARDWARE, self._frames)
                if count:
                    yield FrameBatch(self._frames[:count], self._buffer, 1, self.namespace.number)
            finally:  # also where the caller breaks off: a block is never walked twice
                ring.release(self._buffer, start)
                self._block = (self._block + 1) % self._blocks

    def interface_name(self, index: int) -> str | None:
        """The interface's name now; asking takes no rights. None where there is none any more."""
        request = struct.pack("=16si20x", b"", index)  # struct ifreq
        try:
            return fcntl.ioctl(self._socket, _GET_NAME, request)[:16].rstrip(b"\0").decode(errors="replace")
        except OSError:
            return None

    def statistics(self) -> NDArray[np.int64]:
        """Frames, drops and times full since it was opened; the kernel forgets what it has told."""
        told = self._socket.getsockopt(_SOL_PACKET, _STATISTICS, 12)  # struct tpacket_stats_v3
        self._counts += np.frombuffer(told, np.uint32)
        return self._counts

    def close(self) -> None:
        """Take no more frames. A mapping that a batch still points into keeps its memory, and only that."""
        self.attach(_DROP_ALL)
        self._socket.close()
        self._buffer = np.zeros(0, np.uint8)
