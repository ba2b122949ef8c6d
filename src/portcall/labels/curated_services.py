"""Our own list of services: what people really find on a port, or in a range of ports, with words for people.

``data/services.toml`` has an entry for each port and meaning. ``port`` names one port. ``ports`` names the first and
the last of a range that a program takes its port from; it says less than a port's own name, ours or IANA's, and is no
evidence for the serving end. The names alone are read without a TOML parser, which takes 30 ms for words that only
explanations print.
"""

from __future__ import annotations

import itertools
import re
import sys
from functools import cache, lru_cache
from typing import Any, Literal, NamedTuple

from portcall.labels.data_files import data_text

_NAMES = re.compile(r'^ports? = (\d+|\[\d+, \d+\])\ntransports = \[(.+)\]\nname = "(.+)"$', re.MULTILINE)


class Service(NamedTuple):
    """One entry of the list, for one transport."""

    port: int
    """The first one of a range."""
    last_port: int
    """The same, unless it is a range."""
    transport: str
    name: str
    title: str
    description: str
    """One plain sentence for somebody who meets it for the first time."""
    encrypted: bool | Literal["starttls"]
    """``starttls``: begins in the clear and may then switch to TLS."""
    avoid: str | None
    """Why not to use it, and what instead."""


class NamedPorts(NamedTuple):
    """The names of the list, entry by entry."""

    first: list[int]
    last: list[int]
    transports: list[str]
    """Joined by ``/``."""
    names: list[str]


def curated(port: int, transport: str) -> Service | None:
    """What the list says of this very port, with words for people."""
    return _services().get((port, transport))


def range_of(port: int, transport: str) -> Service | None:
    """The range of the list in which a port lies, whether or not the port has a name of its own."""
    return next((one for one in _ranges() if one.transport == transport and one.port <= port <= one.last_port), None)


def curated_names() -> list[str]:
    """The names of all services of the list, in alphabetical order."""
    return sorted({service.name for service in (*_services().values(), *_ranges())})


def read_services(text: str) -> dict[tuple[int, str], Service]:
    """What TOML text says of single ports, by (port, transport); ValueError where one is listed twice."""
    services: dict[tuple[int, str], Service] = {}
    for service in _entries(text):
        key = (service.port, service.transport)
        if service.last_port > service.port:
            continue
        if key in services:
            message = f"services.toml: {service.port}/{service.transport} is listed twice, last as {service.name}"
            raise ValueError(message)
        services[key] = service
    return services


def read_ranges(text: str) -> list[Service]:
    """What TOML text says of ranges, in order; ValueError where two of one transport share a port."""
    ranges = sorted(
        (service for service in _entries(text) if service.last_port > service.port),
        key=lambda service: (service.transport, service.port),
    )
    for one, following in itertools.pairwise(ranges):
        if one.transport == following.transport and following.port <= one.last_port:
            message = f"services.toml: the ranges of {one.name} and {following.name} share {following.port}"
            raise ValueError(message)
    return ranges


def read_names(text: str) -> tuple[NamedPorts, NamedPorts]:
    """The names of single ports, and those of ranges, without parsing TOML.

    This relies on the order of the first three keys, which ``services.toml`` promises and a test compares with the
    full reading.
    """
    single, ranges = NamedPorts([], [], [], []), NamedPorts([], [], [], [])
    for ports, transports, name in _NAMES.findall(text):
        first, _, last = ports.strip("[]").partition(", ")
        into = ranges if last else single
        into.first.append(int(first))
        into.last.append(int(last or first))
        into.transports.append(transports.replace('"', "").replace(", ", "/"))
        into.names.append(name)
    return single, ranges


def listed_text() -> str:
    """The list."""
    return data_text("services.toml")


@lru_cache(maxsize=1)
def _entries(text: str) -> list[Service]:
    if sys.version_info >= (3, 11):
        import tomllib  # slow to import, and only explanations need it
    else:
        import tomli as tomllib
    return [service for entry in tomllib.loads(text)["service"] for service in _services_of(**entry)]


def _services_of(*, transports: list[str], avoid: str | None = None, **words: Any) -> list[Service]:
    # Any: TOML values; the dataclass names the keys, and a test checks their types.
    words["port"], words["last_port"] = words.pop("ports", None) or (words["port"], words["port"])
    return [Service(transport=transport, avoid=avoid, **words) for transport in transports]


@cache
def _services() -> dict[tuple[int, str], Service]:
    return read_services(listed_text())


@cache
def _ranges() -> list[Service]:
    return read_ranges(listed_text())
