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

_NEXT_RANK, _NEXT_CLASS = 1 << 16, 1 << 18  # in _orders
_ANY_RANK = _NEXT_CLASS - _NEXT_RANK


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
    evidence = np.where(has_syn, np.uint8(OpenerEvidence.SYN), np.uint8(OpenerEvidence.SYN_ACK))

    silent = np.flatnonzero(~(has_syn | has_syn_ack))
    client_is_low[silent], evidence[silent] = clients_by_port(
        flows["protocol"][silent], flows["low_port"][silent], flows["high_port"][silent], low_sent_first[silent]
    )
    return client_is_low, evidence


def clients_by_port(
    protocols: NDArray[np.uint8],
    low_ports: NDArray[np.uint16],
    high_ports: NDArray[np.uint16],
    low_sent_first: NDArray[np.bool_],
) -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
    """The same where only protocols, the ports of both ends and perhaps the first sender are known, all [n]."""
    low, high = _orders(protocols, low_ports), _orders(protocols, high_ports)
    client_is_low = (low > high) | ((low == high) & low_sent_first)
    differs = low ^ high
    no_curated = ((low & _ANY_RANK) > 0) & ((high & _ANY_RANK) > 0)
    rules = [
        (differs >= _NEXT_CLASS, OpenerEvidence.PORT_CLASS),
        ((differs >= _NEXT_RANK) & ~no_curated, OpenerEvidence.CURATED_NAME),
        (differs >= _NEXT_RANK, OpenerEvidence.IANA_NAME),
        (differs > 0, OpenerEvidence.LOWER_PORT),
    ]
    conditions, words = [holds for holds, _ in rules], [np.uint8(said) for _, said in rules]
    evidence = np.select(conditions, words, OpenerEvidence.FIRST_SENDER)
    return client_is_low, evidence.astype(np.uint8)


def _low_was_earlier(
    milestones_ns: NDArray[np.int64], low_sent_first: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether the low end reached the milestone first (equal times: who sent first at all), and whether anyone did."""
    low_ns, high_ns = milestones_ns.T.copy()
    was_earlier = (low_ns < high_ns) | ((low_ns == high_ns) & low_sent_first)
    return was_earlier, (low_ns != NEVER) | (high_ns != NEVER)


def _orders(protocols: NDArray[np.uint8], ports: NDArray[np.uint16]) -> NDArray[np.uint32]:
    """uint32[n]: the lower, the likelier the port is a server's: by its class, then its name, then its number."""
    classes = labels.port_classes(ports).astype(np.uint32) * np.uint32(_NEXT_CLASS)
    ranks = (labels.Rank.CURATED - labels.ranks(protocols, ports)).astype(np.uint32) * np.uint32(_NEXT_RANK)
    return classes | ranks | ports
