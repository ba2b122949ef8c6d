"""Moments that a user names: ``--from`` and ``--to`` → ns since 1970 UTC.

    2024-05-01                    midnight, UTC            1714564800          seconds since 1970, also with decimals
    2024-05-01T12:30:05.25        UTC                      2024-05-01 12:30+02:00      with an offset; Z is UTC

What captures hold are such times too, so that no zone of this machine changes what a report says.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone

from portcall.errors import UsageError

_SECONDS = re.compile(r"(\d{1,10})(?:\.(\d{1,9}))?", re.ASCII)
_DATE = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?\s?(Z|[+-]\d\d:\d\d)?", re.ASCII | re.IGNORECASE
)
_EXAMPLE = "Write it like 2024-05-01T12:30:05 (UTC), 2024-05-01T14:30+02:00 or 1714566605.25"


def moment_ns(text: str, option: str) -> int:
    """The moment in ns since 1970 UTC; UsageError, with the option's name, for what is none."""
    seconds = _SECONDS.fullmatch(text)
    if seconds:
        return int(seconds[1]) * 10**9 + _fraction_ns(seconds[2])
    date = _DATE.fullmatch(text.strip())
    if not date:
        raise UsageError(f"{option} {text}: not a time. {_EXAMPLE}")
    day, minutes, whole_seconds, fraction, zone = date.groups()
    offset = "+00:00" if not zone or zone in "Zz" else zone
    try:
        moment = datetime.fromisoformat(f"{day}T{minutes or '00:00'}:{whole_seconds or '00'}{offset}")
    except ValueError as error:
        raise UsageError(f"{option} {text}: not a time: {error}. {_EXAMPLE}") from error
    since = moment - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return (since.days * 86400 + since.seconds) * 10**9 + _fraction_ns(fraction)


def _fraction_ns(digits: str | None) -> int:
    return int((digits or "").ljust(9, "0"))
