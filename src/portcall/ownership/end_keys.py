"""How one end of a conversation is called in the indexes of sockets, and under which names it is looked up.

    protocol 1 · IP version 1 · local port 2 · local address 16 | remote port 2 · remote address 16

A socket that is bound, or open to all, has zeros for its peer. Protocols without ports have port 0, and a raw socket of
theirs is bound to port 0. An echo's identifier stands in for a port, as ``records.ownership`` says: who asks is found
by it, and who answers cannot be taken for who asks. Pure.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np

from portcall.ownership.observed_socket import unconnected
from portcall.records.ownership import ICMP_PROTOCOLS, PROTOCOLS_WITH_PORTS, MatchQuality
from portcall.records.sightings import FLOW_END

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from portcall.ownership.observed_socket import Use

    Index = Mapping[bytes, tuple[Use, ...]]

_KEY = np.dtype({"names": list(FLOW_END.names or ())[:6], "formats": ["u1", "u1", "u2", ("u1", 16), "u2", ("u1", 16)]})
_LOCAL, _ADDRESS = 20, 4  # bytes of a key up to and with the local address, and up to it
_MAPPED = np.frombuffer(b"\0" * 10 + b"\xff\xff", np.uint8)
_ANY = bytes(16)
_UDP = 17
_NO_PORT = bytes(2)
_NO_PEER = bytes(18)


def keys_of(rows: NDArray[np.void]) -> list[bytes]:
    """Keys of SIGHTING[n] or FLOW_END[n]: an IPv4 address mapped into IPv6 is IPv4."""
    keys = np.zeros(len(rows), _KEY)
    for name in _KEY.names or ():
        keys[name] = rows[name]
    ends = (keys["local"], keys["remote"])
    is_mapped = [(keys["ip_version"] == 6) & (end[:, :12] == _MAPPED).all(axis=1) for end in ends]  # noqa: PLR2004
    for end, mapped in zip(ends, is_mapped, strict=True):
        end[mapped, :12] = 0
    keys["ip_version"][is_mapped[0] | is_mapped[1]] = 4
    return keys.view(f"V{_KEY.itemsize}").tolist()


def local_key(key: bytes) -> bytes:
    """A key without its peer."""
    return key[:_LOCAL]


def port_of(key: bytes) -> int:
    """The local port, or the identifier of an echo that was asked for."""
    return int.from_bytes(key[2:_ADDRESS], sys.byteorder)


def has_ports(key: bytes) -> bool:
    """Whether its protocol has ports."""
    return key[0] in PROTOCOLS_WITH_PORTS


def is_bound(key: bytes) -> bool:
    """Whether it names no peer."""
    return key[_LOCAL:] == _NO_PEER


def answers_echo(key: bytes) -> bool:
    """Whether this end answers echoes that the other one asks for."""
    return key[0] in ICMP_PROTOCOLS and key[2:_ADDRESS] == _NO_PORT and key[_LOCAL : _LOCAL + 2] != _NO_PORT


def candidates(exact: Index, bound: Index, key: bytes) -> Iterator[tuple[Sequence[Use], MatchQuality]]:
    """Sockets that could be meant, the surest kind first: by key with a peer, and by key without."""
    head, address, peer = key[:_ADDRESS], key[_ADDRESS:_LOCAL], key[_LOCAL:]
    yield exact.get(key, ()), MatchQuality.EXACT
    yield exact.get(head + _ANY + peer, ()), MatchQuality.EXACT
    if head[2:] != _NO_PORT:
        yield unconnected(bound.get(head + address, ())), MatchQuality.LISTENER
        yield unconnected(bound.get(head + _ANY, ())), MatchQuality.WILDCARD
        if head[1] == 4:  # noqa: PLR2004 - an IPv6 socket without address takes IPv4 too
            yield unconnected(bound.get(head[:1] + b"\x06" + head[2:] + _ANY, ())), MatchQuality.WILDCARD
    if key[0] == _UDP:
        yield _tunnels(bound, key), MatchQuality.WILDCARD
    if key[0] in PROTOCOLS_WITH_PORTS or (key[0] in ICMP_PROTOCOLS and head[2:] == _NO_PORT):
        return  # what ICMP says besides echoes, the kernel says, whoever listens
    raw = head[:2] + _NO_PORT
    yield bound.get(raw + address, ()), MatchQuality.LISTENER
    yield bound.get(raw + _ANY, ()), MatchQuality.WILDCARD


def _tunnels(bound: Index, key: bytes) -> Sequence[Use]:
    """Sockets of the kernel at the port that the peer has too.

    VXLAN, GENEVE and others send from any port, which they do not bind, to the one that both ends listen at.
    """
    port, address = key[_LOCAL : _LOCAL + 2], key[_ADDRESS:_LOCAL]
    places = [(key[:2], address), (key[:2], _ANY), (key[:1] + b"\x06", _ANY)]
    uses = [use for head, local in places for use in bound.get(head + port + local, ())]
    return [use for use in uses if use.socket.is_kernel and not use.socket.processes]
