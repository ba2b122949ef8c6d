"""Ending signals: SIGINT (Ctrl-C), SIGTERM and SIGHUP (a closed terminal) all end a command as Ctrl-C does.

A service is told more: SIGUSR1 asks for a report now, and SIGHUP, where no terminal can close, for a new file.

The first one is raised as a KeyboardInterrupt where the command is, or, inside ``Stop``, only noted. From then on what
was counted is being reported: further SIGTERM and SIGHUP, of which a shell and a closing terminal each send one, change
nothing, and Ctrl-C ends at once. What was ignored when we began (SIGHUP by nohup, SIGINT by a script's ``&``) stays so.
"""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType

_KILLED = 128
"""Plus the signal's number, as shells say it."""
_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)  # Windows has no SIGHUP
_first: list[int] = []


def inspect_endings() -> None:
    """Raise a KeyboardInterrupt for every ending signal, from now on."""
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _raise)


def ending_status() -> int:
    """The exit status of a command that was ended: 130 by Ctrl-C, 128 and its number by another signal."""
    return _KILLED + (_first[0] if _first else signal.SIGINT)


class Stop:
    """Ending signals as a wish that a loop looks at, so that nothing that was read is lost on the way.

    SIGINT counts also where a script's ``&`` has it ignored.
    """

    def __init__(self) -> None:
        self.is_asked = False
        self.descriptor, self._bell = os.pipe()
        """Readable once there was a signal."""
        os.set_blocking(self._bell, False)
        self._bell_before = -1

    def __enter__(self) -> Stop:  # noqa: PYI034 - Self is of Python 3.11
        self._bell_before = signal.set_wakeup_fd(self._bell, warn_on_full_buffer=False)
        self._before = {number: signal.getsignal(number) for number in _SIGNALS}
        for number, handler in self._before.items():
            if handler is not signal.SIG_IGN or number == signal.SIGINT:
                signal.signal(number, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self.is_asked:
            _let_only_ctrl_c_end()
        signal.set_wakeup_fd(self._bell_before)
        os.close(self.descriptor)
        os.close(self._bell)

    def ask(self) -> None:
        """End as by Ctrl-C, where that is a key and no signal."""
        self._ask(signal.SIGINT, None)

    def _ask(self, number: int, _: FrameType | None) -> None:
        self.is_asked = True
        _first.append(number)


class Wishes(Stop):
    """The same, and what else a service is asked for: a report now (SIGUSR1), and where it may mean that a new file."""

    def __init__(self, *, hangup_begins_anew: bool = False) -> None:
        super().__init__()
        os.set_blocking(self.descriptor, False)
        self.is_terminated = False
        """Whether it was SIGTERM that ended it."""
        self._asked_for: set[int] = set()
        self._wishes = [signal.SIGUSR1] if hasattr(signal, "SIGUSR1") else []
        self._wishes += [signal.SIGHUP] if hangup_begins_anew else []

    def __enter__(self) -> Wishes:  # noqa: PYI034 - as above
        super().__enter__()
        for number in self._wishes:
            self._before.setdefault(number, signal.getsignal(number))
            signal.signal(number, self._wish)
        return self

    def wants_report(self) -> bool:
        """Whether a report is asked for; then not again until it is once more."""
        return self._take("SIGUSR1")

    def wants_new_file(self) -> bool:
        """Whether a new file is asked for; then not again until it is once more."""
        return self._take("SIGHUP")

    def heard(self) -> None:
        """The descriptor is readable no more until there is another signal, unless it is to end."""
        with contextlib.suppress(BlockingIOError):
            while not self.is_asked and os.read(self.descriptor, 64):
                pass

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.is_terminated = number == signal.SIGTERM and not self.is_asked
        super()._ask(number, frame)

    def _wish(self, number: int, _: FrameType | None) -> None:
        self._asked_for.add(number)

    def _take(self, name: str) -> bool:
        number = getattr(signal, name, None)
        is_asked = number in self._asked_for
        self._asked_for.discard(number)
        return is_asked


class PatientStream:
    """A text stream for people: where it breaks, as with its terminal, nobody reads it, and nothing else is lost."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write, or not."""
        try:
            return self._stream.write(text)
        except OSError:
            self._lead_nowhere()
            return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write all, or not."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush, or not."""
        try:
            self._stream.flush()
        except OSError:
            self._lead_nowhere()

    def _lead_nowhere(self) -> None:
        """What is still in buffers goes there too."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)
        with contextlib.suppress(OSError):
            self._stream.flush()


def _raise(number: int, _: FrameType | None) -> None:
    _first.append(number)
    _let_only_ctrl_c_end()
    raise KeyboardInterrupt


def _let_only_ctrl_c_end() -> None:
    for number in _SIGNALS:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_IGN)
