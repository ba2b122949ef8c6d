"""Regular expressions that somebody types: tried before they are used, and given up where they take too long.

Python's engine tries every way to divide a text, and ``(a+)+$`` has as many as there are subsets of its letters. No
rule about the expression alone tells which are bad, so the time does: each search has PATIENCE_S, kept by an alarm,
which the engine obeys. Only the main thread of a system with alarms is bounded so. See decision 14.
"""

from __future__ import annotations

import re
import signal
import threading
import warnings
from typing import TYPE_CHECKING, Any

from portcall.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_S = 0.25
"""How long one search may take, and up to twice as long; common ones take a microsecond."""
_PROBE_LENGTH = 200
_MOST_PROBES = 24
_NOWHERE = "\0"
"""A letter that hardly any expression ends with."""


class _TooLong(Exception):  # noqa: N818 - a signal's, caught here
    """The alarm."""


def compile_pattern(text: str, where: str) -> Callable[[str], bool]:
    """A test whether the expression is anywhere in a text; UsageError, begun by ``row_filter``, for one that is none.

    The test raises UsageError where it takes too long.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what a later Python may read otherwise
            pattern = re.compile(text)
    except (re.error, OverflowError, RecursionError, MemoryError) as error:
        raise UsageError(f"{where}: not a regular expression: {error or 'it is too large'}") from error

    def is_in(content: str) -> bool:
        _alarm.begin()
        try:
            return pattern.search(content) is not None
        except _TooLong:
            raise UsageError(f"{where}: this expression takes too long; avoid repeats inside repeats") from None
        finally:
            _alarm.is_searching = False

    for probe in _probes(text):
        is_in(probe)
    return is_in


def _probes(text: str) -> list[str]:
    """Texts that make bad expressions slow: many of each letter that it names, and no match at the end."""
    letters = dict.fromkeys([*"a0. ", *(letter for letter in text if letter.isalnum() or letter in "._- ")])
    return [text * 5 + _NOWHERE, *(letter * _PROBE_LENGTH + _NOWHERE for letter in list(letters)[:_MOST_PROBES])]


class _Alarm:
    """Ends a search that is still the same at its second tick.

    It ticks only while there are searches, so that one of them costs no call of the system.
    """

    def __init__(self) -> None:
        self.is_searching = False
        self._searches = 0
        self._seen = 0
        self._is_set = False
        self._before: Any = None  # Any: what signal.signal gives

    def begin(self) -> None:
        """Watch a search from now on."""
        self._searches += 1
        self.is_searching = True
        if not self._is_set and hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread():
            self._is_set, self._seen = True, self._searches
            self._before = signal.signal(signal.SIGALRM, self._tick)
            signal.setitimer(signal.ITIMER_REAL, PATIENCE_S, PATIENCE_S)

    def _tick(self, *_: object) -> None:
        is_same, self._seen = self._seen == self._searches, self._searches
        if is_same:
            self._is_set = False
            signal.setitimer(signal.ITIMER_REAL, 0)
            _take_pending(signal.SIGALRM)
            signal.signal(signal.SIGALRM, self._before)
            if self.is_searching:
                raise _TooLong


def _take_pending(number: signal.Signals) -> None:
    """Take a signal that is on its way to another thread: by the time it comes, it may end the process."""
    if hasattr(signal, "sigtimedwait"):
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
        signal.sigtimedwait({number}, 0)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


_alarm = _Alarm()
