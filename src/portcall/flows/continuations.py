"""Connections that go on in another row, the next one of its key.

A row that saw neither SYN, FIN nor RST does. So does one of an end's SYN alone where the next one began with the other
end's: both opened the connection at once (RFC 9293 §3.5, as behind two NATs). A connection has two rows at most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from portcall.records.flows import NEVER
from portcall.records.packets import NO_TIME

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SYN, _FIN_OR_RST = 0x02, 0x05
_CONGESTION = 0xC0  # RFC 3168 §6.1.1: what a SYN may have besides


class Continued(NamedTuple):
    """Indexes of rows that go on in another one, and of that one, which ascend."""

    beginnings: NDArray[np.int64]
    continuations: NDArray[np.int64]


def continued(flows: NDArray[np.void], idle_ns: int = 0) -> Continued:
    """The rows of FLOW[n], a whole table, that go on in another one.

    ``idle_ns``: none does after a longer silence; 0: silence ends nothing.
    """
    continuations = np.flatnonzero(flows["earlier"])
    beginnings = flows["earlier"][continuations].astype(np.int64) - 1
    previous = flows[beginnings]
    is_open = (previous["has_syn"] == 0) & ((previous["tcp_flags"] & _FIN_OR_RST) == 0).all(axis=1)
    are_both_opened = _are_both_opened(previous, flows, continuations)
    if are_both_opened.any():
        is_open |= are_both_opened & ~np.isin(beginnings, continuations[is_open | are_both_opened])
    if idle_ns:
        began_ns, ended_ns = flows["first_ns"][continuations], previous["last_ns"]
        have_times = (began_ns != NEVER) & (ended_ns != NO_TIME) & (began_ns > ended_ns)
        silence_ns = np.where(have_times, began_ns, 0).astype(np.uint64) - np.where(have_times, ended_ns, 0).astype(
            np.uint64
        )
        is_open &= silence_ns <= np.uint64(idle_ns)
    return Continued(beginnings[is_open], continuations[is_open])


def _are_both_opened(
    previous: NDArray[np.void], flows: NDArray[np.void], continuations: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Whether one end sent SYNs and nothing else in ``previous``, FLOW[n], and in the next row only the other one."""
    found = np.zeros(len(previous), np.bool_)
    flags = previous["tcp_flags"] & ~np.uint8(_CONGESTION)
    alone = np.flatnonzero((np.sort(flags, axis=1) == (0, _SYN)).all(axis=1))
    came = flows["syn_ns"][continuations[alone]] != NEVER
    went = previous["tcp_flags"][alone] != 0
    found[alone] = (came != went).all(axis=1)
    return found


def join(beginning: NDArray[np.void], continuation: NDArray[np.void]) -> None:
    """Put the facts of each continuation, FLOW[n], into its beginning, FLOW[n]."""
    for column in ("packets", "bytes", "payload"):
        beginning[column] += continuation[column]
    for column in ("tcp_flags", "local"):
        beginning[column] |= continuation[column]
    is_first = continuation["first_frame"] < beginning["first_frame"]
    beginning["first_sender"][is_first] = continuation["first_sender"][is_first]
    for column in ("first_ns", "first_frame", "syn_ns", "syn_ack_ns", "fin_ns", "rst_ns"):
        beginning[column] = np.minimum(beginning[column], continuation[column])
    beginning["last_ns"] = np.maximum(beginning["last_ns"], continuation["last_ns"])
    for column in ("syn_sequence", "has_syn"):
        beginning[column] = continuation[column]
