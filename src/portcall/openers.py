"""Who opened a conversation: for every flow row, which of its two ends is the client, and how that is known.

The strongest evidence wins: the SYN and the SYN+ACK say it outright. Where the capture has neither, the ports speak:
the lower port class is the server's, then the port with a curated name, then the one with an IANA name, then the lower
number. What is still open (equal ports, protocols without ports) goes to the first sender. Only mergeable facts of FLOW
are read, so the answer is the same however the capture was cut. This module knows no packet and no hostname.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import numpy as np

from portcall import labels
from portcall.model import NEVER

if TYPE_CHECKING:
    from numpy.typing import NDArray


class OpenerEvidence(enum.IntEnum):
    """What the choice of the client rests on, strongest first."""

    SYN = 0  # the client sent the (earlier) SYN
    SYN_ACK = 1  # the server sent the (earlier) SYN+ACK
    PORT_CLASS = 2  # the server's port is of a lower class
    CURATED_NAME = 3  # only the server's port has a name in our list
    IANA_NAME = 4  # only the server's port has a name at all
    LOWER_PORT = 5  # the server's port is the lower number
    FIRST_SENDER = 6  # the client sent the first packet


def clients_are_low(flows: NDArray[np.void]) -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
    """For FLOW[n]: whether the low end is the client (bool[n]), and the OpenerEvidence for it (uint8[n])."""
    low_sent_first = flows["first_sender"] == 0
    client_is_low, has_syn = _low_was_earlier(flows["syn_ns"], low_sent_first)
    server_is_low, has_syn_ack = _low_was_earlier(flows["syn_ack_ns"], low_sent_first)
    np.copyto(client_is_low, ~server_is_low, where=~has_syn)
    evidence = np.where(has_syn, OpenerEvidence.SYN, OpenerEvidence.SYN_ACK).astype(np.uint8)

    silent = np.flatnonzero(~(has_syn | has_syn_ack))
    client_is_low[silent], evidence[silent] = _clients_by_port(
        flows["protocol"][silent], flows["low_port"][silent], flows["high_port"][silent], low_sent_first[silent]
    )
    return client_is_low, evidence


def _low_was_earlier(
    milestones_ns: NDArray[np.int64], low_sent_first: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether the low end reached the milestone first (equal times: who sent first at all), and whether anyone did."""
    low_ns, high_ns = milestones_ns[:, 0], milestones_ns[:, 1]
    was_earlier = np.where(low_ns == high_ns, low_sent_first, low_ns < high_ns)
    return was_earlier, np.minimum(low_ns, high_ns) != NEVER


def _clients_by_port(
    protocols: NDArray[np.uint8],
    low_ports: NDArray[np.uint16],
    high_ports: NDArray[np.uint16],
    low_sent_first: NDArray[np.bool_],
) -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
    low_classes, high_classes = labels.port_classes(low_ports), labels.port_classes(high_ports)
    low_ranks, high_ranks = labels.ranks(protocols, low_ports), labels.ranks(protocols, high_ports)
    has_curated = np.maximum(low_ranks, high_ranks) == labels.Rank.CURATED
    by_name = np.where(has_curated, OpenerEvidence.CURATED_NAME, OpenerEvidence.IANA_NAME)
    differs = [low_classes != high_classes, low_ranks != high_ranks, low_ports != high_ports]
    client_is_low = np.select(
        differs, [low_classes > high_classes, low_ranks < high_ranks, low_ports > high_ports], low_sent_first
    )
    evidence = np.select(
        differs, [OpenerEvidence.PORT_CLASS, by_name, OpenerEvidence.LOWER_PORT], OpenerEvidence.FIRST_SENDER
    )
    return client_is_low, evidence.astype(np.uint8)
