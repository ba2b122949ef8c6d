"""What programs hand to the library, as the runs take it; UsageError, which says what is right, for anything else.

A command line's words are checked where its options are declared; a call's arguments here, before anything is read.
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

from portcall.errors import UsageError
from portcall.records.schema import did_you_mean
from portcall.records.sockets import LISTENING, STATES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Text = str | os.PathLike[str]

_STATE_OF_WORD = {
    "established": "ESTAB",
    "syn-received": "SYN-RECV",
    **{state.lower(): state for state in STATES if state not in LISTENING},
}


def texts(name: str, given: Text | Iterable[Text]) -> list[str]:
    """One text or path, or many, as texts."""
    many = [given] if isinstance(given, str | os.PathLike) else given
    try:
        found: list[str | bytes] = [os.fspath(one) for one in many]
    except TypeError:
        found = [b""]
    if any(isinstance(one, bytes) for one in found):
        raise refused(name, given, "must be one text or path, or several")
    return [str(one) for one in found]


def paths(name: str, given: Text | Iterable[Text]) -> list[str]:
    """The same, at least one, and none that names nothing."""
    found = texts(name, given)
    if not found or "" in found:
        raise refused(name, given, "must name at least one capture, as a text or a Path")
    return found


def text(name: str, given: str | int) -> str:
    """One text; a number is the text of it."""
    if not isinstance(given, str | int) or isinstance(given, bool):
        raise refused(name, given, "must be a text, or a port's number")
    return str(given)


def optional_text(name: str, given: str | None) -> str | None:
    """A text or None."""
    if given is not None and not isinstance(given, str):
        raise refused(name, given, "must be a text or None")
    return given


def one_of(name: str, given: str, choices: Sequence[str]) -> str:
    """One of a few words."""
    if given not in choices:
        raise UsageError(f"{name}={given!r}: no such choice{did_you_mean(str(given), tuple(choices))}")
    return given


def flag(name: str, given: bool) -> bool:  # noqa: FBT001 - this is what is checked
    """True or False."""
    if not isinstance(given, bool):
        raise refused(name, given, "must be True or False")
    return given


def count(name: str, given: int | None) -> int | None:
    """A whole number of at least 1, or None."""
    if given is not None and (not isinstance(given, int) or isinstance(given, bool) or given < 1):
        raise refused(name, given, "must be a whole number of at least 1")
    return given


def seconds(name: str, given: float | None) -> float | None:
    """A time above zero, or None."""
    if given is None:
        return None
    if not isinstance(given, int | float) or isinstance(given, bool) or not 0 < given < math.inf:
        raise refused(name, given, "must be a number of seconds above 0")
    return float(given)


def states(name: str, given: str | Iterable[str]) -> list[str]:
    """States of conversations, as ss writes them; in any case, with - or _, and long words too."""
    return [state(word) for word in texts(name, given)]


def state(word: str) -> str:
    """The state that one word means."""
    known = word.lower().replace("_", "-")
    if known not in _STATE_OF_WORD:
        raise UsageError(f"no state '{word}'{did_you_mean(known, tuple(_STATE_OF_WORD))}")
    return _STATE_OF_WORD[known]


def refused(name: str, given: Any, right: str) -> UsageError:  # Any: whatever it was
    """The error for an argument, which shows it and what would be right."""
    shown = repr(given)
    return UsageError(f"{name}={shown if len(shown) <= 60 else shown[:60] + '…'}: {right}")  # noqa: PLR2004 - a line
