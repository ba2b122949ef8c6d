"""A helper: a process of this program that keeps the rights which the rest gives up.

It is started isolated from the folder and the environment, reads nothing but its one socket, and ends when the other
side of that is closed, however that came. One that does not end in time is killed.
"""

from __future__ import annotations

import socket
import subprocess
import time

from portcall.isolation import HELPER_ENVIRONMENT, command

PATIENCE_S = 1.0
"""How long a helper may take to end by itself."""


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
            self._process.kill()
            self._process.wait()


def since_now() -> str:
    """``since`` and the time of day, for sentences about a helper that has ended."""
    return f"since {time.strftime('%H:%M:%S')}"
