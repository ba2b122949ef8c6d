"""Network namespaces that come and go while we capture, told by a process that keeps the right to enter them.

The rest of the program gives its rights up, and entering a namespace needs them. So this process enters each new one,
opens a packet socket there, and hands that over: to make a ring of it takes no rights. It reads no packets, and nothing
that comes from the other side but its end, upon which it ends too.

It is started as ``helper_process`` does, with the numbers of the namespaces that are known, the names of those that are
followed, and names of interfaces.

A namespace gets its name by a mount, which wakes this process; one that has only processes is found at the next look.
One that has neither name nor process any more lives on by our ring alone, so it is told as well, and let go. A name
that is given anew is another namespace's.
"""

from __future__ import annotations

import contextlib
import pickle
import select
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from portcall.errors import PortcallError, UsageError
from portcall.sources.devices.interface_watch import open_route_socket, select_interfaces
from portcall.sources.devices.interfaces import ANY, Selection
from portcall.system.helper_process import HelperProcess
from portcall.system.network_namespaces import ALL, every_namespace, find_namespace, inside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from portcall.system.network_namespaces import Namespace

LOOK_S = 1.0
"""How often to look for namespaces without a name; how long one must be gone to be gone."""

_MOST_BYTES = 1 << 18
"""Of a message: some thousand interfaces."""


class NamespaceSockets(NamedTuple):
    """What has to be opened inside a namespace to capture there; nothing else takes rights."""

    packets: socket.socket
    """Hears nothing yet."""
    route: socket.socket
    """Tells of interfaces."""

    def close(self) -> None:
        """Close both."""
        self.packets.close()
        self.route.close()


class News(NamedTuple):
    """What became of one namespace."""

    number: int
    selection: Selection | None
    """Where to listen in it; None: it is gone."""
    sockets: NamespaceSockets | None


class NamespaceKeeper:
    """News of namespaces that none of the selections is of, with the rights that this process has now."""

    def __init__(self, followed: Sequence[str], names: Sequence[str], known: Sequence[Selection]) -> None:
        """``followed`` are names of namespaces, or ALL; ``names`` of interfaces, as the user gave them."""
        numbers = ",".join(str(selection.namespace.number) for selection in known)
        words = [numbers, str(len(followed)), *followed, *names]
        self._helper = HelperProcess(__name__, *words, kind=socket.SOCK_SEQPACKET)
        self._link = self._helper.link
        self._link.setblocking(False)  # noqa: FBT003 - its only parameter

    def fileno(self) -> int:
        """Readable when there is news."""
        return self._link.fileno()

    def news(self) -> News | None:
        """The next piece, None where there is none yet; ``EOFError`` when there will never be any."""
        try:
            message, descriptors, _, _ = socket.recv_fds(self._link, _MOST_BYTES, len(NamespaceSockets._fields))
        except BlockingIOError:
            return None
        except ConnectionResetError:
            message = b""
        if not message:
            raise EOFError("the process that follows network namespaces has ended")
        number, selection = pickle.loads(message)  # noqa: S301 - from a process with more rights than this one
        sockets = [socket.socket(fileno=descriptor) for descriptor in descriptors]
        return News(number, selection, NamespaceSockets(*sockets) if selection else None)

    def close(self) -> None:
        """End the process."""
        self._helper.close()


def open_sockets() -> NamespaceSockets:
    """The sockets, in the namespace that the calling thread is in."""
    packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    try:
        return NamespaceSockets(packets, open_route_socket())
    except BaseException:
        packets.close()
        raise


def main(words: list[str]) -> None:
    """Tell news until nobody listens."""
    descriptor, numbers, count, *rest = words
    followed, names = rest[: int(count)], rest[int(count) :]
    seen_s = {int(number): time.monotonic() for number in numbers.split(",")}
    with (
        socket.socket(fileno=int(descriptor)) as link,
        Path("/proc/self/mounts").open() as mounts,
        contextlib.suppress(ConnectionError),  # it has ended
    ):
        poll = select.poll()
        poll.register(link, select.POLLIN)
        poll.register(mounts, select.POLLERR | select.POLLPRI)  # proc(5): when something is mounted
        _look(link, seen_s, followed, names)  # there may have been some since the numbers were listed
        while link.fileno() not in dict(poll.poll(1000 * LOOK_S)):
            _look(link, seen_s, followed, names)


def _look(link: socket.socket, seen_s: dict[int, float], followed: Sequence[str], names: Sequence[str]) -> None:
    """Tell what differs from ``seen_s``: namespaces that are told, by number, and when they were last seen."""
    now_s = time.monotonic()
    there = {namespace.number: namespace for namespace in every_namespace()}
    meant = there if ALL in followed else _named(followed)
    for number, namespace in {**there, **meant}.items():
        if number in seen_s or (number in meant and _tell_new(link, namespace, names)):
            seen_s[number] = now_s
    for number in [number for number, last_s in seen_s.items() if now_s - last_s > LOOK_S]:
        del seen_s[number]
        link.send(pickle.dumps((number, None)))


def _named(names: Sequence[str]) -> dict[int, Namespace]:
    """By number, the namespaces that have these names now."""
    found: dict[int, Namespace] = {}
    for name in names:
        with contextlib.suppress(PortcallError):  # there is none now
            namespace = find_namespace(name)
            found[namespace.number] = namespace
    return found


def _tell_new(link: socket.socket, namespace: Namespace, names: Sequence[str]) -> bool:
    """Whether it could be told: it may be gone again, or without the interfaces that are meant."""
    try:
        selection = select_interfaces(names or (ANY,), namespace)
        sockets = inside(namespace, open_sockets)
    except (OSError, PortcallError, UsageError):
        return False
    try:
        descriptors = [opened.fileno() for opened in sockets]
        socket.send_fds(link, [pickle.dumps((namespace.number, selection))], descriptors)
    finally:
        sockets.close()
    return True
