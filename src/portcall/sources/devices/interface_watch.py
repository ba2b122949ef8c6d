"""The interfaces of one network namespace, now and as they come and go, as rtnetlink tells them (rtnetlink(7)).

A netlink socket belongs to the namespace that it was opened in, and asking takes no rights: so what was opened while
there were rights tells, long after they were given up, what comes. An interface that was made anew has another index.
"""

from __future__ import annotations

import errno
import socket
import struct
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from portcall.sources.devices.interfaces import Interface, Selection, choose, choose_among
from portcall.system.network_namespaces import inside

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from portcall.system.network_namespaces import Namespace

_ROUTE = 0  # NETLINK_ROUTE, linux/netlink.h
_GROUPS = 0x1 | 0x10 | 0x100  # RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR, linux/rtnetlink.h
_NEW_LINK, _GET_LINK, _NEW_ADDRESS, _GET_ADDRESS = 16, 18, 20, 22
_ERROR, _DONE = 2, 3
_REQUEST_ALL = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_LINK = struct.Struct("=BxHiII")  # ifinfomsg: family, hardware, index, flags, change
_ADDRESS = struct.Struct("=BBBBI")  # ifaddrmsg: family, prefix length, flags, scope, index
_ATTRIBUTE = struct.Struct("=HH")  # rtattr: length, type
_NAME = 3  # IFLA_IFNAME
_SCOPE_LINK = 253
_ANSWER_BYTES = 1 << 16
_ANSWER_S = 2
_MOST_DATAGRAMS = 10_000  # of an answer, or of news at a time: some hundred thousand interfaces

_MOST_GONE = 4096
"""Interfaces remembered that are no more."""


class Changes(NamedTuple):
    """What became of the interfaces that are meant, by name."""

    came: list[str]
    returned: list[str]
    went: list[str]

    def __bool__(self) -> bool:
        return bool(self.came or self.returned or self.went)


def open_route_socket() -> socket.socket:
    """A socket that hears of interfaces and addresses of the namespace that the calling thread is in."""
    opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _ROUTE)
    try:
        opened.bind((0, _GROUPS))
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", _ANSWER_S, 0))  # struct timeval
    except BaseException:
        opened.close()
        raise
    return opened


def list_interfaces() -> list[Interface]:
    """Those of the namespace that the calling thread is in, by index; OSError where the kernel does not answer."""
    with open_route_socket() as opened:
        return RouteSocket(opened).interfaces()


def select_interfaces(names: Sequence[str], namespace: Namespace) -> Selection:
    """What the names mean inside the namespace, now; UsageError for a name that nothing has."""
    return inside(namespace, lambda: select_here(names, namespace))


def select_here(names: Sequence[str], namespace: Namespace) -> Selection:
    """The same in the namespace, which the calling thread is in."""
    return Selection(namespace, choose(names, list_interfaces()), tuple(names))


class RouteSocket:
    """Questions to the kernel, and whether it has told news."""

    def __init__(self, opened: socket.socket) -> None:
        self._opened = opened
        self.has_news = False
        """Whether something may have changed since the last question was asked."""

    def hear(self) -> None:
        """Take the news off the socket; what they say is asked for as a whole."""
        for _ in range(_MOST_DATAGRAMS):
            try:
                datagram = self._opened.recv(_ANSWER_BYTES, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:  # there was more than it had room for
                    raise
                datagram = b"?"
            self.has_news = True
            if not datagram:
                return

    def interfaces(self) -> list[Interface]:
        """All that are there now, by index; OSError where the kernel does not answer."""
        self.has_news = False
        with_address = set()
        for body in self._answers(_GET_ADDRESS, _NEW_ADDRESS, _ADDRESS.size):
            family, _, _, scope, index = _ADDRESS.unpack_from(body)
            if family == socket.AF_INET or (family == socket.AF_INET6 and scope != _SCOPE_LINK):
                with_address.add(index)
        interfaces = []
        for body in self._answers(_GET_LINK, _NEW_LINK, _LINK.size):
            _, hardware, index, _, _ = _LINK.unpack_from(body)
            interfaces.append(Interface(_name(body), index, hardware, index in with_address))
        return sorted(interfaces, key=lambda interface: interface.index)

    def _answers(self, question: int, kind: int, least: int) -> Iterator[memoryview]:
        """The bodies of all answers of a kind, of at least so many bytes."""
        all_of_it = _HEADER.pack(_HEADER.size + 1, question, _REQUEST_ALL, question, 0) + bytes([socket.AF_UNSPEC])
        self._opened.send(all_of_it)
        for _ in range(_MOST_DATAGRAMS):
            try:
                datagram = self._opened.recv(_ANSWER_BYTES)
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self.has_news = True
                continue
            for sequence, got, body in _messages(memoryview(datagram)):
                if sequence != question:
                    self.has_news = True
                elif got in (_DONE, _ERROR):
                    return
                elif got == kind and len(body) >= least:
                    yield body


class FollowedInterfaces:
    """The interfaces of a selection, followed as they come, go and return."""

    def __init__(self, selection: Selection, opened: socket.socket) -> None:
        """``opened`` is a route socket of the selection's namespace, and is closed by ``close``."""
        self.selection = selection
        self._opened = opened
        self._route = RouteSocket(opened)
        self._route.has_news = True  # some may have come since they were selected
        self._names = {interface.index: interface.name for interface in selection.interfaces}
        self._gone: set[str] = set()

    def fileno(self) -> int:
        """Readable when there is news."""
        return self._opened.fileno()

    def name(self, index: int) -> str | None:
        """What an interface is called, or was."""
        return self._names.get(index)

    def changes(self) -> Changes:
        """What changed since the last time; ``selection`` then is of what is there now. OSError without an answer."""
        self._route.hear()
        if not self._route.has_news:
            return Changes([], [], [])
        there = self._route.interfaces()
        before = {interface.index: interface.name for interface in self.selection.interfaces}
        meant = choose_among(self.selection.names, there, kept=before)
        self.selection = replace(self.selection, interfaces=meant)
        self._names.update((interface.index, interface.name) for interface in meant)
        for index in list(self._names)[: max(len(self._names) - len(meant) - _MOST_GONE, 0)]:
            del self._names[index]
        new = [interface.name for interface in meant if interface.index not in before]
        left = {interface.index for interface in meant}
        went = [name for index, name in before.items() if index not in left]
        returned = [name for name in new if name in self._gone or name in went]
        self._gone = (self._gone | set(went)) - set(new)
        if len(self._gone) > _MOST_GONE:
            self._gone.clear()  # they will be said to have come, not to have returned
        return Changes(
            [name for name in new if name not in returned],
            returned,
            [name for name in went if name not in returned],
        )

    def close(self) -> None:
        """Hear no more."""
        self._opened.close()


def _messages(datagram: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """(sequence, type, body) of each message; a broken one ends them."""
    while len(datagram) >= _HEADER.size:
        length, kind, _, sequence, _ = _HEADER.unpack_from(datagram)
        if not _HEADER.size <= length <= len(datagram):
            return
        yield sequence, kind, datagram[_HEADER.size : length]
        datagram = datagram[-(-length // 4) * 4 :]


def _name(body: memoryview) -> str:
    """The name among the attributes of a link."""
    at = _LINK.size
    while at + _ATTRIBUTE.size <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, at)
        if not _ATTRIBUTE.size <= length <= len(body) - at:
            break
        if kind == _NAME:
            return bytes(body[at + _ATTRIBUTE.size : at + length]).rstrip(b"\0").decode(errors="replace")
        at += -(-length // 4) * 4
    return ""
