"""A helper: a process of this program that does what the rest may not, once it is confined.

It reads nothing but its one socket, and ends when the other side of that is closed, however that came. Two kinds:

- ``HelperProcess`` keeps the rights that the rest gives up, for long. It begins anew, isolated from the folder and the
  environment. One that does not end in time is killed.
- ``ForkedHelper`` is there in a millisecond or two, as a fork of this process before it has opened or read anything.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from portcall.isolation import HELPER_ENVIRONMENT, command
from portcall.system.kernel_calls import name_process

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_S = 1.0
"""How long a helper may take to end by itself."""

_LOOK_S = 0.002


class HelperProcess:
    """``main`` of a module, in a process of its own; its first word is the number of its end of ``link``."""

    def __init__(self, module: str, *words: str, kind: socket.SocketKind = socket.SOCK_STREAM) -> None:
        self.link, other = socket.socketpair(type=kind)
        with other:
            self._process = subprocess.Popen(  # noqa: S603 - this very interpreter and package
                command(module, str(other.fileno()), *words),
                pass_fds=[other.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=HELPER_ENVIRONMENT,
                cwd="/",
                start_new_session=True,  # Ctrl-C is ours to handle
            )

    def close(self) -> None:
        """End it, within ``PATIENCE_S``."""
        self.link.close()
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            with suppress(PermissionError):  # who has given up rights may not; it ends by itself
                self._process.kill()
                self._process.wait()


class ForkedHelper:
    """``serve`` with one end of ``link``, in a fork of this process, which has one thread and no files open yet.

    It has standard input, output and error as they are, and outlives no end of this process: signals that end commands
    are not for it.
    """

    def __init__(
        self, name: str, serve: Callable[[socket.socket], None], kind: socket.SocketKind = socket.SOCK_STREAM
    ) -> None:
        """``name`` is what ps calls it, in at most 15 letters."""
        self.link, other = socket.socketpair(type=kind)
        self._pid = os.fork()
        if self._pid:
            other.close()
            return
        status = 1
        try:
            self.link.close()
            name_process(name)
            for ending in ("SIGINT", "SIGTERM", "SIGHUP"):
                number = getattr(signal, ending)
                if signal.getsignal(number) is not signal.SIG_IGN:
                    # Not ignored, which programs that it starts would inherit.
                    signal.signal(number, lambda *_: None)
            with suppress(ConnectionError, EOFError):  # whoever asks has ended
                serve(other)
            status = 0
        finally:
            os._exit(status)

    def close(self, patience_s: float = PATIENCE_S) -> None:
        """End it, and wait for that: it does nothing that takes long once nobody asks.

        One that stands still is waited for no longer than that; it ends when it goes on.
        """
        self.link.close()
        ends_s = time.monotonic() + patience_s
        with suppress(ChildProcessError):
            while not os.waitpid(self._pid, os.WNOHANG)[0] and time.monotonic() < ends_s:
                time.sleep(_LOOK_S)


def since_now() -> str:
    """``since`` and the time of day, for sentences about a helper that has ended."""
    return f"since {time.strftime('%H:%M:%S')}"
