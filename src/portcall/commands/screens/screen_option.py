"""``--screen`` and ``--plain``: whether a command shows the screen, and why not where it cannot."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from portcall.errors import UsageError

if TYPE_CHECKING:
    import argparse


def add_plain_option(parser: argparse.ArgumentParser) -> None:
    """Declare how ``live`` does without."""
    parser.add_argument(
        "--plain",
        action="store_true",
        help="on a terminal, a table that refreshes in place instead of the screen, which has keys (? shows them)",
    )


def add_screen_option(parser: argparse.ArgumentParser) -> None:
    """Declare how ``read`` shows it."""
    parser.add_argument(
        "--screen", action="store_true",
        help="look through it on the terminal: filter, sort, open apps and conversations (? shows the keys)",
    )  # fmt: skip


def is_wanted_live(options: argparse.Namespace) -> bool:
    """Whether ``live`` shows the screen: on a terminal, unless a command writes to that itself."""
    return not options.plain and not options.command and obstacle() is None


def check_screen(options: argparse.Namespace, by: str) -> None:
    """UsageError beside options of ``read`` that it cannot go with, and where there is no terminal for it."""
    for name in ("explain", "dissect", "follow", "checkpoint", "every", "bucket"):
        if getattr(options, name):
            raise UsageError(f"--screen and --{name} show something else each: leave out one of them")
    why = obstacle()
    if why:
        raise UsageError(f"--screen: {why}. Leave it out for a table")
    if options.where:
        from portcall.queries.row_filter import compile_where

        compile_where(options.where, by)


def obstacle() -> str | None:
    """Why there can be no screen; None where there can."""
    if not hasattr(os, "tcgetpgrp"):
        return "there is none on this system"
    for number, name in ((0, "stdin"), (2, "stderr")):
        if not os.isatty(number):
            return f"{name} is no terminal"
    if os.environ.get("TERM", "dumb") in ("", "dumb"):
        return "this terminal can only write lines (TERM)"
    if not (sys.stderr.encoding or "").lower().startswith("utf"):
        return f"this terminal has no UTF-8, but {sys.stderr.encoding}"
    try:
        is_in_foreground = os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return "this terminal is not ours to control"
    return None if is_in_foreground else "it runs in the background"
