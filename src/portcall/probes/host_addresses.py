"""Host → addresses, by this machine's own resolver and for the one host that was asked for."""

from __future__ import annotations

import ipaddress
import queue
import socket
import threading
from typing import Any

_FAMILIES = {None: socket.AF_UNSPEC, 4: socket.AF_INET, 6: socket.AF_INET6}
_VERSIONS = {socket.AF_INET: 4, socket.AF_INET6: 6}
_WORDS = {
    socket.EAI_NONAME: "the name does not exist, or has no address",
    socket.EAI_AGAIN: "no name server answers",
    socket.EAI_FAIL: "the name server refuses",
}

MOST_ADDRESSES = 16
"""Addresses of one name that are used; large sites have some eight."""

Addresses = list[tuple[int, tuple[Any, ...]]]
"""(IP version, what a socket connects to, with port 0)."""


def addresses_of(host: str, ip_version: int | None = None) -> Addresses:
    """A host's addresses of one or both IP versions, in the resolver's order; LookupError with the reason for none.

    ``host`` is a name or an address, IPv6 also in brackets and with a zone.
    """
    bare = host.removeprefix("[").removesuffix("]")
    # In a thread of its own: Ctrl-C need not wait for a name server, and nor need the end of the program.
    answers: queue.SimpleQueue[Addresses | LookupError] = queue.SimpleQueue()
    threading.Thread(target=lambda: answers.put(_looked_up(bare, ip_version)), daemon=True).start()
    answer = answers.get()
    if isinstance(answer, LookupError):
        raise answer
    return answer


def _looked_up(host: str, ip_version: int | None) -> Addresses | LookupError:
    try:
        found = socket.getaddrinfo(host, 0, _FAMILIES[ip_version], socket.SOCK_STREAM)
    except UnicodeError:
        return LookupError("this is no host name")
    except socket.gaierror as error:
        if _is_address(host):
            if "%" in host and _FAMILIES[ip_version] != socket.AF_INET:
                return LookupError(f"this machine has no interface {host.partition('%')[2]}")
            return LookupError(f"this is not an address of IPv{ip_version}")
        return LookupError(_WORDS.get(error.errno or 0) or str(error.strerror).lower())
    distinct = {address: _VERSIONS[family] for family, _, _, _, address in found if family in _VERSIONS}
    return [(version, address) for address, version in distinct.items()][:MOST_ADDRESSES]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
