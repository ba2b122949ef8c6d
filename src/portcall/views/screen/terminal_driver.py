"""The terminal that the screen is drawn on, and read from: stderr and stdin, as stdout may be a file."""

from __future__ import annotations

import os
import sys

from textual.drivers.linux_driver import LinuxDriver


class TerminalOfStderr(LinuxDriver):
    """The terminal that stderr is, as wide and high as that is: stdout may be a file."""

    def _get_terminal_size(self) -> tuple[int, int]:
        try:
            size = os.get_terminal_size(sys.__stderr__.fileno())  # type: ignore[union-attr] # caught
        except (AttributeError, OSError, ValueError):
            return 80, 24
        return size.columns or 80, size.lines or 24
