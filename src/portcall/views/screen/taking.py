"""Pictures out of reports: the arrays by which rows are told apart, sorted and left out.

Only the few columns that this takes are made of all rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from portcall.records.column_values import Columns, Numbers, Words
from portcall.records.report_rows import Rows
from portcall.records.schema import column_names, directions
from portcall.views.screen.pictures import Picture
from portcall.views.screen.row_keys import row_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from portcall.records.column_values import ColumnValues
    from portcall.records.report import Report
    from portcall.views.screen.pictures import ScreenQuestion
    from portcall.views.screen.row_rates import RowRates

SILENT_NS = 120_000_000_000
"""After so long without a packet a row counts as closed: conversations leave live's memory then."""
_CLOSED = frozenset({"SF", "REJ", "RSTO", "RSTR", "RSTOS0", "RSTRH", "SH", "SHR"})
"""States of TCP, in Zeek's words, after which nothing more comes."""
TUNNELS = frozenset(
    {"wireguard", "openvpn", "ike", "ipsec-nat-t", "l2tp", "pptp", "vxlan", "geneve", "gtp-u", "teredo", "zerotier"}
    | {"tailscale", "ip-4", "ip-41", "ip-47", "ip-50", "ip-51", "ip-94", "ip-97", "ip-137", "gre", "esp", "ah"}
)
"""Services and protocols whose packets carry packets of others."""


def picture_of(
    question: ScreenQuestion,
    report: Report,
    rows: Rows,
    by: str,
    rates: RowRates | None,
    taken_s: float,
) -> Picture:
    """The picture of rows by a grouping, or of sums of an opened row (``part``).

    ``rates`` are those of these rows, None where there are none to be had.
    """
    out, back = directions("flow" if by == "part" else by)
    wanted = {f"bytes_{out}", f"bytes_{back}", "last_ns", "state", "protocol", "service", "services", "app_source"}
    wanted |= {"application_protocol"} if by == "flow" else set()
    blocks = list(rows.blocks(names=frozenset(wanted)))
    totals = np.stack([_joined(blocks, f"bytes_{way}") for way in (out, back)])
    keys = row_keys(rows, by)
    now_ns = report.window_ns[1] if report.window_ns else 0
    last_ns = _joined(blocks, "last_ns", now_ns)
    rated, are_known = rates.update(keys, totals, taken_s) if rates else (np.zeros(totals.shape), False)
    return Picture(
        question,
        report,
        rows,
        keys,
        totals,
        rated,
        _closed(blocks, by) | (last_ns < now_ns - SILENT_NS),
        _tunnels(blocks, by),
        taken_s,
        shares=shares_of(blocks, totals),
        history=rates.history() if rates else _no_history,
        has_rates=are_known,
    )


def _no_history(_: int) -> Sequence[float]:
    return ()


def rows_of(report: Report) -> Rows:
    """The rows of a report, as columns also where they are dictionaries."""
    if isinstance(report.rows, Rows):
        return report.rows
    names = column_names(report.by)
    columns = Columns.of_rows(report.rows)
    return Rows(names, [columns], np.arange(len(columns)))


def shares_of_report(report: Report) -> dict[str, int]:
    """Bytes of a report by what their app rests on."""
    out, back = (f"bytes_{way}" for way in directions(report.by))
    blocks = list(rows_of(report).blocks(names=frozenset({out, back, "app_source"})))
    return shares_of(blocks, np.stack([_joined(blocks, way) for way in (out, back)]))


def shares_of(blocks: Sequence[Columns], totals: NDArray[np.int64]) -> dict[str, int]:
    """Bytes by what their app rests on."""
    shares: dict[str, int] = {}
    start = 0
    for block in blocks:
        sources = block.by_name.get("app_source")
        counts = totals[:, start : start + len(block)].sum(axis=0)
        start += len(block)
        if not isinstance(sources, Words):
            continue
        sums = np.bincount(sources.codes, counts, minlength=len(sources.words)) if len(sources.words) else ()
        for word, count in zip(sources.words, sums, strict=True):
            if word is not None and count:
                shares[word] = shares.get(word, 0) + int(count)
    return shares


def _joined(blocks: Sequence[Columns], name: str, otherwise: int = 0) -> NDArray[np.int64]:
    arrays = [np.zeros(0, np.int64)]
    for block in blocks:
        values = block.by_name.get(name)
        if not isinstance(values, Numbers):
            arrays.append(np.full(len(block), otherwise, np.int64))
        elif values.is_known is None:
            arrays.append(values.values.astype(np.int64))
        else:
            arrays.append(np.where(values.is_known, values.values, otherwise).astype(np.int64))
    return np.concatenate(arrays)


def _closed(blocks: Sequence[Columns], by: str) -> NDArray[np.bool_]:
    if by != "flow":
        return np.zeros(sum(map(len, blocks)), np.bool_)
    held = [
        _holds(block.by_name.get("state"), len(block), _CLOSED.__contains__)
        & _holds(block.by_name.get("protocol"), len(block), "tcp".__eq__)
        for block in blocks
    ]
    return np.concatenate([*held, np.zeros(0, np.bool_)])


def _tunnels(blocks: Sequence[Columns], by: str) -> NDArray[np.bool_]:
    held = []
    for block in blocks:
        if by == "flow":
            names = ("service", "application_protocol", "protocol")
            found = [_holds(block.by_name.get(name), len(block), TUNNELS.__contains__) for name in names]
            held.append(np.logical_or.reduce(found))
        else:
            name = "service" if by == "service" else "services"
            held.append(_holds(block.by_name.get(name), len(block), _are_tunnels))
    return np.concatenate([*held, np.zeros(0, np.bool_)])


def _are_tunnels(services: Any) -> bool:  # Any: a text or a list of them
    return services in TUNNELS if isinstance(services, str) else bool(services) and TUNNELS.issuperset(services)


def _holds(values: ColumnValues | None, count: int, is_so: Any) -> NDArray[np.bool_]:  # Any: a test of any word
    """bool[n]: whether it is so, asked once for each word."""
    if not isinstance(values, Words):
        return np.zeros(count, np.bool_)
    found = np.array([word is not None and bool(is_so(word)) for word in values.words], np.bool_)
    return found[values.codes] if len(found) else np.zeros(count, np.bool_)
