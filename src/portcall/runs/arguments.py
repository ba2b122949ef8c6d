"""What programs hand to the library, as the runs take it; UsageError, which says what is right, for anything else.

A command line's words are checked where its options are declared; a call's arguments here, before anything is read.
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, TypeVar

from portcall.errors import UsageError
from portcall.records.schema import LIVE_GROUPINGS, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from typing import Literal, TypedDict

    from portcall.comparison.baselines import Baseline
    from portcall.owners import BackEnd
    from portcall.probes.scanner import Manner
    from portcall.runs.streaming.stream_options import StreamOptions

    Word = TypeVar("Word", bound=object)
    Text = str | os.PathLike[str]
    Texts = Text | Iterable[Text]

    class LiveArguments(TypedDict, total=False):
        """What a program may hand to ``portcall.live``, but for ``every``."""

        duration: float | None
        interface: Texts
        netns: Texts
        by: str
        filter: str | None
        local: Texts
        where: str | None
        top: int | None
        names: bool
        geo: Texts
        bucket: str | None
        page: bool
        resolve: bool
        source: Literal["ring", "scapy"] | None
        ring_size: str | None
        owners: BackEnd | None
        expect: Text | Baseline | None


_MOST_SHOWN = 60
_LONGEST_WORD = 20


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


def one_of(name: str, given: Word, choices: Collection[object]) -> Word:
    """One of a few words or numbers."""
    if given not in choices:
        raise UsageError(
            f"{name}={_shown(given)}: no such choice{did_you_mean(str(given)[:9], tuple(map(str, choices)))}"
        )
    return given


def one_of_or_none(name: str, given: Word | None, choices: Collection[object]) -> Word | None:
    """The same, or None."""
    return None if given is None else one_of(name, given, choices)


def flag(name: str, given: bool) -> bool:  # noqa: FBT001 - this is what is checked
    """True or False."""
    if not isinstance(given, bool):
        raise refused(name, given, "must be True or False")
    return given


def count(name: str, given: int) -> int:
    """A whole number of at least 1."""
    if not isinstance(given, int) or isinstance(given, bool) or given < 1:
        raise refused(name, given, "must be a whole number of at least 1")
    return given


def optional_count(name: str, given: int | None) -> int | None:
    """The same, or None."""
    return None if given is None else count(name, given)


def seconds(name: str, given: float) -> float:
    """A time above zero."""
    if not isinstance(given, int | float) or isinstance(given, bool) or not 0 < given < math.inf:
        raise refused(name, given, "must be a number of seconds above 0")
    return float(given)


def optional_seconds(name: str, given: float | None) -> float | None:
    """The same, or None."""
    return None if given is None else seconds(name, given)


def stream(idle_timeout: float | None, active_timeout: float | None, memory: str | None) -> StreamOptions:
    """How long conversations stay, in how much memory."""
    from portcall.runs.streaming.memory_bound import memory_bytes
    from portcall.runs.streaming.stream_options import StreamOptions

    size = optional_text("memory", memory)
    return StreamOptions(
        optional_seconds("idle_timeout", idle_timeout),
        optional_seconds("active_timeout", active_timeout),
        None if size is None else memory_bytes(size),
    )


def manner(timeout: float, concurrency: int, banner: bool) -> Manner:  # noqa: FBT001 (as it was handed over)
    """How ports are asked."""
    from portcall.probes.scanner import Manner

    return Manner(seconds("timeout", timeout), count("concurrency", concurrency), flag("banner", banner))


def grouping(by: str, expect: Text | Baseline | None) -> str:
    """What rows are of; what is held against a baseline is a conversation."""
    return one_of("by", by, LIVE_GROUPINGS) if expect is None else "flow"


def baseline(given: Text | Baseline | None, by: str, *, page: bool) -> Baseline | None:
    """What rows by flow are held against: a baseline, or the path of one."""
    from portcall.comparison.baselines import Baseline

    if given is None:
        return None
    if by not in ("app", "flow") or page:
        raise UsageError("expect judges conversations, and has rows by flow: leave out by and page")
    if isinstance(given, Baseline):
        return given
    if not isinstance(given, str | os.PathLike):
        raise refused("expect", given, "must be a path, or what portcall.baseline gave")
    from portcall.runs.comparing.baseline_file import read_baseline

    return read_baseline(os.fspath(given), "expect")


def check_grouping(by: str, *, names: bool) -> None:
    """UsageError where rows by ``by`` are wanted of a run that does not inspect payloads, and they need that."""
    if by == "query" and not names:
        raise UsageError("--by query needs what --no-names skips: the questions stand in payloads")


def states(name: str, given: str | Iterable[str]) -> list[str]:
    """States of conversations, as ss writes them; in any case, with - or _, and long words too."""
    from portcall.sockets.state_words import state_of

    return [state_of(word) for word in texts(name, given)]


def refused(name: str, given: object, right: str) -> UsageError:
    """The error for an argument, which shows it and what would be right."""
    return UsageError(f"{name}={_shown(given)}: {right}")


def _shown(given: object) -> str:
    shown = repr(given)
    return shown if len(shown) <= _MOST_SHOWN else f"{shown[:_MOST_SHOWN]}…"
