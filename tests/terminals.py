"""A real terminal: tmux, in which a program runs, is sent keys, and is looked at."""

import os
import shlex
import subprocess
import time

PATIENCE_S = 90
_LOOK_S = 0.05


class Tmux:
    """A program in a window of its own; a context, which ends it."""

    def __init__(self, command, width, height, environment):
        self._socket = f"portcall-{os.getpid()}-{time.monotonic_ns()}"
        self._words = shlex.join([*command]) + "; echo ended with $?; exec cat"
        self._size, self._environment = (str(width), str(height)), environment

    def __enter__(self):
        width, height = self._size
        environment = {**self._environment, "TERM": "xterm-256color"}
        environment.pop("TMUX", None)
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", width, "-y", height, self._words, env=environment)
        return self

    def __exit__(self, *_):
        self._tmux("kill-server")

    def press(self, *keys):
        """Press these keys, as tmux calls them."""
        self._tmux("send-keys", *keys)

    def type(self, text):
        """Type a text."""
        self._tmux("send-keys", "-l", text)

    def resize(self, width, height):
        """Make the window another size."""
        self._tmux("resize-window", "-x", str(width), "-y", str(height))

    def text(self):
        """What is there now."""
        return self._tmux("capture-pane", "-p")

    def shows(self, words):
        """True when these words come; AssertionError with what is there instead, where they do not in some time."""
        deadline = time.monotonic() + PATIENCE_S
        while words not in (text := self.text()):
            if time.monotonic() > deadline:
                raise AssertionError(f"{words!r} did not come:\n{text}")
            time.sleep(_LOOK_S)
        return True

    def _tmux(self, *words, env=None):
        ran = subprocess.run(["tmux", "-L", self._socket, *words], capture_output=True, text=True, check=False, env=env)
        return ran.stdout
