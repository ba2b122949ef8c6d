"""The ring of one network namespace: memory that the kernel fills with frames, and that is read in place (TPACKET_V3).

A ring is opened silent. ``judge`` tells the kernel which frames to take, ``listen`` lets them in, so that no frame
slips through unjudged. ``batches`` hands out each full block as a batch over the ring itself, without a copy.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import socket
import struct
from typing import TYPE_CHECKING

import numpy as np

from portcall.errors import PortcallError
from portcall.sources.devices import kernel_filter
from portcall.sources.devices.interface_watch import FollowedInterfaces
from portcall.sources.devices.interfaces import COOKED, LINK_BY_HARDWARE
from portcall.sources.devices.ring_blocks import RingBlocks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from portcall.records.packets import FrameBatch
    from portcall.sources.devices.interfaces import Selection
    from portcall.sources.devices.namespace_helper import NamespaceSockets
    from portcall.sources.devices.ring_size import RingSize
    from portcall.sources.filters import FrameFilter

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


class NamespaceRing:
    """The ring of one namespace, made of a packet socket that was opened in it."""

    def __init__(self, selection: Selection, sockets: NamespaceSockets, size: RingSize) -> None:
        self.namespace = selection.namespace
        self.followed = FollowedInterfaces(selection, sockets.route)
        self._members: set[int] = set()
        self._counts = np.zeros(3, np.int64)
        self.is_judged = np.zeros(1 << 16, np.bool_)  # by link type: the kernel's program has judged its frames
        self._socket = sockets.packets
        self._socket.setsockopt(_SOL_PACKET, _VERSION, _TPACKET_V3)
        self._socket.setsockopt(_SOL_PACKET, _RESERVE, _ROOM_BYTES)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._ring = RingBlocks(self._map(size), size, self.namespace.number)

    def fileno(self) -> int:
        """The packet socket's file, which poll and epoll find readable while a block waits."""
        return self._socket.fileno()

    def _map(self, size: RingSize) -> NDArray[np.uint8]:
        ring_bytes = size.ring_bytes
        request = struct.pack(
            "7I", size.block_bytes, size.blocks, _FRAME_BYTES, ring_bytes // _FRAME_BYTES, RETIRE_MS, 0, 0
        )  # struct tpacket_req3
        try:
            self._ask_for_ring(request)
            return np.frombuffer(mmap.mmap(self._socket.fileno(), ring_bytes, mmap.MAP_SHARED), np.uint8)
        except OSError as error:
            self._socket.close()
            self.followed.close()
            if error.errno != errno.ENOMEM:
                raise
            raise PortcallError(
                f"the kernel has no memory for a ring of {ring_bytes >> 20} MiB; capture in fewer namespaces, "
                "or with --source scapy"
            ) from error

    def _ask_for_ring(self, request: bytes) -> None:
        """Not by the socket's method, which lets no other thread work while the kernel waits for its processors."""
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setsockopt(self._socket.fileno(), _SOL_PACKET, _RX_RING, request, len(request)):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def judge(self, in_kernel: FrameFilter | None, snap_length: int) -> None:
        """Let the kernel take the frames that are meant, as far as it can tell, of the interfaces there are now."""
        selection = self.followed.selection
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

    def drop_all(self) -> None:
        """Have the kernel take no more frames in."""
        self.attach(_DROP_ALL)

    def become_promiscuous(self) -> None:
        """Have the interfaces that are meant take what is not for them."""
        for index in {interface.index for interface in self.followed.selection.interfaces} - self._members:
            self._members.add(index)
            membership = struct.pack("=iHH8x", index, _PROMISCUOUS, 0)  # struct packet_mreq
            self._socket.setsockopt(_SOL_PACKET, _ADD_MEMBERSHIP, membership)

    def listen(self) -> None:
        """Take frames of all interfaces from now on."""
        # struct sockaddr_ll: all protocols, interface 0 for all
        address = struct.pack("=HHiHBB8x", socket.AF_PACKET, socket.htons(_ALL_PROTOCOLS), 0, 0, 0, 0)
        libc = ctypes.CDLL(None, use_errno=True)  # Python's bind wants an interface
        if libc.bind(self._socket.fileno(), address, len(address)):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def batches(self) -> Iterator[FrameBatch]:
        """A batch for each block that is ready, at most once around."""
        return self._ring.batches()

    def interface_name(self, index: int) -> str | None:
        """The interface's name, which it may have had; asking takes no rights. None where nobody knows."""
        known = self.followed.name(index)
        if known is not None:
            return known
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
        self.drop_all()
        self._socket.close()
        self.followed.close()
        self._ring.close()
