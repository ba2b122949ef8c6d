"""The nouns: frames, packets, flows, and what a report is made of.

Bulk data are NumPy structured arrays, so that compiled kernels and vectorised rules share one layout without copies;
what a report hands out is a frozen dataclass, and all else a named tuple: such a class takes 0.2 ms to make, not 1, and
every start waits for it. The compiled twins of FRAME, PACKET and FLOW are the structs in ``kernels/records.pxd``; a
test compares their sizes and offsets. This module knows no file, clock or rule.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

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
    INTERNAL = 3
    """From this machine to itself: both ends are local."""


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


class Place(NamedTuple):
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


SIGHTING = np.dtype(
    [
        ("time_ns", "i8"),  # ns since 1970 UTC
        ("socket", "u8"),  # what tells it from every other socket since boot: its cookie on Linux
        ("process", "u4"),  # 0 where the sighting names none
        ("user", "u4"),
        ("namespace", "u4"),  # network namespace, 0 where not known
        ("evidence", "u1"),  # Evidence
        ("protocol", "u1"),
        ("ip_version", "u1"),  # of the socket: an IPv6 socket without address takes IPv4 too
        ("reserved", "u1"),
        ("local", "u1", (16,)),  # as in PACKET; zero where the socket takes any
        ("remote", "u1", (16,)),
        ("local_port", "u2"),
        ("remote_port", "u2"),  # with ``remote`` zero: no peer known
    ]
)
"""What an owner back end saw of one socket at one moment. 68 bytes."""

FLOW_END = np.dtype(
    [
        ("protocol", "u1"),
        ("ip_version", "u1"),
        ("local_port", "u2"),
        ("local", "u1", (16,)),
        ("remote_port", "u2"),
        ("remote", "u1", (16,)),
        ("namespace", "u4"),  # 0: any
        ("first_ns", "i8"),
        ("last_ns", "i8"),
    ]
)
"""One end of a flow, as asked of the owners: who held it at that time? 58 bytes."""

OWNER_CHANGE = np.dtype(
    [("time_ns", "i8"), ("namespace", "u4"), ("local_port", "u2"), ("protocol", "u1"), ("reserved", "u1")]
)
"""From this time on, another socket or process may be behind a local port: rows on it start anew. 16 bytes."""


class Evidence(enum.IntEnum):
    """What a sighting says; up to USED, a higher one is the better reason to call a process the owner."""

    NONE = 0
    HELD = 1
    """The process has the socket open."""
    BOUND = 2
    LISTENING = 3
    CONNECTED = 4
    ACCEPTED = 5
    USED = 6
    """It sent or received."""
    SHARED = 7
    """It did, and takes turns with others so often that turns are no longer reported."""
    PACKET = 10
    """A packet passed between socket and peer; who caused it is not said."""
    KERNEL = 11
    """The socket is the kernel's own."""
    CLOSED = 12


class ProcessChange(enum.Enum):
    """What became of a process."""

    STARTED = "started"
    """Forked: until told otherwise it is what its parent is."""
    EXECUTED = "executed"
    FOUND = "found"
    """It was there already; ``time_ns`` is when it started."""
    EXITED = "exited"


class MatchQuality(enum.Enum):
    """How a flow's end was recognised, best first."""

    EXACT = "exact"
    """Both addresses and ports."""
    LISTENER = "listener"
    """A socket bound to the local address and port."""
    WILDCARD = "wildcard"
    """A socket bound to the local port at any address."""
    AMBIGUOUS = "ambiguous"
    """More than one process may own it; none is named."""
    NONE = "none"


class Program(NamedTuple):
    """What a process runs and where it belongs; None where nobody could say."""

    name: str
    exe: str | None = None
    cmdline: tuple[str, ...] = ()
    container: str | None = None
    unit: str | None = None
    """systemd's name for it, such as ``nginx.service``."""


class ProcessEvent(NamedTuple):
    """A process starts, becomes another program, is found, or ends."""

    change: ProcessChange
    time_ns: int
    pid: int
    parent: int = 0
    """Its parent's pid; 0 where not known."""
    user: int | None = None
    """User id; None where not known."""
    program: Program | None = None
    """None for what does not change it."""


class OwnerEvents(NamedTuple):
    """What a back end has seen since it was last asked."""

    sightings: NDArray[np.void]
    """SIGHTING[n]."""
    processes: list[ProcessEvent]
    until_ns: int
    """Everything up to this time has been told, if nothing was lost."""
    tells_closes: bool = True
    """Whether CLOSED comes for every socket; else a socket ends with its last process."""


class Owner(NamedTuple):
    """A process, told from all others by pid and start, as pids are used again."""

    pid: int
    start_ns: int | None
    """ns since 1970 UTC; None where it began before anybody looked and does not say."""
    program: Program
    user: str | None = None
    parents: tuple[tuple[int, str], ...] = ()
    """(pid, name) of those above it, the nearest first."""


class Match(NamedTuple):
    """Whose a flow's end is, and how sure that is."""

    owner: Owner | None
    quality: MatchQuality
    source: str
    """The back end that saw it."""
    reason: str | None = None
    """``no-owner``, ``ambiguous`` or ``kernel`` from the closed list; None where a process is named."""


class Origin(NamedTuple):
    """Whose network an address is in, and in which country, as a database claims; None for what it does not know."""

    country: str | None = None
    """Two letters of ISO 3166."""
    asn: int | None = None
    """Number of the autonomous system."""
    organisation: str | None = None

    @property
    def network(self) -> str | None:
        """The network's owner in words: ``AS64500 Example Networks``."""
        words = ([f"AS{self.asn}"] if self.asn else []) + ([self.organisation] if self.organisation else [])
        return " ".join(words) or None
