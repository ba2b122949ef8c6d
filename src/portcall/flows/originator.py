"""Who opened a conversation: for every flow row, which of its two ends is the client, and how that is known.

The strongest evidence wins: the SYN and the SYN+ACK say it outright. Where the capture has neither, it is who asked, or
was answered, as dissectors hear it; but to a group, which sends nothing, answers are given unasked. Where nothing was
heard the ports speak, and the server's is told by

    class            well-known, then registered, then ephemeral
    curated name     our list has a service at one port only
    IANA name        its registry has
    lower number

Systems give clients ports from 32768 on, whatever IANA has registered there: of those its names tell nothing, and of
two of them nothing tells but a curated name. Port 0 is reserved (RFC 6335 §6), and nobody's service. What is still open
(ports lent to clients, equal ports, protocols without ports) goes to the first sender. Only mergeable facts are read,
so the answer is the same however the capture was cut. A compiled kernel applies the rules, with a table that says which
port is likelier a server's. This module knows no packet and no hostname.
"""

from __future__ import annotations

import enum
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

from portcall.kernels import ends
from portcall.labels import port_services as labels

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class OriginatorEvidence(enum.IntEnum):
    """What the choice of the client rests on, strongest first."""

    SYN = 0  # the client sent the (earlier) SYN
    SYN_ACK = 1  # the server sent the (earlier) SYN+ACK
    ASKED = 2  # the client asked, or was answered
    PORT_CLASS = 3  # the server's port is of a lower class
    CURATED_NAME = 4  # only the server's port has a name in our list
    IANA_NAME = 5  # only the server's port has a name at all
    LOWER_PORT = 6  # the server's port is the lower number
    FIRST_SENDER = 7  # the client sent the first packet


class Asker(enum.IntEnum):
    """Which end of a flow was heard to ask, or to be answered."""

    NOBODY = 0
    LOW = 1
    HIGH = 2


def clients_are_low(
    flows: NDArray[np.void], askers: NDArray[np.uint8] | None = None
) -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
    """For FLOW[n]: whether the low end is the client (bool[n]), and the OriginatorEvidence for it (uint8[n]).

    ``askers``: Asker of each row, where anybody listened.
    """
    import numpy as np

    client_is_low, evidence = np.empty((2, len(flows)), np.uint8)
    heard = np.zeros(len(flows), np.uint8) if askers is None else askers
    ends.clients(flows, heard, labels.BEGINNINGS, grades(), client_is_low, evidence)
    return client_is_low.view(np.bool_), evidence


def client_by_port(protocol: int, near_port: int, far_port: int) -> tuple[bool, OriginatorEvidence]:
    """Whether the near end is the client, as far as the ports tell; else it is as if that end had sent first."""
    beginning = labels.BEGINNINGS[protocol]
    near_grade, far_grade = (grades()[beginning + port] for port in (near_port, far_port))
    near_is_client, evidence = ends.client_by_port(near_port, far_port, near_grade, far_grade)
    return near_is_client, OriginatorEvidence(evidence)


@cache
def grades() -> bytes:
    """By labels' BEGINNINGS: the lower, the likelier a port is a server's, by class, then by what is known. 384 KiB."""
    return b"".join(_grades(labels.ranks_of(protocol)) for protocol in labels.PROTOCOLS_BY_PORT)


def _grades(ranks: bytes) -> bytes:
    """Of one protocol's ports: whether systems give it to clients << 4 | class << 2 | how little is known."""
    borders = {1, *labels.FIRST_PORTS, *(first for first, _ in labels.LENT), *(last + 1 for _, last in labels.LENT)}
    return b"".join(ranks[first:end].translate(_grade_of_rank(first)) for first, end in pairwise(sorted(borders)))


def _grade_of_rank(port: int) -> bytes:
    """Rank → grade, as it is from this port up to the next border of a range."""
    is_lent = port == 0 or any(first <= port <= last for first, last in labels.LENT)
    unknown = {rank: labels.Rank.CURATED - rank for rank in labels.Rank}
    if is_lent:
        unknown[labels.Rank.IANA] = unknown[labels.Rank.NONE]
    port_class = labels.class_of(port) if port else labels.PortClass.EPHEMERAL
    grades_of_ranks = (is_lent << 4 | port_class << 2 | unknown[rank] for rank in labels.Rank)
    return bytes(grades_of_ranks).ljust(256, b"\0")
