"""``live --history [FILE]``: fills the file that ``portcall history`` reads, window after window."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from portcall.commands.output import say
from portcall.errors import UsageError
from portcall.exports import PAGES
from portcall.isolation import original_environment

if TYPE_CHECKING:
    import argparse

    from portcall.attribution.window_sums import WindowSums
    from portcall.runs.keeping.window_keeper import WindowKeeper
    from portcall.runs.live_run import LiveRun

_LEAST_BYTES, _MOST_BYTES = 1_000_000, 1_000_000_000_000
_OWN = ""
"""What the option is without a file."""


def add_history_options(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    parser.add_argument(
        "--history", metavar="FILE", nargs="?", const=_OWN,
        help="keep what was used in FILE, which 'portcall history' reads (default: in the state folder, see there)",
    )  # fmt: skip
    parser.add_argument(
        "--history-size", metavar="SIZE",
        help="how large that file may become, as 200MB; then the oldest windows go (default: 500MB)",
    )  # fmt: skip


def check_history(options: argparse.Namespace, format_name: str) -> None:
    """UsageError beside options that count time otherwise, or count nothing."""
    if options.history is None:
        if options.history_size:
            raise UsageError("--history-size is about the file of --history: add that")
        return
    _size_bytes(options)
    if options.owners_only:
        raise UsageError("--owners-only counts no packets: leave out --history")
    for name, given in (
        ("--bucket", options.bucket),
        ("--by time", options.by == "time"),
        (f"--format {format_name}", format_name in PAGES),
    ):
        if given:
            raise UsageError(f"{name} counts in other times than --history: leave it out, and ask 'portcall history'")


def history_path(options: argparse.Namespace) -> Path:
    """The file that is filled: the one that was named, or the user's or the service's own.

    To be asked for while it can be told who that user is; afterwards it stays the same.
    """
    if not options.history:
        from portcall.archive.history_file import default_path
        from portcall.system.privileges import user_behind

        options.history = str(default_path(original_environment(), user_behind(os.environ)))
        options.makes_history_folder = True
    return Path(options.history)


def window_sums(options: argparse.Namespace) -> WindowSums | None:
    """What takes the traffic of each window of time; None where nobody asked for a history."""
    from portcall.attribution.window_sums import WindowSums

    return None if options.history is None else WindowSums(() if options.command else options.local)


def begun_history(options: argparse.Namespace, capture: LiveRun) -> HistoryWriter | None:
    """Who fills the file from now on; None where nobody asked. HistoryError where that cannot be."""
    if options.history is None or capture.options.windows is None:
        return None
    from portcall.archive.store import SIZE_BYTES, HistoryStore
    from portcall.runs.keeping.window_keeper import WindowKeeper

    path = history_path(options)
    makes_folder = getattr(options, "makes_history_folder", False)
    store = HistoryStore(path, makes_folder=makes_folder, most_bytes=_size_bytes(options) or SIZE_BYTES)
    say(f"history is kept in {path}")
    return HistoryWriter(capture, WindowKeeper(store, capture.options.windows, capture.trackers))


class HistoryWriter:
    """Writes windows as they end, and says when that fails."""

    def __init__(self, capture: LiveRun, keeper: WindowKeeper) -> None:
        self._capture, self.keeper = capture, keeper
        self._said: str | None = None
        self.has_failed = False
        """Whether some of it is not in the file, once all is written."""

    def turn(self) -> None:
        """Write what is over; to be asked about once a second."""
        self.keeper.turn(time.time_ns(), self._capture.source.dropped_by_kernel() or 0)
        self._tell()

    def finish(self) -> None:
        """Write all that is left, and close the file."""
        self.keeper.finish(time.time_ns(), self._capture.source.dropped_by_kernel() or 0)
        self._tell()
        for note in self.keeper.notes():
            self.has_failed = True
            say(f"{note.reason}; {note.remedy}")
        self.keeper.close()

    def _tell(self) -> None:
        failure = str(self.keeper.failure) if self.keeper.failure else None
        if failure and not self._said:
            say(f"{failure}. Windows wait meanwhile")
        self._said = failure


def _size_bytes(options: argparse.Namespace) -> int | None:
    from portcall.queries.byte_sizes import size_bytes

    if options.history_size is None:
        return None
    return size_bytes(options.history_size, "--history-size", _LEAST_BYTES, _MOST_BYTES)
