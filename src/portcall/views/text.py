"""Text for people: what came from a packet made harmless, and numbers rounded with units.

Only the standard library, so that an error message costs no import.
"""

from __future__ import annotations

import os
import sys
import unicodedata
from itertools import chain
from typing import TYPE_CHECKING

from portcall.records.printable_text import shown

if TYPE_CHECKING:
    from portcall.records.report import Degradation

_MOST_MARKS = 2  # combining characters kept after each character: real text needs no more, a flood fills the screen
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB")
_SECONDS_PER = {"d": 86_400, "h": 3600, "min": 60}


def visible(text: str, width: int | None = None) -> str:
    r"""The text as a terminal may show it, in at most ``width`` columns; ``…`` marks a cut.

    What is not printable (control, bidi and zero-width characters, line breaks, NUL, surrogates) becomes ``\x1b``,
    ``\u202e`` and so on; of combining characters the first two after each character stay.
    """
    if text.isascii() and text.isprintable() and (width is None or len(text) <= width):
        return text  # nearly all there is, and much faster
    kept: list[str] = []
    used = marks = 0
    for letter in chain.from_iterable(map(shown, text)):
        is_mark = unicodedata.category(letter).startswith("M")
        marks = marks + 1 if is_mark else 0
        if marks > _MOST_MARKS:
            continue
        used += columns(letter)
        if width is not None and used > width:
            return _with_ellipsis(kept, width)
        kept.append(letter)
    return "".join(kept)


def columns(text: str) -> int:
    """How many columns of a terminal a printable text takes; East Asian wide characters take two, marks none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.category(c) in ("Mn", "Me") else 1 + (unicodedata.east_asian_width(c) in "WF") for c in text
    )


def terminal_columns(otherwise: int = 80) -> int:
    """How wide the terminal is, by COLUMNS if that is set: as ``shutil`` says it, which is slow to import."""
    try:
        told = int(os.environ["COLUMNS"])
    except (KeyError, ValueError):
        told = 0
    if told > 0:
        return told
    try:
        return os.get_terminal_size(sys.__stdout__.fileno()).columns or otherwise  # type: ignore[union-attr] # caught
    except (AttributeError, ValueError, OSError):  # closed, or no terminal
        return otherwise


def _with_ellipsis(kept: list[str], width: int) -> str:
    while kept and columns("".join(kept)) > width - 1:
        kept.pop()
    return "".join(kept) + "…" if width else ""


def bytes_text(count: int) -> str:
    """A number of bytes in three digits and a decimal unit: ``0 B``, ``1.50 kB``, ``12.3 MB``, ``557 GB``."""
    amount, unit = float(count), 0
    while amount >= 999.5 and unit < len(_UNITS) - 1:  # noqa: PLR2004 - where three digits round up to four
        amount, unit = amount / 1000, unit + 1
    digits = 0 if not unit or amount >= 99.95 else 1 if amount >= 9.995 else 2  # noqa: PLR2004 - as above
    return f"{amount:.{digits}f} {_UNITS[unit]}"


def note_text(note: Degradation) -> str:
    """What ran with less, as people are told."""
    return f"note: {note.feature}: {note.reason}. Remedy: {note.remedy}"


def count_text(count: int) -> str:
    """A number with thin gaps between thousands: ``1 234 567``."""
    return f"{count:,}".replace(",", " ")


def counted_text(count: int, thing: str) -> str:
    """How many of a thing whose plural takes an s: ``1 socket``, ``1 234 sockets``."""
    return f"{count_text(count)} {thing}{'' if count == 1 else 's'}"


def duration_text(duration_ns: int) -> str:
    """A time span in the unit that suits it: ``0.52 ms``, ``12.3 s``, ``3 min 20 s``, ``2 d 4 h``."""
    seconds = duration_ns / 1e9
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.3g} s"
    left, words = int(seconds), []
    for unit, length in (*_SECONDS_PER.items(), ("s", 1)):
        if left >= length:
            words.append(f"{left // length} {unit}")
            left %= length
    return " ".join(words[:2])


def moment_text(time_ns: int) -> str:
    """A moment in UTC, with as many decimals as it has, by threes: ``2024-05-01 12:30:05.250``."""
    from datetime import datetime, timedelta, timezone

    seconds, fraction_ns = divmod(time_ns, 10**9)
    whole = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=seconds)
    digits = f"{fraction_ns:09}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return f"{whole:%Y-%m-%d %H:%M:%S}" + (f".{digits}" if digits else "")


def share_text(part: int, whole: int) -> str:
    """A share in per cent, one decimal below ten: ``<0.1 %`` where there is something, ``100 %`` only of everything."""
    if not part:
        return "0 %"
    if part == whole:
        return "100 %"
    percent = 100 * part / whole
    if percent < 0.1:  # noqa: PLR2004 - the least that one decimal shows
        return "<0.1 %"
    return f"{percent:.1f} %" if percent < 9.95 else f"{min(round(percent), 99)} %"  # noqa: PLR2004 - rounds to 10.0
