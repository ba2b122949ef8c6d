"""Whether memory grows, where it swings: the slope through the least of each of several windows, and how sure that is.

Memory in use goes up and down with what happens to be remembered, and does not fall below what stays. So of each window
of time the least counts, and the slope is the median of those between any two windows (Theil and Sen), which a
single window does not turn. Its interval is Sen's, from Kendall's variance: P. K. Sen, Estimates of the regression
coefficient based on Kendall's tau, Journal of the American Statistical Association 63 (1968), 1379-1389.
"""

from __future__ import annotations

import math
from itertools import combinations
from statistics import NormalDist, median
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

WINDOWS = 10
_CONFIDENCE = 0.95
_LEAST_WINDOWS = 5
"""With fewer no interval of such confidence is narrower than all slopes."""


class Growth(NamedTuple):
    """In units an hour; the true slope is between ``least`` and ``most`` with a confidence of 95 %."""

    slope: float
    least: float
    most: float

    def verdict(self, allowed: float) -> str:
        """Whether it is at most so much an hour, as far as the interval tells."""
        if self.most <= allowed:
            return f"at most {allowed:g} MB an hour"
        if self.least > allowed:
            return f"more than {allowed:g} MB an hour"
        return f"{allowed:g} MB an hour is inside the interval: a longer run would tell"


def growth(samples: Sequence[tuple[float, float]], windows: int = WINDOWS) -> Growth | None:
    """Of samples (seconds, amount) in order of time; None where there are too few for an interval."""
    if not samples:
        return None
    first_s, span_s = samples[0][0], samples[-1][0] - samples[0][0]
    least: dict[int, tuple[float, float]] = {}
    for second, amount in samples:
        window = min(int((second - first_s) / span_s * windows), windows - 1) if span_s else 0
        least[window] = min(least.get(window, (second, amount)), (second, amount), key=lambda one: one[1])
    if len(least) < _LEAST_WINDOWS:
        return None
    slopes = sorted(
        (later - earlier) / (later_s - earlier_s) * 3600
        for (earlier_s, earlier), (later_s, later) in combinations(least.values(), 2)
    )
    count = len(least)
    deviation = math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    beyond = (len(slopes) - NormalDist().inv_cdf((1 + _CONFIDENCE) / 2) * deviation) / 2
    outside = max(math.floor(beyond), 0)
    return Growth(median(slopes), slopes[outside], slopes[-1 - outside])
