"""Who owns sockets: what back ends see, and what is concluded from it."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


PROTOCOLS_WITH_PORTS = frozenset({6, 17, 33, 132, 136})
"""TCP, UDP, DCCP, SCTP and UDP-Lite. All others have port 0 at both ends, but for echoes."""
ICMP_PROTOCOLS = (1, 58)
"""ICMP and ICMPv6."""
ECHO_REQUESTS, ECHO_REPLIES = (8, 13, 15, 17, 42, 128, 160), (0, 14, 16, 18, 43, 129, 161)
"""Types of ICMP and ICMPv6 messages with an identifier, u16 at byte 4: RFC 792, RFC 950, RFC 4443 §4, RFC 8335 §2.

The end that asks has the identifier as ``local_port``, as a ping socket has, and ECHO_ASKED as ``remote_port``. The end
that answers has it as ``remote_port``, and 0 as ``local_port``.
"""
ECHO_ASKED = 8


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
    UNSURE = "unsure"
    """A capture names it, by a writer that may have named whoever was running."""
    AMBIGUOUS = "ambiguous"
    """More than one process may own it; none is named."""
    NONE = "none"


DELETED = " (deleted)"
"""What Linux writes behind the path of a program whose file is gone, or was replaced."""
FIRST_INODE = 0xF0000000
"""Of network namespaces: PROC_DYNAMIC_FIRST in include/linux/proc_ns.h. Lesser numbers are of ones not known."""
ACTIVATORS = frozenset({"systemd", "launchd", "inetd", "xinetd"})
"""Programs that open sockets for others, and go on holding them beside those."""


class Program(NamedTuple):
    """What a process runs and where it belongs; None where nobody could say."""

    name: str
    exe: str | None = None
    cmdline: tuple[str, ...] = ()
    container: str | None = None
    unit: str | None = None
    """systemd's name for it, such as ``nginx.service``."""
    script: str | None = None
    """What an interpreter runs: the name of a module, a class or a script's file."""


def program_text(name: str, script: str | None) -> str:
    """A program as people read it: ``python3 (http.server)``, ``curl``."""
    return name if script is None or script == name else f"{name} ({script})"


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


class ExistingSockets(NamedTuple):
    """What is there, told after reports were lost, as closes may be among these."""

    namespace: int
    before_ns: int
    """Sockets of this network namespace that were there before this time, and are not listed, have been closed."""
    cookies: dict[int, set[int]]
    """By protocol; those of others may be there or not."""


class OwnerEvents(NamedTuple):
    """What a back end has seen since it was last asked."""

    sightings: NDArray[np.void]
    """SIGHTING[n]."""
    processes: list[ProcessEvent]
    until_ns: int
    """Everything up to this time has been told, if nothing was lost."""
    tells_closes: bool = True
    """Whether CLOSED comes for every socket; else a socket ends with its last process."""
    existing: ExistingSockets | None = None
    """None where nothing was lost, or nobody has looked since."""


class Owner(NamedTuple):
    """A process, told from all others by pid and start, as pids are used again."""

    pid: int
    """0 where it is not told by a pid, as an app in a capture of Android."""
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
    failure: str | None = None
    """At which level the search failed and why, as ``ownership.failed_search`` says; None where somebody is named."""
