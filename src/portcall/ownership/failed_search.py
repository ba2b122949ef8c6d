"""Why a flow's end has no owner: at which level the search for one failed, and on what.

A level is ``exact`` (both addresses and ports), ``listener`` (the local end) or ``wildcard`` (the local port). The
first level counts at which there was a socket at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.ownership.observed_socket import is_claimed, may_be_same

if TYPE_CHECKING:
    from collections.abc import Sequence

    from portcall.ownership.observed_socket import Use
    from portcall.records.ownership import MatchQuality

NO_SOCKET = "no-socket"
SEVERAL_OWNERS = "several-owners"


def failure_at(level: MatchQuality, uses: Sequence[Use], namespace: int, first_ns: int, last_ns: int) -> str:
    """The level, and what was wrong with the sockets there, of which there is one at least."""
    return f"{level.value} {_failure(uses, namespace, first_ns, last_ns)}"


def _failure(uses: Sequence[Use], namespace: int, first_ns: int, last_ns: int) -> str:
    here = [use.socket for use in uses if may_be_same(use.socket.namespace, namespace)]
    if not here:
        return "other-namespace"
    claimed = [socket for socket in here if is_claimed(socket)]
    if not claimed:
        return "no-process"
    if all(socket.closed_ns < first_ns for socket in claimed):
        return "closed-before"
    return "opened-later" if all(socket.opened_ns > last_ns for socket in claimed) else "other-time"
