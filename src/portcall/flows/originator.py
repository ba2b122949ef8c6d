"""Who opened a conversation: for every flow row, which of its two ends is the client, and how that is known.

The strongest evidence wins: the SYN and the SYN+ACK say it outright. Where the capture has neither, it is who asked, or
was answered, as dissectors hear it; but to a group, which sends nothing, answers are given unasked. Where nothing was
heard the ports speak, and the server's is told by

    class            well-known, then registered, then ephemeral
    curated name     our list has a service at one port only
    IANA name        its registry has
    lower number

Systems give clients ports from 32768 on, whatever IANA has registered there: of those its names tell nothing, and of
two of them nothing tells but a curated name. What is still open (these, equal ports, protocols without ports) goes to
the first sender. Only mergeable facts are read, so the answer is the same however the capture was cut. A compiled
kernel applies the rules, with a table that says which port is likelier a server's. This module knows no packet and no
hostname.
"""

from __future__ import annotations

import enum
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from portcall.kernels import ends
from portcall.labels import port_services as labels
from portcall.records.flows import FLOW, NEVER

if TYPE_CHECKING:
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
    client_is_low, evidence = np.empty((2, len(flows)), np.uint8)
    heard = np.zeros(len(flows), np.uint8) if askers is None else askers
    ends.clients(flows, heard, labels.BEGINNINGS, grades(), client_is_low, evidence)
    return client_is_low.view(np.bool_), evidence


def clients_by_port(
    protocols: NDArray[np.uint8],
    low_ports: NDArray[np.uint16],
    high_ports: NDArray[np.uint16],
    low_sent_first: NDArray[np.bool_],
) -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
    """The same where only protocols, the ports of both ends and perhaps the first sender are known, all [n]."""
    flows = np.zeros(len(protocols), FLOW)
    flows["protocol"], flows["low_port"], flows["high_port"] = protocols, low_ports, high_ports
    flows["first_sender"] = ~low_sent_first
    flows["syn_ns"] = flows["syn_ack_ns"] = NEVER
    return clients_are_low(flows)


@cache
def grades() -> NDArray[np.uint8]:
    """By labels' BEGINNINGS: the lower, the likelier a port is a server's, by class, then by what is known. 384 KiB."""
    return np.concatenate([_grades(labels.port_table(protocol).ranks) for protocol in labels.PROTOCOLS_BY_PORT])


def _grades(ranks: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Of one protocol's ports: whether systems give it to clients << 4 | class << 2 | how little is known."""
    ports = np.arange(1 << 16, dtype=np.uint16)
    are_lent = labels.is_temporary(ports)
    unknown = np.where(are_lent & (ranks == labels.Rank.IANA), labels.Rank.CURATED, labels.Rank.CURATED - ranks)
    return (are_lent << 4 | labels.port_classes(ports) << 2 | unknown).astype(np.uint8)
