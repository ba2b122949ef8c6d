"""Grouped rows: sums per service (and remote address) → one row per app, service or host.

Everything is computed as whole columns: a scan alone makes tens of thousands of rows.
"""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING

import numpy as np

from portcall.attribution.bucket_rows import bucket_column
from portcall.attribution.flow_columns import times
from portcall.attribution.principals import QUALITIES, told_principal
from portcall.flows.aggregation import BUCKET, CREDITS, HOST, SERVICE, grouped, summed
from portcall.flows.local_networks import host_text
from portcall.labels.service_keys import SOURCES, WITHOUT_FIRST, are_unmatched
from portcall.records.column_values import Columns, Numbers, Words, of_values
from portcall.records.report import Degradation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from portcall.attribution.principals import Principals
    from portcall.flows.aggregation import Sums
    from portcall.labels.registry import Registry
    from portcall.records.column_values import ColumnValues

MOST_HOSTS = 300_000
"""Pairs of app and remote address that are kept of twice as many, 32 MB; then a top host may be uncertain."""

_MOST_SERVICES = 10
_MEASURES = ("flows", "packets_out", "packets_in", "bytes_out", "bytes_in", "payload_out", "payload_in")
_PRINCIPAL = ("app", "app_source", "process", "unattributed_reason")


def group_rows(by: str, sums: NDArray[np.void], hosts: Sums, registry: Registry, width_ns: int = 0) -> Columns:
    """The rows of one grouping, in no order; one a bucket that is ``width_ns`` wide, where that is not 0.

    ``aggregation`` are CREDIT[n], one per service key, for ``host`` per service key and remote host. ``hosts`` are
    HOST_CREDIT per service key of a row and remote host, but for ``host``.
    """
    keyed = _keyed(by, sums, registry)
    table = summed(keyed, CREDITS)
    columns = {**_measure_columns(table, width_ns), **_identity_columns(by, table, registry)}
    if by == "service":
        columns["services"] = Words.each([label] if label else [] for label in columns["service"].plain())
    else:
        columns["services"] = Words.each(_services(keyed, (*SERVICE, *HOST, *BUCKET), sums["service"], registry))
    if by != "host":
        rows = zip(table["service"].tolist(), table["bucket"].tolist(), strict=True)
        columns["top_host"] = Words.each(map(_top_hosts(hosts, registry).get, rows))
    return Columns(len(table), columns)


def principal_rows(
    principals: Principals, sums: NDArray[np.void], hosts: Sums, registry: Registry, width_ns: int = 0
) -> Columns:
    """The rows of flows whose owners were asked for, in no order, from CREDIT[n], one per service key and principal.

    ``hosts`` are HOST_CREDIT per principal and remote host.
    """
    keyed = sums.copy()
    keyed["service"], keyed["principal"] = sums["principal"], 0
    table = summed(keyed, CREDITS)
    numbers = table["service"].tolist()
    qualities = table["quality"].tolist()
    columns = {
        **_measure_columns(table, width_ns),
        **{name: Words.each(getattr(principals[number], name) for number in numbers) for name in _PRINCIPAL},
        "pid": of_values([principals.pid(number) for number in numbers]),
        "script": Words.each(principals.script(number) for number in numbers),
        "user": Words.each(principals.user(number) for number in numbers),
        "owner_quality": Words.each(
            None if principals[number].unattributed_reason == WITHOUT_FIRST else QUALITIES[quality]
            for number, quality in zip(numbers, qualities, strict=True)
        ),
        "services": Words.each(_services(keyed, (*SERVICE, *BUCKET), sums["service"], registry)),
        "top_host": Words.each(
            map(_top_hosts(hosts, registry).get, zip(numbers, table["bucket"].tolist(), strict=True))
        ),
    }
    return Columns(len(table), columns)


def _measure_columns(table: NDArray[np.void], width_ns: int) -> dict[str, ColumnValues]:
    return {
        **({"bucket_ns": bucket_column(table["bucket"], width_ns)} if width_ns else {}),
        **{name: Numbers(table[name].astype(np.int64)) for name in _MEASURES},
        **{name: times(table[name]) for name in ("first_ns", "last_ns")},
    }


def _keyed(by: str, sums: NDArray[np.void], registry: Registry) -> NDArray[np.void]:
    """The same with the keys of their rows in the report: a service key, for ``host`` a host, and 0 for the other."""
    keyed = sums.copy()
    if by == "service":
        keyed["service"] = registry.label_keys(sums["service"])
    elif by == "app":
        keyed["service"], keyed["quality"] = registry.app_keys(sums["service"]), registry.source_ranks(sums["service"])
    elif by == "time":
        keyed["service"] = 0
    else:
        unmatched_fragments = are_unmatched(sums["service"])
        keyed["service"][~unmatched_fragments] = 0
        for name in HOST:
            keyed[name][unmatched_fragments] = 0  # frames on no flow have no remote host
    return keyed


def _identity_columns(by: str, table: NDArray[np.void], registry: Registry) -> dict[str, ColumnValues]:
    """What each row is called, and what its app rests on."""
    if by == "time":
        return {}
    keys = table["service"].tolist()
    if by != "host":
        principals = [told_principal(registry.identity(key)) for key in keys]
        sources = [principal.app_source for principal in principals]
        if by == "app":  # of all that it rests on the weakest
            ranks = table["quality"].tolist()
            sources = [SOURCES[rank] if known.app else None for rank, known in zip(ranks, principals, strict=True)]
        return {
            "app": Words.each(principal.app for principal in principals),
            "service": Words.each(registry.identity(key).label for key in keys),
            "app_source": Words.each(sources),
            "unattributed_reason": Words.each(principal.unattributed_reason for principal in principals),
        }
    texts = map(host_text, *(table[name].tolist() for name in HOST), repeat(registry))
    hosts = Words.each(None if unmatched else text for unmatched, text in zip(keys, texts, strict=True))
    reasons = Words.each(registry.identity(unmatched).unattributed_reason if unmatched else None for unmatched in keys)
    return {"host": hosts, "top_host": hosts, "unattributed_reason": reasons}


def _services(
    keyed: NDArray[np.void], keys: Sequence[str], services: NDArray[np.int64], registry: Registry
) -> list[list[str]]:
    """The services with most bytes among all that has the same keys, greatest first, equal ones by name."""
    of_row, _ = grouped(keyed, keys)
    parts, members = grouped({"row": of_row, "service": registry.label_keys(services)}, ("row", "service"))
    rows, counted = of_row[members], np.zeros(len(members), np.uint64)
    np.add.at(counted, parts, keyed["bytes_out"] + keyed["bytes_in"])
    known, which = np.unique(registry.label_keys(services[members]), return_inverse=True)
    labels = [registry.identity(key).label or "" for key in known.tolist()]
    by_name = np.argsort(np.argsort(labels))
    order = np.lexsort((by_name[which], ~counted, rows))
    starts = np.flatnonzero(np.diff(rows[order], prepend=-1)).tolist()
    names = [labels[service] for service in which[order].tolist()]
    return [
        [name for name in names[start : min(end, start + _MOST_SERVICES)] if name]
        for start, end in zip(starts, [*starts[1:], len(names)], strict=True)
    ]


def _top_hosts(found: Sums, registry: Registry) -> dict[tuple[int, int], str]:
    """The remote address with most bytes per row and bucket, where what is missing could make no other one greater."""
    hosts = found.rows
    services, members = grouped(hosts, ("row", *BUCKET))
    counted, most, second = hosts["bytes"], *np.zeros((2, len(members)), np.uint64)
    np.maximum.at(most, services, counted)
    leads = counted == most[services]
    np.maximum.at(second, services[~leads], counted[~leads])
    leaders = np.flatnonzero(leads)
    np.copyto(second, most, where=np.bincount(services[leaders], minlength=len(members)) > 1)
    # Of equal ones the greatest address, so that it is the same however the capture was cut.
    leaders = leaders[np.lexsort((hosts["low_half"][leaders], hosts["high_half"][leaders], services[leaders]))]
    leaders = leaders[np.diff(services[leaders], append=-1) != 0]
    certain = leaders[(most >= second + np.uint64(found.missing_bytes))[services[leaders]]]
    keys = zip(hosts["row"][certain].tolist(), hosts["bucket"][certain].tolist(), strict=True)
    addresses = zip(*(hosts[name][certain].tolist() for name in HOST), strict=True)
    return {key: host_text(kind, high, low, registry) for key, (kind, high, low) in zip(keys, addresses, strict=True)}


def note_of_hosts(hosts: Sums) -> list[Degradation]:
    """What is said where pairs of app and remote address were let go: another host may have had as many bytes."""
    if not hosts.missing_bytes:
        return []
    reason = "more remote addresses were met than are kept: a top_host that is not certain is left out"
    return [Degradation("hosts", reason, "choose with --filter, or ask for rows by host")]
