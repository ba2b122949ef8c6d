"""Rows of a history in one grouping: sums of keys → what a report has of an app, a process, a host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from portcall.attribution.principals import QUALITIES
from portcall.labels.service_keys import SOURCES
from portcall.records.kept.windows import COUNTED, CountedIn

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from portcall.records.kept.windows import WindowKey

    Row = dict[str, Any]  # Any: plain values of several types

ENDS = {
    "app": CountedIn.APP,
    "process": CountedIn.PROCESS,
    "user": CountedIn.USER,
    "host": CountedIn.HOST,
    "service": CountedIn.FIRST,
    "time": CountedIn.FIRST,
}
"""Grouping → which bit of a key's ``ends`` says that its conversations count."""
CREDITED_ONCE = ("service", "time")
"""Groupings of which the other rows do not count at all."""
_MOST_SERVICES = 10
_SEVERAL: Any = object()  # Any: it stands for a text
_NS_PER_MS = 1_000_000
_BYTES_OUT = 1 + COUNTED.index("bytes_out")


class KeySums(NamedTuple):
    """What there is of one key."""

    key: WindowKey
    sums: tuple[int, ...]
    """Its number, COUNTED, first and last in ms."""


def group_of(by: str, key: WindowKey) -> tuple[str | None, ...]:
    """What tells a row of the grouping from others."""
    name = getattr(key, by)
    if by == "user" and key.app_source == "process":
        return (name,)
    if by == "user":
        return name, key.process, key.unattributed_reason
    if by in ("host", "service"):
        return name, None if name else key.unattributed_reason
    return name, key.unattributed_reason


class _Group:
    """A row while it is summed."""

    def __init__(self, key: WindowKey) -> None:
        self.sums = [0] * len(COUNTED)
        self.first, self.last = 1 << 62, -(1 << 62)
        self.app, self.process, self.script, self.user = key.app, key.process, key.script, key.user
        self.reason, self.source, self.quality = key.unattributed_reason, key.app_source, key.owner_quality
        self.hosts: dict[str, int] = {}
        self.services: dict[str, int] = {}

    def add(self, key: WindowKey, sums: tuple[int, ...], *, counts_flows: bool) -> None:
        """Count one key in."""
        own = self.sums
        if counts_flows:
            own[0] += sums[1]
        for place in range(1, len(COUNTED)):
            own[place] += sums[place + 1]
        self.first, self.last = min(self.first, sums[-2]), max(self.last, sums[-1])
        octets = sums[_BYTES_OUT] + sums[_BYTES_OUT + 1]
        if key.host:
            self.hosts[key.host] = self.hosts.get(key.host, 0) + octets
        if key.service:
            self.services[key.service] = self.services.get(key.service, 0) + octets
        for name in ("app", "process", "script", "user"):
            if getattr(self, name) != getattr(key, name):
                setattr(self, name, _SEVERAL)
        if self.reason != key.unattributed_reason:
            self.reason = None
        self.source = _weaker(SOURCES, self.source, key.app_source)
        self.quality = _weaker(QUALITIES, self.quality, key.owner_quality)

    def _top_host(self) -> str | None:
        return max(self.hosts, key=lambda host: (self.hosts[host], host), default=None)

    def row(self, by: str, name: str | None) -> Row:
        """As a report has it."""
        is_of_owners = by in ("app", "process", "user")
        services = sorted(self.services.items(), key=lambda one: (-one[1], one[0]))[:_MOST_SERVICES]
        told = {column: _one(getattr(self, column)) for column in ("app", "process", "script", "user")}
        return {
            **(told if is_of_owners else {}),
            by: name,
            **dict(zip(COUNTED, self.sums, strict=True)),
            "first_ns": self.first * _NS_PER_MS,
            "last_ns": self.last * _NS_PER_MS,
            "app_source": self.source if is_of_owners else None,
            "owner_quality": self.quality if is_of_owners else None,
            "unattributed_reason": self.reason if is_of_owners or name is None else None,
            "top_host": name
            if by == "host"
            else max(self.hosts, key=lambda host: (self.hosts[host], host), default=None),
            "services": [service for service, _ in services],
        }


def rows_of(by: str, keys: Iterable[KeySums]) -> list[Row]:
    """The rows of one grouping, in no order."""
    groups: dict[tuple[str | None, ...], _Group] = {}
    bit, once = ENDS[by], by in CREDITED_ONCE
    for key, sums in keys:
        if once and not key.ends & CountedIn.FIRST:
            continue
        identity = group_of(by, key)
        group = groups.get(identity)
        if group is None:
            group = groups[identity] = _Group(key)
        group.add(key, sums, counts_flows=bool(key.ends & bit))
    return [group.row(by, identity[0]) for identity, group in groups.items()]


def time_row(begins_ns: int, sums: tuple[int, ...]) -> Row:
    """The row of one bucket of time."""
    first_ns, last_ns = (at_ms * _NS_PER_MS for at_ms in sums[-2:])
    return {
        "bucket_ns": begins_ns,
        **dict(zip(COUNTED, sums[1:], strict=False)),
        "first_ns": first_ns,
        "last_ns": last_ns,
        "services": [],
        "unattributed_reason": None,
    }


def merged(rows: Iterable[tuple[int, tuple[int, ...]]]) -> Mapping[int, tuple[int, ...]]:
    """Sums under one number each."""
    found: dict[int, tuple[int, ...]] = {}
    for number, sums in rows:
        known = found.get(number)
        if known is None:
            found[number] = sums
        else:
            added = (a + b for a, b in zip(known[1:-2], sums[1:-2], strict=True))
            found[number] = (number, *added, min(known[-2], sums[-2]), max(known[-1], sums[-1]))
    return found


def _weaker(order: tuple[str, ...], one: str | None, other: str | None) -> str | None:
    """What is sure of both."""
    if one == other or other is None:
        return one
    return other if one is None else max(one, other, key=order.index)


def _one(value: Any) -> Any:  # Any: text, None, or that there are several
    return None if value is _SEVERAL else value
