"""Sizes that a user names: ``--ring-size 64MB`` → bytes.

A whole number and its unit: kB, MB, GB, TB of a thousand, KiB, MiB, GiB, TiB of 1024, in any case of letters.
"""

from __future__ import annotations

import re

from portcall.errors import UsageError

_UNITS: dict[str, int] = {
    **{f"{letter}b": 1000**power for power, letter in enumerate("kmgt", 1)},
    **{f"{letter}ib": 1024**power for power, letter in enumerate("kmgt", 1)},
}
_SIZE = re.compile(rf"(\d{{1,12}}) ?({'|'.join(_UNITS)})", re.ASCII | re.IGNORECASE)


def size_bytes(text: str, option: str, least: int, most: int) -> int:
    """How many bytes are meant; UsageError for what is no size, or not from ``least`` to ``most``."""
    match = _SIZE.fullmatch(text.strip())
    size: int = int(match[1]) * _UNITS[match[2].lower()] if match else 0
    if not match or not least <= size <= most:
        wrong = "not a size" if not match else "too little" if size < least else "too much"
        raise UsageError(f"{option} {text}: {wrong}. Write it like 64MB or 1GiB, from {_text(least)} to {_text(most)}")
    return size


def _text(size: int) -> str:
    """As a user may write it, in the unit that gives the least whole number."""
    count, unit = min((size // one, unit) for unit, one in _UNITS.items() if size % one == 0)
    written = unit[0] if unit == "kb" else unit[0].upper()
    return f"{count}{written}{unit[1:-1]}B"
