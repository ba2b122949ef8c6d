"""Who opened a conversation: for every flow row, which of its two ends is the client, and how that is known.

The strongest evidence wins: the SYN and the SYN+ACK say it outright. Where the capture has neither, the ports speak:
the lower port class is the server's, then the port with a curated name, then the one with an IANA name, then the lower
number. What is still open (equal ports, protocols without ports) goes to the first sender. Only mergeable facts of FLOW
are read, so the answer is the same however the capture was cut. A compiled kernel applies the rules, with a table that
says which port is likelier a server's. This module knows no packet and no hostname.
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
    PORT_CLASS = 2  # the server's port is of a lower class
    CURATED_NAME = 3  # only the server's port has a name in our list
    IANA_NAME = 4  # only the server's port has a name at all
    LOWER_PORT = 5  # the server's port is the lower number
    FIRST_SENDER = 6  # the client sent the first packet


def clients_are_low(flows: NDArray[np.void]) -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
    """For FLOW[n]: whether the low end is the client (bool[n]), and the OriginatorEvidence for it (uint8[n])."""
    client_is_low, evidence = np.empty((2, len(flows)), np.uint8)
    ends.clients(flows, labels.BEGINNINGS, grades(), client_is_low, evidence)
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
    classes = labels.port_classes(np.arange(1 << 16, dtype=np.uint16)) << 2
    ranks = (labels.port_table(protocol).ranks for protocol in labels.PROTOCOLS_BY_PORT)
    return np.concatenate([classes | (np.uint8(labels.Rank.CURATED) - rank) for rank in ranks])
