"""Traffic over time as the page's chart has it: the apps with most bytes, all others, and what has no app."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from portcall.exports._page_columns import blocks_of, places_of
from portcall.records.column_values import Numbers, Words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from portcall.records.report import Report

MOST_APPS = 8
"""With an area of their own, a colour and a pattern each."""
MOST_BUCKETS = 5000
"""More than a chart has pixels: more of them are added up, some at a time."""
_DIRECTIONS = ("bytes_out", "bytes_in")


def over_time(report: Report) -> dict[str, Any]:  # Any: what JSON has
    """Bytes of each app in each bucket, of a report by app split by time.

    ``buckets`` are numbers from ``first_ns`` on; those without traffic are left out. What has no time is a sum.
    """
    width_ns = report.bucket_width_ns or 1
    apps, starts, counts = _rows(report)
    has_time = np.ones(len(starts.values), np.bool_) if starts.is_known is None else starts.is_known
    timeless = int(counts[~has_time].sum())
    codes, numbers, counts = apps.codes[has_time], starts.values[has_time] // width_ns, counts[has_time]
    times = 1
    while len(np.unique(numbers // times)) > MOST_BUCKETS:
        times *= 2
    buckets, of_row = np.unique(numbers // times, return_inverse=True)
    areas, of_app = _areas(apps.words, np.bincount(codes, counts.sum(axis=1), len(apps.words)))
    sums = np.zeros((len(areas), len(buckets), len(_DIRECTIONS)), np.int64)
    np.add.at(sums, (of_app[codes], of_row), counts)
    first = int(buckets[0]) if len(buckets) else 0
    return {
        "width_ns": width_ns * times,
        "first_ns": first * width_ns * times,
        "buckets": (buckets - first).tolist(),
        "bytes_without_time": timeless,
        "series": [
            {"name": name, "is_rest": is_rest, "out": counted[:, 0].tolist(), "in": counted[:, 1].tolist()}
            for (name, is_rest), counted in zip(areas, sums, strict=True)
            if counted.any()
        ],
    }


def _areas(apps: Sequence[Any], totals: NDArray[Any]) -> tuple[list[tuple[Any, bool]], NDArray[np.int64]]:
    """Name and whether it is of all others, of each area from below; and the area of each app."""
    order = [app for app in np.argsort(-totals, kind="stable").tolist() if apps[app] is not None]
    own = order[:MOST_APPS] if len(order) > MOST_APPS + 1 else order
    of_app = np.full(len(apps), len(own), np.int64)
    of_app[own] = np.arange(len(own))
    of_app[[app for app, name in enumerate(apps) if name is None]] = len(own) + 1
    return [*((apps[app], False) for app in own), (None, True), (None, False)], of_app


def _rows(report: Report) -> tuple[Words, Numbers, NDArray[np.int64]]:
    """The app of each row, when its bucket begins, and int64[n, 2]: bytes out and in."""
    places: dict[Any, int] = {None: 0}
    codes, starts, known = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0, np.bool_)]
    counts = [np.zeros((0, len(_DIRECTIONS)), np.int64)]
    for block in blocks_of(report.rows):
        app, start = block.by_name.get("app"), block.by_name.get("bucket_ns")
        codes.append(places_of(app, places) if isinstance(app, Words) else np.zeros(len(block), np.int64))
        if not isinstance(start, Numbers):
            start = Numbers(np.zeros(len(block), np.int64), np.zeros(len(block), np.bool_))
        starts.append(start.values)
        known.append(np.ones(len(block), np.bool_) if start.is_known is None else start.is_known)
        both = (block.by_name[name] for name in _DIRECTIONS)
        counts.append(np.stack([one.values for one in both if isinstance(one, Numbers)], axis=1))
    return (
        Words(np.concatenate(codes), list(places)),
        Numbers(np.concatenate(starts), np.concatenate(known)),
        np.concatenate(counts),
    )
