"""SVCB and HTTPS records (RFC 9460): at which addresses a service is reached, and behind which cover.

::

    priority 2 (0: an alias) | target, a name | parameters: key 2 | length 2 | value, in the order of their keys
    ech (RFC 9848): length 2 | configurations: version 2 = 0xfe0d | length 2 | id 1 | KEM 2 | public key 2+n
         | suites 2+n | longest name 1 | public name 1+n | extensions 2+n
"""

from __future__ import annotations

from typing import NamedTuple

from portcall.dissectors._domain_names import read_name
from portcall.dissectors._hello import ENCRYPTED_CLIENT_HELLO
from portcall.dissectors._text import as_text

_ECH = 5
_ADDRESS_BYTES = {4: 4, 6: 16}  # by key: ipv4hint, ipv6hint
_MOST_PARAMETERS, _MOST_CONFIGURATIONS = 64, 8
_DISCOVERY = b"resolver.arpa"  # RFC 9462: the name of whatever resolver is asked


class ServiceBinding(NamedTuple):
    """What one record says."""

    target: bytes
    """The name of who serves; empty where that is the record's own."""
    addresses: tuple[bytes, ...]
    """Hints, of 4 and 16 bytes."""
    covers: tuple[str, ...]
    """The public names of its ECH configurations, lower case."""


def read_binding(data: bytes, start: int, end: int) -> ServiceBinding | None:
    """The record whose data lie there in a message; None for an alias, which has no parameters, and a broken one."""
    if start + 3 > end or not data[start] | data[start + 1]:
        return None
    target = read_name(data, start + 2)
    if target is None or target[1] > end:
        return None
    at, last_key = target[1], -1
    addresses: list[bytes] = []
    covers: tuple[str, ...] = ()
    for _ in range(_MOST_PARAMETERS):
        if at + 4 > end:
            break
        key, size = int.from_bytes(data[at : at + 2], "big"), int.from_bytes(data[at + 2 : at + 4], "big")
        value = data[at + 4 : at + 4 + size]
        at += 4 + size
        width = _ADDRESS_BYTES.get(key, 0)
        if key <= last_key or at > end or (width and (not size or size % width)):
            return None
        last_key = key
        if width:
            addresses += [value[place : place + width] for place in range(0, size, width)]
        elif key == _ECH:
            covers = _covers(value)
    return ServiceBinding(target[0], tuple(addresses), covers) if at == end else None


def service_name(owner: bytes, target: bytes) -> bytes:
    """Whose service it is, by the owner of the record: without the labels of port and protocol (RFC 9460 §2.3)."""
    name = owner
    while name.startswith(b"_"):
        name = name.partition(b".")[2]
    return target.lower() if target and name == _DISCOVERY != owner else name


def _covers(value: bytes) -> tuple[str, ...]:
    found: list[str] = []
    at = 2
    for _ in range(_MOST_CONFIGURATIONS):
        end = at + 4 + int.from_bytes(value[at + 2 : at + 4], "big")
        if at + 4 > len(value) or end > len(value):
            break
        is_known = value[at : at + 2] == ENCRYPTED_CLIENT_HELLO.to_bytes(2, "big")
        name = _public_name(value[at + 4 : end]) if is_known else b""
        found += [as_text(name).lower()] if name else []
        at = end
    return tuple(dict.fromkeys(found))


def _public_name(configuration: bytes) -> bytes:
    at = 3
    for _ in range(2):  # the public key, the suites
        at += 2 + int.from_bytes(configuration[at : at + 2], "big")
    return configuration[at + 2 : at + 2 + configuration[at + 1]] if at + 2 <= len(configuration) else b""
