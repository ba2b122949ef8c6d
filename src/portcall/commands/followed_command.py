"""``live -- COMMAND``: who starts and ends it, once the process that counts may start and signal nobody any more.

A fork of that process, from before it has opened anything. It begins the command when it is told to, as the user who
called sudo, tells its number and its status, and ends it when whoever asked is no more. It reads one byte.

    asked     any byte: begin      answered  pid:i32, or an error below 0; status:i32, once it has ended
"""

from __future__ import annotations

import math
import os
import select
import signal
import socket
import struct
import subprocess
from functools import partial

from portcall.errors import PortcallError
from portcall.isolation import original_environment
from portcall.records.report import Degradation
from portcall.system.helper_process import ForkedHelper
from portcall.system.kernel_calls import end_with_parent
from portcall.system.privileges import become_invoking_user

_NUMBER = struct.Struct("=i")
_STARTER_ENDED = "the process that started it has ended"
_LOOK_S = 0.1
"""How often to look whether it has ended, where no descriptor tells (Linux before 5.3, macOS)."""


class FollowedCommand:
    """A command that waits for its beginning; a context, which ends it."""

    def __init__(self, words: list[str]) -> None:
        self._words = words
        self._helper = ForkedHelper("portcall starts", partial(_serve, words))
        self._status: int | None = None
        self.losses: list[Degradation] = []
        """What went wrong with it."""
        self.pid = 0
        """The process that is followed, once it has begun."""

    def __enter__(self) -> FollowedCommand:  # noqa: PYI034 - Self is of Python 3.11
        return self

    def __exit__(self, *_: object) -> None:
        self._helper.close(math.inf)  # the command may take its time to end

    def fileno(self) -> int:
        """Readable once it has ended."""
        return self._helper.link.fileno()

    def begin(self) -> None:
        """Have it run; PortcallError where it cannot."""
        self._helper.link.send(b"b")
        pid = self._told()
        if pid is None:
            raise PortcallError(f"{self._words[0]}: {_STARTER_ENDED}")
        if pid < 0:
            raise PortcallError(f"{self._words[0]}: {os.strerror(-pid)}")
        self.pid = pid

    def poll(self) -> int | None:
        """Its status once it has ended, as ``subprocess`` has it."""
        if self._status is None and select.select([self._helper.link], [], [], 0)[0]:
            status = self._told()
            if status is None:
                self.losses = [Degradation("command", f"{_STARTER_ENDED}, and it was ended", "start portcall again")]
            self._status = -signal.SIGTERM if status is None else status
        return self._status

    def _told(self) -> int | None:
        """None where who starts it was killed; then the kernel ends it."""
        try:
            message = self._helper.link.recv(_NUMBER.size, socket.MSG_WAITALL)
        except ConnectionError:
            return None
        return int(_NUMBER.unpack(message)[0]) if message else None


def _serve(words: list[str], link: socket.socket) -> None:
    if not link.recv(1):
        return
    become_invoking_user(os.environ)
    try:
        process = subprocess.Popen(words, env=original_environment(), preexec_fn=_end_with_us)  # noqa: S603, PLW1509 - asked for; there are no threads
    except OSError as error:
        link.send(_NUMBER.pack(-(error.errno or 1)))
        return
    link.send(_NUMBER.pack(process.pid))
    if not _has_ended(process, link):
        process.terminate()
    status = process.wait()
    try:
        link.send(_NUMBER.pack(status))
    finally:
        link.recv(1)


def _end_with_us() -> None:
    end_with_parent(signal.SIGTERM)


def _has_ended(process: subprocess.Popen[bytes], link: socket.socket) -> bool:
    """Whether it ended before whoever asked did."""
    try:
        ending = os.pidfd_open(process.pid)
    except (AttributeError, OSError):
        while not select.select([link], [], [], _LOOK_S)[0]:
            if process.poll() is not None:
                return True
        return False
    readable, _, _ = select.select([ending, link.fileno()], [], [])
    os.close(ending)
    return ending in readable
