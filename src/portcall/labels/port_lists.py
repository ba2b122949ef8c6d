"""The two lists of services, ours and IANA's, as entries of single ports, and where these stand in a table by port."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from portcall.labels.curated_services import listed_text, read_names
from portcall.labels.data_files import data_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from portcall.labels.curated_services import NamedPorts

TRANSPORTS = ("tcp", "udp", "sctp", "dccp")
"""Transports that have service names of their own, in the order of the tables' rows."""

PORTS = 1 << 16
"""Entries of a row."""

Entry = tuple[int, str, str]
"""A port, its transports joined by ``/``, and the name that it has there."""


@cache
def iana_entries() -> list[Entry]:
    """IANA's list."""
    cells = data_text("iana-services.csv").partition("port,transports,name\n")[2].replace("\n", ",").split(",")[:-1]
    return list(zip(map(int, cells[0::3]), cells[1::3], cells[2::3], strict=True))


@cache
def our_entries() -> tuple[list[Entry], list[Entry]]:
    """Those of ranges, each of their ports, and those of ports that have a name of their own."""
    single, ranges = read_names(listed_text())
    return _each_port(ranges), _each_port(single)


def placed(listed: Sequence[Entry]) -> Iterator[tuple[int, str]]:
    """(row << 16 | port, name) of each entry, once for each of its transports; ValueError for another transport."""
    beginnings = {
        joined: [TRANSPORTS.index(one) * PORTS for one in joined.split("/")] for joined in {one[1] for one in listed}
    }
    for port, joined, name in listed:
        for beginning in beginnings[joined]:
            yield beginning + port, name


def _each_port(entries: NamedPorts) -> list[Entry]:
    return [
        (port, joined, name)
        for first, last, joined, name in zip(*entries, strict=True)
        for port in range(first, last + 1)
    ]
