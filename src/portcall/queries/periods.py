"""Periods that a user names: ``--from`` and ``--to``, and ``--forget`` with both in one word.

    2024-05-01   2024-05-01T12:30   1714566605.25      as ``moments`` has them
    7d   12h   30min   2w                               so long ago
    2024-05-01..2024-05-03   ..2024-05-01   7d..   all  from the first to before the second

The clock is an argument.
"""

from __future__ import annotations

import re

from portcall.errors import UsageError
from portcall.queries.moments import moment_ns

_SECOND_NS = 10**9
_UNITS_S = {"s": 1, "min": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_AGO = re.compile(rf"(\d{{1,9}})({'|'.join(_UNITS_S)})", re.ASCII)
_ALL, _BETWEEN = "all", ".."


def past_moment_s(text: str, option: str, now_s: int) -> int:
    """The moment in s since 1970 UTC, rounded down; UsageError for what is none."""
    ago = _AGO.fullmatch(text.strip())
    if ago:
        return now_s - int(ago[1]) * _UNITS_S[ago[2]]
    if text.strip() == "now":
        return now_s
    try:
        return moment_ns(text, option) // _SECOND_NS
    except UsageError as error:
        raise UsageError(f"{error}, or like 7d or 12h: so long ago") from error


def period_s(text: str, option: str, now_s: int) -> tuple[int | None, int | None] | None:
    """Both ends of a period in s, None for an open one; None where the text looks like no period.

    UsageError for one whose ends are none, or that is empty.
    """
    if text == _ALL:
        return None, None
    if _BETWEEN not in text:
        return None
    begin, end = (past_moment_s(word, option, now_s) if word else None for word in text.split(_BETWEEN, 1))
    if begin is not None and end is not None and begin >= end:
        raise UsageError(f"{option} {text}: it ends before it begins")
    return begin, end
