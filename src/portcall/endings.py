"""Ending signals: SIGINT (Ctrl-C), SIGTERM and SIGHUP (a closed terminal) all end a command as Ctrl-C does.

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

    def _ask(self, number: int, _: FrameType | None) -> None:
        self.is_asked = True
        _first.append(number)


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
