"""Which sockets somebody means: the words of ``who`` and ``conns`` → a test of one socket. Pure.

They are those of ``queries.endpoints``, or a process: its name, its program's, its unit or container. A word that is a
service's name may be a process too, and then both are meant. Of an end that says where it is, whatever listens at any
address of that port takes part.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import PurePath
from typing import TYPE_CHECKING

from portcall.errors import UsageError
from portcall.queries.endpoints import parse_endpoints, refused
from portcall.records.ownership import DELETED
from portcall.sockets.rows import takes

if TYPE_CHECKING:
    from portcall.queries.endpoints import Endpoint, Endpoints
    from portcall.records.ownership import Owner, Program
    from portcall.records.sockets import SystemSocket

END, SERVICE, PROCESS = "end", "service", "process"
"""What words may be taken for."""

_LONGEST_NAME = 255
_LISTED = ("tcp", "udp", "udplite")
_NO_PROCESS = re.compile(r"[\d\s–-]*|.*[/:\[\]].*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class SocketQuery:
    """Which sockets are meant. One of meant and process is not None."""

    text: str
    meant: Endpoints | None = None
    process: str | None = None

    @property
    def is_service(self) -> bool:
        """Whether the words are the name of a service."""
        return self.meant is not None and any(end.service for end in self.meant.ends)

    def means(self, socket: SystemSocket) -> bool:
        """Whether either end of the socket is meant, or a process that has it."""
        return bool(self.meanings(socket)) or self.means_remote(socket)

    def means_remote(self, socket: SystemSocket) -> bool:
        """Whether the other end of a conversation is meant."""
        if self.meant is None or len(self.meant.ends) > 1 or not self._fits(socket):
            return False
        return _is_remote(socket, self.meant.ends[0])

    def meanings(self, socket: SystemSocket) -> list[str]:
        """What the words must be taken for to mean the socket itself: END, or SERVICE, and PROCESS."""
        found = []
        if self.meant is not None and self._fits(socket) and _is_of(socket, self.meant.ends):
            found.append(SERVICE if self.is_service else END)
        if self.process is not None and is_held_by(socket, self.process):
            found.append(PROCESS)
        return found

    def _fits(self, socket: SystemSocket) -> bool:
        return self.meant is not None and self.meant.transport in (None, socket.protocol)


def parse_query(text: str) -> SocketQuery:
    """The question in those words; UsageError for one that is none."""
    words = text.strip()
    try:
        meant = parse_endpoints(words)
    except UsageError:
        if len(words) > _LONGEST_NAME or _NO_PROCESS.fullmatch(words):
            raise
        return SocketQuery(words, process=words)
    if meant.transport not in (None, *_LISTED):
        raise refused(words, f"sockets are listed for {' and '.join(_LISTED)} only")
    if not any(end.ports or end.addresses for end in meant.ends):
        raise refused(words, "this means every socket, which 'portcall ports' and 'portcall conns' list")
    (first, *_) = meant.ends
    is_name = bool(first.service) and not first.has_place and len(meant.ends) == 1 and meant.transport is None
    return SocketQuery(words, meant, words if is_name else None)


def is_held_by(socket: SystemSocket, name: str) -> bool:
    """Whether a process that has the socket open is called that, or its program, unit or container is."""
    return any(_is_called(owner, name) for owner in socket.holders)


def first_called(socket: SystemSocket, name: str) -> SystemSocket:
    """The socket with the processes that are called that first."""
    return replace(socket, holders=tuple(sorted(socket.holders, key=lambda owner: not _is_called(owner, name))))


def _is_of(socket: SystemSocket, ends: tuple[Endpoint, ...]) -> bool:
    if len(ends) == 1:
        return _is_local(socket, ends[0])
    near, far = ends
    return any(_is_local(socket, local) and _is_remote(socket, remote) for local, remote in ((near, far), (far, near)))


def _is_local(socket: SystemSocket, end: Endpoint) -> bool:
    if not end.has_port(socket.local_port, socket.protocol):
        return False
    if end.is_at(socket.local_ip, socket.interface):
        return True
    return bool(end.ports) and socket.is_without_peer and any(takes(socket, address) for address in end.addresses)


def _is_remote(socket: SystemSocket, end: Endpoint) -> bool:
    if socket.remote_ip is None or not end.has_port(socket.remote_port, socket.protocol):
        return False
    return end.is_at(socket.remote_ip, socket.interface)


def _is_called(owner: Owner, name: str) -> bool:
    return name in _names_of(owner.program)


@lru_cache(maxsize=1 << 10)
def _names_of(program: Program) -> frozenset[str | None]:
    """All that a program is called; asked for each of its sockets, told once."""
    names = {program.name, program.container, program.unit, program.unit and program.unit.removesuffix(".service")}
    paths = ((program.exe or "").removesuffix(DELETED), *program.cmdline[:1], program.script)
    return frozenset(names | {PurePath(path).name for path in paths if path})
