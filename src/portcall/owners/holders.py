"""Who has a socket open on Linux, by its inode: one look through the files of all processes, which /proc shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.owners.open_files import look_for_holders
from portcall.owners.processes import find_process, sees_every_process, user_name
from portcall.records.ownership import ACTIVATORS, Owner, Program
from portcall.records.sockets import Holding

if TYPE_CHECKING:
    from portcall.records.ownership import ProcessEvent

MOST_PARENTS = 64


Held = tuple[Holding, tuple[Owner, ...]]
_NOBODY: Held = (Holding.NOBODY, ())


class SocketHolders:
    """Processes by the sockets that they hold, as of the construction."""

    def __init__(self) -> None:
        self._pids, forbidden = look_for_holders()
        sees_all = not forbidden and sees_every_process()
        self._unheld: Held = (Holding.UNFOUND if sees_all else Holding.HIDDEN), ()
        self._held: dict[tuple[int, ...], Held] = {}
        self._found: dict[int, ProcessEvent | None] = {}
        self._owners: dict[int, Owner] = {}

    def of(self, inode: int) -> Held:
        """Who holds the socket, the oldest process first, and what it means if there is nobody.

        Who opens sockets for others comes after those.
        """
        pids = self._pids.get(inode)
        if not pids:
            return self._unheld if inode else _NOBODY
        key = tuple(pids)
        if key not in self._held:
            owners = sorted(map(self._owner, pids), key=_rank)
            self._held[key] = Holding.PROCESS, tuple(owners)
        return self._held[key]

    def _owner(self, pid: int) -> Owner:
        if pid not in self._owners:
            found = self._find(pid)
            self._owners[pid] = (
                Owner(pid, found.time_ns, found.program, None if found.user is None else user_name(found.user),
                      self._parents(found.parent))
                if found and found.program
                else Owner(pid, None, Program("unknown"))
            )  # fmt: skip
        return self._owners[pid]

    def _parents(self, pid: int) -> tuple[tuple[int, str], ...]:
        parents: list[tuple[int, str]] = []
        while pid and len(parents) < MOST_PARENTS and (found := self._find(pid)) and found.program:
            parents.append((pid, found.program.name))
            pid = found.parent
        return tuple(parents)

    def _find(self, pid: int) -> ProcessEvent | None:
        if pid not in self._found:
            self._found[pid] = find_process(pid)
        return self._found[pid]


def _rank(owner: Owner) -> tuple[bool, int, int]:
    return owner.program.name in ACTIVATORS, owner.start_ns or 0, owner.pid
