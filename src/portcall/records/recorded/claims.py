"""What packets and files claim of owners: whose a packet is, at which of its ends, and how far that may be believed.

Those who read a format register an owner and what they claim of it, and get numbers; a batch has a number for each
frame. A table is one run's, over all its captures: numbers of several mean the same. It is bounded, and counts what
there was no room for. What an owner is may be told after its packets, so the owner behind a number can be replaced.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from portcall.records.ownership import Owner, Program
from portcall.records.packets import CapturePoint

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from portcall.records.ownership import MatchQuality
    from portcall.records.recorded.process_blocks import TurnLine

MOST_OWNERS = 1 << 16
"""Of one run: half a kilobyte each, and more where names are long."""
MOST_CLAIMS = 1 << 17
MOST_ENDS = 1 << 18
MOST_TEXT = 4096
"""Letters of a path or a command line that are kept; of a name, 256."""
OWN_INTERFACES = 1 << 20
"""Interfaces of captures that portcall wrote are numbered over a run, from here on: 1 + the number of their point."""
RUSTNET_SIDECAR = ".connections.jsonl"
"""Behind a capture's name: what the file is called in which RustNet says whose its connections are."""
UNKNOWN_PROGRAM = Program("unknown")
MOST_POINTS = 1 << 11
"""Capture points of one run; all others are one without a name."""
NOBODY = 0
"""The number of no owner, and of no claim."""

PACKET_OPTION = np.dtype([("offset", "u8"), ("frame", "u4"), ("code", "u2"), ("length", "u2")])
"""An option of a packet that may name processes: where its value is, and whose it is, by the index of the frame."""


class ClaimedEnd(enum.IntEnum):
    """Which end of a packet, or of its conversation, an owner is claimed for."""

    BY_DIRECTION = 0
    """Who sent it, if it went out; who gets it, if it came in; else an end of this machine."""
    IN_ORDER = 1
    """The first one sent it, and the others get it; if it came in from elsewhere, all get it."""
    CLIENT = 2
    SERVER = 3


class RecordedOwner(NamedTuple):
    """An owner as a capture names it. Its pid is 0 where it is not told by a pid."""

    owner: Owner
    source: str
    """The format that names it."""
    is_sure: bool = True
    is_kernel: bool = False


class Claim(NamedTuple):
    """Whose a packet is."""

    owners: tuple[int, ...]
    """Their numbers, NOBODY in place of one who is not known."""
    end: ClaimedEnd
    is_weak: bool = False
    """Whether it only counts where no other claim does."""
    is_weak_inbound: bool = False
    """The same, but for packets that came in: the writer names whoever was running."""


class EndClaim(NamedTuple):
    """What a file says of one end of a conversation, apart from its packets."""

    owner: int
    protocol: int
    local: str
    local_port: int
    remote: str
    remote_port: int
    first_ns: int
    last_ns: int
    source: str
    quality: MatchQuality | None = None
    """As live found it; None where only somebody else's word stands behind it."""
    reason: str | None = None
    failure: str | None = None
    point: int | None = None
    """The number of the capture point; None where the file is of all."""


CLAIM = np.dtype(
    [
        ("owners", "u4", (4,)),  # the first of them
        ("count", "u4"),
        ("end", "u1"),  # ClaimedEnd
        ("is_weak", "?"),
        ("is_weak_inbound", "?"),
        ("reserved", "u1"),
    ]
)
"""A Claim, for many packets at once. 24 bytes."""


class OwnersInside(Protocol):
    """Reads what one capture says of owners, in order."""

    def read_block(self, kind: int, body: bytes, order: str) -> tuple[TurnLine, ...]:
        """Take in a section header, an interface, or a block of processes, in its section's byte order."""

    def claims(
        self, frames: NDArray[np.void], buffer: NDArray[np.uint8], options: NDArray[np.void]
    ) -> NDArray[np.uint32] | None:
        """The number of the claim on each of FRAME[n], with their PACKET_OPTION[m]; None where nobody is named.

        Interfaces and directions of the frames may be changed, where the capture says more of them than a packet.
        """


class ClaimTable:
    """Owners and claims of one run, by number."""

    def __init__(
        self,
        most_owners: int = MOST_OWNERS,
        most_claims: int = MOST_CLAIMS,
        most_ends: int = MOST_ENDS,
        most_points: int = MOST_POINTS,
    ) -> None:
        self.owners: list[RecordedOwner] = [RecordedOwner(Owner(0, None, UNKNOWN_PROGRAM), "")]
        self.claims: list[Claim] = [Claim((), ClaimedEnd.BY_DIRECTION)]
        self._claim_rows, self._claims_in_rows = np.zeros(64, CLAIM), 0
        self.ends: list[EndClaim] = []
        self.waiting: dict[tuple[int, int], int] = {}
        """Owners whose pid is all that is told, while a block of it may come: by section of the run and pid."""
        self.begun: dict[tuple[int, int], int] = {}
        """The first block of each pid, likewise."""
        self.sections = 0
        """How many were begun."""
        self.points: list[CapturePoint] = []
        """The capture points of portcall's own captures."""
        self.sources: dict[str, None] = {}
        """The formats that were found, in order."""
        self.left_out = self.damaged = self.claims_left_out = self.ends_left_out = 0
        """Owners, claims and ends for which there was no room; blocks and lines that could not be read."""
        self.points_left_out: set[CapturePoint] = set()
        """Some of the capture points for which there was no room."""
        self._most_owners, self._most_claims, self._most_ends = most_owners, most_claims, most_ends
        self._most_points = most_points
        self._numbers: dict[RecordedOwner, int] = {}
        self._claim_numbers: dict[Claim, int] = {}
        self._point_numbers: dict[CapturePoint, int] = {}

    @property
    def has_any(self) -> bool:
        """Whether a capture named somebody, so that owners are known where they are named, and only there."""
        return bool(self.sources)

    def number(self, recorded: RecordedOwner) -> int:
        """The number of an owner; NOBODY where there is no room."""
        number = self._numbers.get(recorded)
        if number is None:
            number = self.reserve(recorded)
            if number:
                self._numbers[recorded] = number
        return number

    def reserve(self, recorded: RecordedOwner) -> int:
        """A number of its own for an owner that may be replaced; NOBODY where there is no room."""
        self.sources.setdefault(recorded.source)
        if len(self.owners) > self._most_owners:
            self.left_out += 1
            return NOBODY
        self.owners.append(recorded)
        return len(self.owners) - 1

    def replace(self, number: int, recorded: RecordedOwner) -> None:
        """More is known of an owner with a number of its own."""
        if number:
            self.owners[number] = recorded

    def claim(self, claim: Claim) -> int:
        """The number of a claim; NOBODY where it names nobody, or there is no room."""
        number = self._claim_numbers.get(claim)
        if number is not None or not any(claim.owners):
            return number or NOBODY
        if len(self.claims) > self._most_claims:
            self.claims_left_out += 1
            return NOBODY
        self._claim_numbers[claim] = len(self.claims)
        self.claims.append(claim)
        return len(self.claims) - 1

    @property
    def claim_rows(self) -> NDArray[np.void]:
        """CLAIM[n] by number."""
        if len(self.claims) > len(self._claim_rows):
            more = np.zeros(max(len(self.claims), 2 * len(self._claim_rows)) - len(self._claim_rows), CLAIM)
            self._claim_rows = np.concatenate([self._claim_rows, more])
        most = CLAIM["owners"].shape[0]
        for number in range(self._claims_in_rows, len(self.claims)):
            claim = self.claims[number]
            first = (*claim.owners[:most], *[NOBODY] * (most - len(claim.owners)))
            self._claim_rows[number] = (first, len(claim.owners), claim.end, claim.is_weak, claim.is_weak_inbound, 0)
        self._claims_in_rows = len(self.claims)
        return self._claim_rows[: len(self.claims)]

    def add_end(self, claim: EndClaim) -> None:
        """What is said of an end."""
        self.sources.setdefault(claim.source)
        if len(self.ends) < self._most_ends:
            self.ends.append(claim)
        else:
            self.ends_left_out += 1

    def is_own(self, frames: NDArray[np.void]) -> bool:
        """Whether FRAME[n] begin with one of a capture that portcall wrote."""
        return bool(self.points) and bool(frames["interface"][0] >= OWN_INTERFACES)

    def point(self, point: CapturePoint) -> int:
        """The number of a capture point; where there is no room, that of all others."""
        number = self._point_numbers.get(point)
        if number is None and len(self.points) >= self._most_points - 1:
            if len(self.points_left_out) < self._most_points:
                self.points_left_out.add(point)
            point = CapturePoint()
            number = self._point_numbers.get(point)
        if number is None:
            number = self._point_numbers[point] = len(self.points)
            self.points.append(point)
        return number


def clean(data: bytes | str, most: int = MOST_TEXT) -> str:
    """A text that a file gives: not longer than that, and what is no text in it made visible."""
    text = data[: 4 * most].split(b"\0", 1)[0].decode("utf-8", "replace") if isinstance(data, bytes) else data
    return text[:most].encode("utf-8", "replace").decode()


def clean_name(data: bytes | str) -> str:
    """The name of a program, or of a user."""
    return clean(data, 256)


def is_same_process(one: Owner, other: Owner) -> bool:
    """Whether two descriptions may be of one process: by pid and start, without pids by name and user."""
    if one.pid and other.pid:
        return one.pid == other.pid and (one.start_ns == other.start_ns or None in {one.start_ns, other.start_ns})
    same_user = one.user == other.user or None in {one.user, other.user}
    return one.program.name == other.program.name and same_user


def united(one: Owner, other: Owner) -> Owner:
    """What both say of a process; where they differ, what the first says."""
    program, more = one.program, other.program
    if program.name == UNKNOWN_PROGRAM.name:
        program = more._replace(**{name: getattr(program, name) for name in _FOUND if getattr(program, name)})
    else:
        program = program._replace(**{name: getattr(program, name) or getattr(more, name) for name in _FOUND})
    start_ns = other.start_ns if one.start_ns is None else one.start_ns
    return Owner(one.pid or other.pid, start_ns, program, one.user or other.user, one.parents or other.parents)


_FOUND = ("exe", "cmdline", "container", "unit", "script")
