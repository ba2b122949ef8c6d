"""After reports were lost: which of the known processes and sockets have ended meanwhile, though nobody told of it.

What was lost stays unknown. But who waits for the report of an end that was lost waits for ever, and a flood leaves
tens of thousands of them. So the kernel is asked what is there, after a loss and some seconds later: a list made while
sockets come and go may lack one that is there, two hardly do. No rights are needed once it is open.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

from portcall.owners.diag_rows import rows_of
from portcall.owners.sock_diag import SocketList
from portcall.records.ownership import ExistingSockets, ProcessChange, ProcessEvent
from portcall.system.network_namespaces import own_namespace

if TYPE_CHECKING:
    from collections.abc import Iterable

PAUSE_S = 5.0
_ANSWER_S = 0.5


class LossWatch:
    """Looks at what is there, in the network namespace of the thread that makes it. ``OSError`` where it cannot."""

    def __init__(self) -> None:
        self._sockets = SocketList(_ANSWER_S)
        self._namespace = own_namespace().number
        self._answers = True
        self._lost = 0
        self._next_s = 0.0
        self._first: tuple[int, dict[int, set[int]]] | None = None

    def look(self, lost: int, now_s: float) -> ExistingSockets | None:
        """What is there, where more was lost than before, and this was the second look after it. Cheap otherwise."""
        if (self._first is None and lost == self._lost) or now_s < self._next_s:
            return None
        self._next_s = now_s + PAUSE_S
        before_ns, cookies = self._first or (time.time_ns(), None)
        self._lost = lost if cookies is None else self._lost
        listed = self._listed()
        if cookies is None:
            self._first = before_ns, listed
            return None
        self._first = None
        # Of a protocol that the kernel lists nothing of, it may know no list.
        both = {protocol: listed[protocol] | cookies.get(protocol, set()) for protocol in listed if listed[protocol]}
        return ExistingSockets(self._namespace, before_ns, {one: kept for one, kept in both.items() if kept})

    def close(self) -> None:
        """Ask no more."""
        self._sockets.close()

    def _listed(self) -> dict[int, set[int]]:
        """Cookies by protocol; none for ever once an answer came too late: it could be taken for a later one."""
        if not self._answers:
            return {}
        try:
            lists = self._sockets.all()
        except OSError:
            self._answers = False
            return {}
        return {protocol: set(rows_of(messages)["cookie"].tolist()) for protocol, messages in lists.items()}


def ended(pids: Iterable[int]) -> list[ProcessEvent]:
    """EXITED, now, for each of the processes that is no more there."""
    now_ns = time.time_ns()
    return [ProcessEvent(ProcessChange.EXITED, now_ns, pid) for pid in pids if not _is_there(pid)]


def _is_there(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        with contextlib.suppress(PermissionError):  # a security module hides what it is, not that it is there
            os.getpgid(pid)
        return True
    return False
