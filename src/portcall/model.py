"""The nouns: frames, packets, flows, and what a report is made of.

Bulk data are NumPy structured arrays, so that compiled kernels and vectorised rules share one layout without copies;
everything that exists once per report is a frozen dataclass. The compiled twins of FRAME, PACKET and FLOW are the
structs in ``kernels/records.pxd``; a test compares their sizes and offsets. This module knows no file, clock or rule.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
        ("reserved", "u2"),
        ("namespace", "u4"),  # network namespace, 0 offline
    ]
)
"""One decoded frame; rows in = rows out. 80 bytes."""

FLOW = np.dtype(
    [
        # What finds the row, and its clock: the first 64 bytes.
        ("low", "u1", (16,)),  # the smaller (address, port) of the two ends; IPv4 as in PACKET
        ("high", "u1", (16,)),
        ("low_port", "u2"),
        ("high_port", "u2"),
        ("protocol", "u1"),
        ("ip_version", "u1"),
        ("kind", "u1"),  # FlowKind
        ("first_sender", "u1"),  # 0: low sent the first packet in capture order, 1: high
        ("namespace", "u4"),  # network namespace, 0 offline
        ("earlier", "u4"),  # 1 + the row of the previous connection on this key, 0 for none
        ("first_ns", "i8"),  # least time of its packets; INT64_MAX where none has a time
        ("last_ns", "i8"),  # greatest time of its packets; NO_TIME where none has a time
        # What is counted: index 0 is what low sent, 1 what high sent.
        ("packets", "u8", (2,)),
        ("bytes", "u8", (2,)),  # on the wire, link headers included
        ("payload", "u8", (2,)),
        ("syn_sequence", "u4"),  # sequence number of the SYN that opened this connection
        ("has_syn", "u1"),  # 1 where a SYN without ACK opened or joined this connection
        ("local", "u1"),  # bit 0: the capture says that low is local, bit 1: high
        ("tcp_flags", "u1", (2,)),  # all flags ORed
        ("first_frame", "u8"),  # 1-based number of its first frame in the whole capture
        # TCP milestones: time of the first such segment each end sent, INT64_MAX where it sent none.
        ("syn_ns", "i8", (2,)),
        ("syn_ack_ns", "i8", (2,)),
        ("fin_ns", "i8", (2,)),
        ("rst_ns", "i8", (2,)),
    ]
)
"""One conversation, both directions: only sums, ORs, minima and maxima, so rows merge. 192 bytes, three cache lines."""

DATAGRAM = np.dtype(
    [
        ("datagram", "u8"),  # as in PACKET
        ("source", "u1", (16,)),  # of its pending fragments
        ("target", "u1", (16,)),
        ("namespace", "u4"),
        ("protocol", "u1"),
        ("ip_version", "u1"),
        ("first_side", "u1"),  # which end of its flow sent the datagram: 0 low, 1 high
        ("latest_side", "u1"),
        ("first_flow", "u4"),  # 1 + the row of the earliest first fragment, 0 for none yet
        ("latest_flow", "u4"),  # 1 + the row of the latest first fragment
        ("local", "u1"),  # of the pending: bit 0: the capture says that the source is local, bit 1: the target
        ("reserved", "u1", (7,)),
        ("first_frame", "u8"),  # number of the first pending frame
        ("packets", "u8"),  # later fragments that came before any first one: pending
        ("bytes", "u8"),
        ("payload", "u8"),
        ("first_ns", "i8"),
        ("last_ns", "i8"),
    ]
)
"""One fragmented IP datagram: which flow its later fragments join. 112 bytes."""

NEVER = np.iinfo(np.int64).max
"""Stands in a FLOW milestone that did not happen, and in ``first_ns`` where no packet has a time."""


class Direction(enum.IntEnum):
    """What the capture says of a frame's way through the capturing machine."""

    UNKNOWN = 0
    INBOUND = 1
    OUTBOUND = 2


class Fragmentation(enum.IntEnum):
    """Which part of an IP datagram a packet is."""

    NONE = 0
    FIRST = 1
    LATER = 2


class FlowKind(enum.IntEnum):
    """What a flow row stands for."""

    CONVERSATION = 0
    ORPHAN = 2  # later fragments between two addresses whose first fragments the capture does not have


class Verdict(enum.IntEnum):
    """What became of a frame. Every frame has exactly one."""

    OK = 0  # on a flow with ports
    NO_PORTS = 1  # on a flow of a protocol without ports
    LATER_FRAGMENT = 2  # joined to the flow of its first fragment where the capture has it
    NOT_IP = 3
    TRUNCATED = 4  # the capture kept too little of it to see the ports
    MALFORMED = 5  # its headers contradict themselves
    UNSUPPORTED_LINK = 6

    @property
    def reason(self) -> str | None:
        """Why such a frame is on no flow, in the words of the closed list; None where it is on one."""
        return _REASONS.get(self)


_REASONS = {
    Verdict.LATER_FRAGMENT: "fragment-without-first",
    Verdict.NOT_IP: "not-ip",
    Verdict.TRUNCATED: "truncated",
    Verdict.MALFORMED: "malformed",
    Verdict.UNSUPPORTED_LINK: "unsupported-link",
}


@dataclass(frozen=True, slots=True)
class FrameBatch:
    """Raw frames over one buffer. Valid until the source is asked for the next batch."""

    frames: NDArray[np.void]
    """FRAME[n], in capture order."""
    buffer: NDArray[np.uint8]
    """The bytes that the frames' offsets point into."""
    first_number: int
    """1-based number of the first frame within its capture."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Frames and bytes of one verdict, with the time they span."""

    frames: int
    bytes: int
    first_ns: int | None
    last_ns: int | None


@dataclass(frozen=True, slots=True)
class Degradation:
    """A feature that could not run, or ran with less: shown to the user, never only logged."""

    feature: str
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """What was read, and what became of it."""

    frames: int
    bytes: int
    verdicts: dict[str, int]
    """Verdict name in lower case with hyphens → frames; sums to ``frames``."""
    bytes_credited_twice: int
    """Bytes of frames with two local ends, credited to both. Σ(bytes_out + bytes_in) = bytes + this."""
    dropped_by_kernel: int | None
    """None offline, where the capture does not say."""
    bytes_attributed: int
    """Bytes of rows that have an app."""


@dataclass(frozen=True, slots=True)
class Report:
    """Who used the network: rows of one grouping over one window, and how much of the traffic they explain.

    Iterable; each row is a mapping from the columns of ``schema`` to plain Python values.
    """

    by: str
    source: str
    window_ns: tuple[int, int] | None
    coverage: Coverage
    rows: list[dict[str, Any]]
    degradations: list[Degradation] = field(default_factory=list)
    rows_left_out: int = 0
    """Rows that ``top`` or ``where`` left out; they still count in ``coverage``."""

    def __iter__(self) -> Any:  # Any: Iterator[dict[str, Any]] of plain values
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def to_dicts(self) -> list[dict[str, Any]]:
        """The rows as dictionaries of plain Python values, ready for json or a data frame."""
        return [dict(row) for row in self.rows]
