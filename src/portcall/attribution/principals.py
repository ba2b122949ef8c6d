"""Principals: whom the local ends of flows are credited to, as small numbers, so that flows are summed by number.

A principal is an app, a process or a user, as ``--by`` says, or the reason for none. Numbers belong to one Principals;
``merge`` tells what another one's numbers are here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from portcall.labels.service_keys import NO_OWNER, WITHOUT_FIRST, identity_by_port
from portcall.records.ownership import MatchQuality

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from portcall.labels.service_keys import Identity
    from portcall.records.ownership import Match, Owner

    Matches = Sequence[Match | None]
    Process = tuple[int, int | None]  # pid and start, which tell it from all others

QUALITIES = tuple(quality.value for quality in MatchQuality)
"""Best first, so the greatest of some numbers of qualities is the worst quality."""

_NUMBER_OF = {quality: number for number, quality in enumerate(MatchQuality)}
_NOBODYS = _NUMBER_OF[MatchQuality.NONE]
_SEVERAL = ""
"""In place of a script, where a party runs different ones."""
_KERNEL = "kernel"
_KERNEL_PROCESS = "[kernel]"


class Principal(NamedTuple):
    """What output rows say of whom they credit."""

    app: str | None
    app_source: str | None
    process: str | None
    unattributed_reason: str | None


class _User(NamedTuple):
    """A user as the key of a principal; None where nobody could say who."""

    name: str | None


class Holder(NamedTuple):
    """The process behind a principal, what it runs if that is an interpreter, and whose it is."""

    process: Process | None = None
    script: str | None = None
    user: str | None = None


_NOBODY = Holder()


def told_principal(known: Identity) -> Principal:
    """Whom both ends of a conversation with such a service are credited to where nobody asked for owners."""
    return Principal(known.app, known.app_source, None, known.unattributed_reason)


def principal_of(match: Match | None, by_port: int) -> Principal:
    """Whom one end of a conversation is credited to where owners were asked for, in every grouping.

    It belongs to its program. Without one it is nobody's, with the reason, whatever the traffic tells of its server;
    only what has no sockets, such as an echo request that nobody owns, is its protocol. ``match`` is None for an end
    that is not this machine's, ``by_port`` the service key before payloads were inspected.
    """
    known = identity_by_port(by_port)
    if known.unattributed_reason == WITHOUT_FIRST:  # without ports nobody can say whose it is
        return told_principal(known)
    owner = owner_of(match)
    if owner:
        return Principal(owner.program.name, "process", owner.program.name, None)
    reason = (match and match.reason) or NO_OWNER
    if reason == NO_OWNER and known.app_source == "protocol":
        return Principal(known.app, known.app_source, f"[{known.app}]", None)
    return Principal(None, None, _KERNEL_PROCESS if reason == _KERNEL else None, reason)


def credited_to(match: Match | None, by_port: int) -> tuple[Principal, Holder]:
    """The same, with the process behind it."""
    owner, principal = owner_of(match), principal_of(match, by_port)
    if not owner or principal.app_source != "process":
        return principal, _NOBODY
    process = (owner.pid, owner.start_ns) if owner.pid else None
    return principal, Holder(process, owner.program.script, owner.user)


def owner_of(match: Match | None) -> Owner | None:
    """The process that is known to have this end."""
    return match.owner if match and not match.reason else None


def quality_of(match: Match | None) -> int:
    """The number of its quality in QUALITIES."""
    return _NUMBER_OF[match.quality] if match else _NOBODYS


class Principals:
    """Numbers for the principals of one grouping: ``app``, ``process`` or ``user``."""

    def __init__(self, by: str) -> None:
        self._by = by
        self._numbers: dict[Principal | Process | _User, int] = {}
        self._principals: list[Principal] = []
        self._processes: list[Process | None] = []
        self._scripts: list[str | None] = []
        self._users: list[str | None] = []

    def __getitem__(self, number: int) -> Principal:
        """The principal with this number."""
        return self._principals[number]

    def pid(self, number: int) -> int | None:
        """The process id of a principal that is one process only."""
        process = self._processes[number]
        return process[0] if process else None

    def script(self, number: int) -> str | None:
        """What a principal runs that is an interpreter; None where several run different ones."""
        return self._scripts[number] or None

    def user(self, number: int) -> str | None:
        """The user of a principal that is one, or whose processes are of one only."""
        return self._users[number] or None

    def are_attributed(self, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
        """bool[n]: whether each of the principals has an app."""
        return np.array([principal.unattributed_reason is None for principal in self._principals], np.bool_)[numbers]

    def number(self, match: Match | None, by_port: int) -> int:
        """The number of the principal that one end of a flow with this service key is credited to."""
        return self._number(*credited_to(match, by_port))

    def numbers(self, low: Matches, high: Matches, by_port: NDArray[np.int64]) -> NDArray[np.int64]:
        """int64[2, n]: the numbers of both ends' principals."""
        ends = [
            (self.number(low_match, key), self.number(high_match, key))
            for low_match, high_match, key in zip(low, high, by_port.tolist(), strict=True)
        ]
        return np.array(ends, np.int64).reshape(len(ends), 2).T

    def merge(self, other: Principals) -> NDArray[np.int64]:
        """int64[n]: the numbers that the principals of another one have from now on in this one."""
        holders = map(Holder, other._processes, other._scripts, other._users)
        return np.array([self._number(*one) for one in zip(other._principals, holders, strict=True)], np.int64)

    def _number(self, principal: Principal, holder: Holder) -> int:
        key = self._key(principal, holder)
        number = self._numbers.setdefault(key, len(self._principals))
        if number == len(self._principals):
            self._principals.append(principal)
            self._processes.append(holder.process)
            self._scripts.append(holder.script)
            self._users.append(holder.user)
        if self._by == "user" and self._principals[number].process != principal.process:
            self._principals[number] = principal._replace(app=None, process=None)  # several
        else:
            self._principals[number] = principal  # a process may have become another program
        if self._scripts[number] != holder.script:
            self._scripts[number] = holder.script if key == holder.process else _SEVERAL
        if self._processes[number] != holder.process:
            self._processes[number] = None  # several
        if self._users[number] != holder.user:
            self._users[number] = holder.user if key == holder.process else _SEVERAL
        return number

    def _key(self, principal: Principal, holder: Holder) -> Principal | Process | _User:
        """What tells a principal of this grouping from all others."""
        if self._by == "user" and principal.app_source == "process":
            return _User(holder.user)
        return holder.process if self._by == "process" and holder.process else principal
