"""Grouped rows: sums per service (and remote address) → one row per app, service or host.

The sums are small by now, so this is plain Python, one step per key; only the search for each row's greatest remote
host, which looks at every pair of the two, works on arrays.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from portcall.conversations import time_or_none
from portcall.locality import address_text
from portcall.model import NEVER, NO_TIME
from portcall.schema import column_names
from portcall.services import Identity, identity, is_orphan, without_ports
from portcall.sums import ADDRESS

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from portcall.model import Tally
    from portcall.sums import Table

_MOST_SERVICES = 10
_MEASURES = ("flows", "packets_out", "packets_in", "bytes_out", "bytes_in", "payload_out", "payload_in")
_BYTES = slice(3, 5)  # of _MEASURES


def group_rows(by: str, sums: Table, hosts: Table | None, missing_bytes: int) -> Iterator[dict[str, Any]]:
    """The rows of one grouping, in no order.

    ``sums`` hold every measure per service key, for ``host`` per service key and remote address. ``hosts`` hold bytes
    per row's service key and remote address, of which as many as ``missing_bytes`` may be missing in each.
    """
    top_hosts = {} if hosts is None else _top_hosts(hosts, missing_bytes)
    names = column_names(by)
    for key, group in _groups(by, sums).items():
        row = group.row()
        row["top_host"] = group.host or top_hosts.get(key)
        yield {name: row.get(name) for name in names}


def group_row_on_no_flow(reason: str, tally: Tally) -> dict[str, Any]:
    """The row of frames that are on no flow, which count as in; the columns it leaves out are null."""
    return {
        **dict.fromkeys(_MEASURES, 0),
        "packets_in": tally.frames,
        "bytes_in": tally.bytes,
        "first_ns": tally.first_ns,
        "last_ns": tally.last_ns,
        "services": [],
        "unattributed_reason": reason,
    }


@dataclass(slots=True)
class _Group:
    """One row in the making."""

    identity: Identity
    host: str | None
    measures: list[int] = field(default_factory=lambda: [0] * len(_MEASURES))
    first_ns: int = NEVER
    last_ns: int = NO_TIME
    bytes_by_service: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, service: str | None, times_ns: tuple[int, int], measures: tuple[int, ...]) -> None:
        self.first_ns, self.last_ns = min(self.first_ns, times_ns[0]), max(self.last_ns, times_ns[1])
        self.measures = [mine + more for mine, more in zip(self.measures, measures, strict=True)]
        if service is not None:
            self.bytes_by_service[service] += sum(measures[_BYTES])

    def row(self) -> dict[str, Any]:
        services = sorted(self.bytes_by_service, key=lambda name: (-self.bytes_by_service[name], name))
        return {
            **dict(zip(_MEASURES, self.measures, strict=True)),
            "app": self.identity.app,
            "service": self.identity.label,
            "host": self.host,
            "app_source": self.identity.app_source,
            "first_ns": time_or_none(self.first_ns),
            "last_ns": time_or_none(self.last_ns),
            "services": services[:_MOST_SERVICES],
            "unattributed_reason": self.identity.unattributed_reason,
        }


def _groups(by: str, sums: Table) -> dict[Hashable, _Group]:
    """The sums gathered per row: by service key, for ``host`` by address."""
    services = sums["service"].tolist()
    labels = {service: identity(service).label for service in set(services)}
    times_ns = zip(sums["first_ns"].tolist(), sums["last_ns"].tolist(), strict=True)
    measures = zip(*(sums[name].tolist() for name in _MEASURES), strict=True)
    groups: dict[Hashable, _Group] = {}
    for key, service, span, values in zip(_row_keys(by, sums), services, times_ns, measures, strict=True):
        if key not in groups:
            groups[key] = _new_group(key)
        groups[key].add(labels[service], span, values)
    return groups


def _row_keys(by: str, sums: Table) -> list[Hashable]:
    services: list[Hashable] = sums["service"].tolist()
    if by == "app":
        return list(without_ports(sums["service"]).tolist())
    if by == "service":
        return services
    hosts = zip(*(sums[name].tolist() for name in ADDRESS), strict=True)
    orphans = is_orphan(sums["service"]).tolist()  # frames on no flow have no remote host
    return [service if orphan else host for service, orphan, host in zip(services, orphans, hosts, strict=True)]


def _new_group(key: Any) -> _Group:  # Any: a service key or an address
    if isinstance(key, tuple):
        return _Group(Identity(None, None, None, None), address_text(*key))
    return _Group(identity(key), None)


def _top_hosts(hosts: Table, missing_bytes: int) -> dict[Hashable, str]:
    """The remote address with most bytes per service key, where what is missing could not make another one greater."""
    services, counted = hosts["service"], hosts["bytes"]
    order = np.lexsort((hosts["low_half"], hosts["high_half"], counted, services))
    services, counted = services[order], counted[order]
    last = np.flatnonzero(np.append(services[1:] != services[:-1], True))
    before = np.maximum(last - 1, 0)
    has_second = (last > 0) & (services[before] == services[last])
    second = np.where(has_second, counted[before], 0)
    certain = last[counted[last] >= second + missing_bytes]
    keys = services[certain].tolist()
    addresses = zip(*(hosts[name][order[certain]].tolist() for name in ADDRESS), strict=True)
    return {key: address_text(*address) for key, address in zip(keys, addresses, strict=True)}
