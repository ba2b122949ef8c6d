"""Which conversations of a flow table are over, by the time of packets: closed, idle, or active for long enough.

Pure: it is told what time it is. Rows whose packets have no time never expire by it; those of a clock that went wrong
neither, and whoever bounds memory lets them go first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from portcall.records.flows import NEVER
from portcall.records.packets import NO_TIME

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Timeouts(NamedTuple):
    """How long conversations stay; None: for ever."""

    idle_ns: int | None = None
    """Since the last packet."""
    active_ns: int | None = None
    """Since the first packet, though more come: then they are a row more."""
    closed_ns: int | None = None
    """Since the last packet of a TCP connection that both ends have ended, or one has reset."""

    def __bool__(self) -> bool:
        """Whether anything ever expires."""
        return any(timeout is not None for timeout in self)


def are_expired(flows: NDArray[np.void], now_ns: int, timeouts: Timeouts) -> NDArray[np.bool_]:
    """bool[n] of FLOW[n]."""
    expired = np.zeros(len(flows), np.bool_)
    last_ns = flows["last_ns"]
    if timeouts.idle_ns is not None:
        expired |= last_ns < now_ns - timeouts.idle_ns
    if timeouts.closed_ns is not None:
        expired |= (last_ns < now_ns - timeouts.closed_ns) & are_closed(flows)
    if timeouts.active_ns is not None:
        expired |= flows["first_ns"] < now_ns - timeouts.active_ns
    expired &= last_ns != NO_TIME
    return expired


def are_closed(flows: NDArray[np.void]) -> NDArray[np.bool_]:
    """bool[n] of FLOW[n]: whether both ends have sent a FIN, or one a RST."""
    fin_ns, rst_ns = flows["fin_ns"], flows["rst_ns"]
    both_finished = (fin_ns[:, 0] != NEVER) & (fin_ns[:, 1] != NEVER)
    return np.asarray(both_finished | (rst_ns[:, 0] != NEVER) | (rst_ns[:, 1] != NEVER))


def longest_idle(flows: NDArray[np.void], most: int) -> NDArray[np.bool_]:
    """bool[n] of FLOW[n]: so many whose last packet is longest ago, those without a time first."""
    chosen = np.zeros(len(flows), np.bool_)
    if most >= len(flows):
        chosen[:] = True
    elif most > 0:
        chosen[np.argpartition(flows["last_ns"], most - 1)[:most]] = True
    return chosen
