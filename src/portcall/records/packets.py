"""Frames and packets: what a source hands over, and what the decoder makes of it.

Bulk data are NumPy structured arrays, so that compiled kernels and vectorised rules share one layout without copies.
The compiled twins are the structs in ``kernels/records.pxd``; a test compares their sizes and offsets.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from portcall.records.recorded.process_blocks import TurnLine

NO_TIME = np.iinfo(np.int64).min
"""Stands in ``ts_ns`` for a frame whose capture states no time (pcapng Simple Packet Blocks)."""

FRAME = np.dtype(
    [
        ("ts_ns", "i8"),  # ns since 1970 UTC, or NO_TIME
        ("offset", "u8"),  # of the first byte in the batch's buffer
        ("captured", "u4"),  # bytes present in the buffer
        ("wire", "u4"),  # bytes on the wire, as the capture states them
        ("interface", "u4"),  # index into the source's interfaces
        ("link", "u2"),  # LINKTYPE_ number, https://www.tcpdump.org/linktypes.html
        ("direction", "u1"),  # Direction
        ("reserved", "u1"),
    ]
)
"""One captured frame: where its bytes lie and what the capture says of it. 32 bytes."""

PACKET = np.dtype(
    [
        ("ts_ns", "i8"),
        ("source", "u1", (16,)),  # IPv4 in the last four bytes, the others zero
        ("target", "u1", (16,)),
        ("datagram", "u8"),  # fingerprint of the fragmented datagram it is part of (ends, protocol, identification)
        ("wire", "u4"),  # bytes on the wire, link header included
        ("payload_offset", "u4"),  # of the transport's payload, from the start of the frame
        ("payload", "u4"),  # bytes that the transport carries, by its length fields; the capture may hold fewer
        ("tcp_sequence", "u4"),
        ("source_port", "u2"),
        ("target_port", "u2"),
        ("protocol", "u1"),  # IANA protocol number of the transport
        ("ip_version", "u1"),  # 4 or 6, 0 where there is no IP header
        ("tcp_flags", "u1"),
        ("verdict", "u1"),  # Verdict
        ("fragmentation", "u1"),  # Fragmentation
        ("direction", "u1"),  # Direction
        ("network_offset", "u2"),  # of the outermost IP header, from the start of the frame
        ("namespace", "u4"),  # network namespace, 0 offline
    ]
)
"""One decoded frame; rows in = rows out. 80 bytes."""


class Direction(enum.IntEnum):
    """What the capture says of a frame's way through the capturing machine."""

    UNKNOWN = 0
    INBOUND = 1
    OUTBOUND = 2
    INTERNAL = 3
    """From this machine to itself: both ends are local."""


class Fragmentation(enum.IntEnum):
    """Which part of an IP datagram a packet is."""

    NONE = 0
    FIRST = 1
    LATER = 2


class Verdict(enum.IntEnum):
    """What became of a frame. Every frame has exactly one."""

    OK = 0  # on a flow with ports
    NO_PORTS = 1  # on a flow of a protocol without ports
    LATER_FRAGMENT = 2  # joined to the flow of its first fragment where the capture has it
    NOT_IP = 3
    TRUNCATED = 4  # the capture kept too little of it to see the ports
    MALFORMED = 5  # its headers contradict themselves
    UNSUPPORTED_LINK = 6
    DUPLICATE = 7  # a copy of a frame that counts

    @property
    def reason(self) -> str | None:
        """Why such a frame is on no flow, in the words of the closed list; None where it is on one."""
        return _REASONS.get(self)

    @property
    def is_on_no_flow(self) -> bool:
        """Whether such a frame is on none; later fragments are, if only on that of those that have no first."""
        return self in _REASONS and self is not Verdict.LATER_FRAGMENT


_REASONS = {
    Verdict.LATER_FRAGMENT: "fragment-without-first",
    Verdict.NOT_IP: "not-ip",
    Verdict.TRUNCATED: "truncated",
    Verdict.MALFORMED: "malformed",
    Verdict.UNSUPPORTED_LINK: "unsupported-link",
    Verdict.DUPLICATE: "duplicate",
}


class FrameBatch(NamedTuple):
    """Raw frames over one buffer, perhaps none. Valid until the source is asked for the next batch."""

    frames: NDArray[np.void]
    """FRAME[n], in capture order."""
    buffer: NDArray[np.uint8]
    """The bytes that the frames' offsets point into."""
    first_number: int
    """1-based number of the first frame within its capture."""
    namespace: int = 0
    """Network namespace in which the frames were seen, by its inode number; 0 offline."""
    host_names: tuple[tuple[str, bytes], ...] = ()
    """What the capture itself calls hosts, as (name, address of 4 or 16 bytes), said before these frames."""
    key_log: bytes = b""
    """Secrets of TLS sessions that the capture itself brings, lines of an SSLKEYLOGFILE, said before these frames."""
    claims: NDArray[np.uint32] | None = None
    """uint32[n]: the number of what is claimed of each frame's owners, 0 for nothing; None where nobody is named."""
    turns: tuple[TurnLine, ...] = ()
    """Where rows begin anew, as live wrote it into the capture, said before these frames."""

    def some(self, which: NDArray[Any] | slice) -> FrameBatch:
        """The same with some of the frames: a slice of them, their indexes, or a mask."""
        claims = None if self.claims is None else self.claims[which]
        return self._replace(frames=self.frames[which], claims=claims)


class CapturePoint(NamedTuple):
    """Where a frame was seen, in people's words; None where nothing says so."""

    interface: str | None = None
    namespace: str | None = None
    """Its network namespace's name, ``net:[NUMBER]`` for one without; None for portcall's own."""


class Tally(NamedTuple):
    """Frames and bytes of one verdict, with the time they span."""

    frames: int
    bytes: int
    first_ns: int | None
    last_ns: int | None
