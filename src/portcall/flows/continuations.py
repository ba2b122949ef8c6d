"""Connections that go on in another row: a row that saw neither SYN, FIN nor RST, and the next one of its key."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from portcall.records.flows import NEVER
from portcall.records.packets import NO_TIME

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FIN_OR_RST = 0x05


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
    if idle_ns:
        began_ns, ended_ns = flows["first_ns"][continuations], previous["last_ns"]
        have_times = (began_ns != NEVER) & (ended_ns != NO_TIME) & (began_ns > ended_ns)
        silence_ns = np.where(have_times, began_ns, 0).astype(np.uint64) - np.where(have_times, ended_ns, 0).astype(
            np.uint64
        )
        is_open &= silence_ns <= np.uint64(idle_ns)
    return Continued(beginnings[is_open], continuations[is_open])


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
