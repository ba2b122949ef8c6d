"""The sockets of this machine as they are now, each with the processes that have it open.

On Linux the kernel lists sockets and /proc tells who holds them; elsewhere psutil tells both. Without root Linux lists
every socket nevertheless, and only the processes of others stay hidden.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from portcall.errors import PortcallError
from portcall.records.report import Degradation
from portcall.records.sockets import HIDDEN_PROCESSES, SocketListing
from portcall.system.network_namespaces import choose_namespaces, inside_each, why_of
from portcall.system.remedies import ROOT_OF_THE_HOST, more_rights

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from portcall.owners.kernel_sockets import DumpReply
    from portcall.records.sockets import InterfaceNetwork
    from portcall.system.network_namespaces import Namespace


_AMONG_ALL_PROCESSES = "run it where all processes are seen: on the host, or docker run --pid=host --cap-add SYS_PTRACE"


def list_sockets(namespaces: Sequence[str] = (), *, only_listening: bool = False) -> SocketListing:
    """All TCP and UDP sockets, of one's own network namespace or of those named (``all``: every one).

    Those that are only bound count as listening here. UsageError for a namespace that does not exist, PortcallError for
    one that cannot be entered. Of ``all``, those that cannot be entered are left out, and said.
    """
    chosen = choose_namespaces(namespaces)
    if sys.platform != "linux":
        return _list_portably(only_listening=only_listening)
    from portcall.owners.holders import SocketHolders
    from portcall.owners.interface_addresses import interface_networks
    from portcall.owners.kernel_sockets import EVERY, WAITING, ask, sockets_of

    answers: list[DumpReply] = []
    networks: dict[int, tuple[InterfaceNetwork, ...]] = {}
    refused: list[Exception] = []
    time_ns = time.time_ns()

    def look(here: Namespace) -> tuple[list[DumpReply], tuple[InterfaceNetwork, ...]]:
        return ask(here, WAITING if only_listening else EVERY), interface_networks()

    for namespace, looked in inside_each(chosen, look):
        try:
            told, networks[namespace.number] = looked.result()
        except OSError as error:  # a kernel or a sandbox without sock_diag
            if not namespaces:
                return _without_kernel(error, only_listening=only_listening)
            refused.append(error)
        except PortcallError as error:
            if "all" not in namespaces:
                raise
            refused.append(error)
        else:
            answers += told
    holders = SocketHolders()  # after the sockets: one that is closed meanwhile has no holder, a new one is not listed
    sockets = tuple(socket for answer in answers for socket in sockets_of(answer, holders.of, time_ns))
    listing = SocketListing(sockets, time_ns, networks)
    return SocketListing(sockets, time_ns, networks, tuple(_degradations(listing, refused, len(chosen))))


def listening_cookies(namespaces: Sequence[str] = ()) -> frozenset[int] | None:
    """The identities of all listening sockets, to see cheaply whether one came or went; None where there are none."""
    if sys.platform != "linux":
        return None
    from portcall.owners.kernel_sockets import WAITING, ask, cookies_of

    cookies: set[int] = set()
    for _, asked in inside_each(choose_namespaces(namespaces), lambda namespace: ask(namespace, WAITING)):
        with suppress(PortcallError, OSError):  # the listing says it
            cookies.update(cookie for answer in asked.result() for cookie in cookies_of(answer))
    return frozenset(cookies)


def _list_portably(*, only_listening: bool) -> SocketListing:
    from portcall.owners.psutil_listing import list_portably  # psutil, which Linux does not need

    return list_portably(only_listening=only_listening)


def _without_kernel(error: OSError, *, only_listening: bool) -> SocketListing:
    listing = _list_portably(only_listening=only_listening)
    reason = f"the kernel does not list sockets ({error.strerror or error}): psutil does, without bytes and times"
    note = Degradation("socket list", reason, "outside of this sandbox, or a kernel with INET_DIAG")
    return SocketListing(listing.sockets, listing.time_ns, listing.networks, (*listing.degradations, note))


def _degradations(listing: SocketListing, refused: list[Exception], asked: int) -> Iterator[Degradation]:
    hidden = listing.unseen_holders
    if hidden:
        reason = f"{hidden} of {len(listing.sockets)} sockets belong to processes that this user may not look at"
        yield Degradation(HIDDEN_PROCESSES, reason, more_rights(_AMONG_ALL_PROCESSES))
    if refused:
        reason = f"{len(refused)} of {asked} network namespaces cannot be looked into: {why_of(refused[0])}"
        yield Degradation("network namespaces", reason, more_rights(ROOT_OF_THE_HOST))
