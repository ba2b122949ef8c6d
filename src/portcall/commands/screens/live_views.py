"""How ``live`` shows what it counts: on the screen, as a table that refreshes in place, or as a line an interval."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING, Protocol

from portcall.commands.comparing.expect_option import say_fresh
from portcall.commands.screens.saved_report import first_answer, writer_for
from portcall.commands.screens.shown_screen import application_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence

    from portcall.commands.following.live_reports import LiveReports
    from portcall.records.report import Degradation
    from portcall.runs.live_run import LiveRun

_GROUPINGS = ("app", "process", "user", "service", "host", "flow")
_SWITCH_S = 0.001
"""How long a thread may keep the others waiting: that which counts works much, that which answers keys little."""


class LiveDisplay(Protocol):
    """What people see; a context, in which it is seen."""

    @property
    def said(self) -> Sequence[Degradation]:
        """What came up meanwhile, and was said."""

    @property
    def descriptors(self) -> Sequence[int]:
        """Files that say: call ``turn``."""

    @property
    def is_left(self) -> bool:
        """Whether somebody wants no more."""

    def __enter__(self) -> object:
        """Begin."""

    def __exit__(self, *_: object) -> None:
        """End, and leave the terminal as it was."""

    def turn(self) -> None:
        """Do what somebody wants; in the thread that counts."""

    def on_interval(self) -> None:
        """Show what is counted now; in the same thread."""

    def show(self, count: Callable[[], None], interrupt: Callable[[], None]) -> None:
        """Count, and show it until that is over; ``interrupt`` is called where Ctrl-C was a key."""


def groupings_of(by: str) -> tuple[str, ...]:
    """What rows of live traffic can be grouped by; questions only where they are asked for, since nobody notes them."""
    return ("query", *_GROUPINGS) if by == "query" else _GROUPINGS


def view_of(capture: LiveRun, options: argparse.Namespace, reports: LiveReports) -> LiveDisplay:
    """How it is shown: ``options.on_screen`` says whether on the screen."""
    return OnScreen(capture, options, reports) if options.on_screen else InLines(capture, options, reports)


class InLines:
    """A table in place, or lines."""

    descriptors: Sequence[int] = ()
    is_left = False

    def __init__(self, capture: LiveRun, options: argparse.Namespace, reports: LiveReports) -> None:
        from portcall.views.live import LiveView

        self._capture, self._reports = capture, reports
        self._keeps_silent = options.sort == "total"
        self._view = LiveView(
            sys.stderr,
            capture.name,
            sort=options.sort,
            most_rows=options.top,
            is_shown=capture.is_shown,
            began_s=time.monotonic(),
        )
        self.said: Sequence[Degradation] = self._view.said

    def __enter__(self) -> object:
        return self._view.__enter__()

    def __exit__(self, *_: object) -> None:
        self._view.__exit__(None, None, None)

    def turn(self) -> None:
        """Nobody can want anything."""

    def on_interval(self) -> None:
        """The next table, or line."""
        if not self._reports.leave_room_for_a_view:
            return
        glance = self._capture.glance(keeps_silent=self._keeps_silent)
        if not self._reports.are_of_intervals:
            say_fresh(self._capture.expecting, glance)
        self._view.show(glance, time.monotonic())

    def show(self, count: Callable[[], None], interrupt: Callable[[], None]) -> None:  # noqa: ARG002 - it is a signal
        """Count; the view is drawn by who counts."""
        count()


class OnScreen:
    """The screen: drawn by this thread, while another one counts."""

    said: Sequence[Degradation] = ()

    def __init__(self, capture: LiveRun, options: argparse.Namespace, reports: LiveReports) -> None:
        from portcall.runs.screens.live_screen import LiveScreen
        from portcall.views.screen.pictures import ScreenFacts

        self._feed = LiveScreen(capture, writer_for(options))
        self.descriptors: Sequence[int] = (self._feed.descriptor,)
        groupings = groupings_of(options.by)
        self._facts = ScreenFacts(
            source=capture.name,
            groupings=groupings,
            is_live=True,
            by=options.by if options.by in groupings else groupings[0],
            where=options.where,
            most_rows=options.top,
            sorts_by_rate=options.sort == "rate",
            writes_to=first_answer(options),
        )
        self._reports = reports

    def __enter__(self) -> object:
        return self._feed.__enter__()

    def __exit__(self, *_: object) -> None:
        self._feed.__exit__()

    @property
    def is_left(self) -> bool:
        """Whether the screen has ended."""
        return self._feed.is_over

    def turn(self) -> None:
        """Answer what the screen asks."""
        self._feed.turn()

    def on_interval(self) -> None:
        """The next picture."""
        self._feed.on_interval()

    def show(self, count: Callable[[], None], interrupt: Callable[[], None]) -> None:
        """Count in another thread, and show it until either is over. What counting raises is raised here."""
        from portcall.views.screen.application import INTERRUPTED, run_screen

        application = application_of(self._facts, self._feed)
        self._feed.take, self._reports.refuse = application.arrive, application.say
        failures: list[BaseException] = []

        def work() -> None:
            try:
                count()
            except BaseException as error:  # noqa: BLE001 - it is raised in the other thread
                failures.append(error)
            finally:
                application.end()

        thread = Thread(target=work, name="counting")
        with _switching_often():
            thread.start()
            try:
                if run_screen(application) == INTERRUPTED:
                    interrupt()
            finally:
                self._feed.stop()
                thread.join()
        if failures:
            raise failures[0]


@contextmanager
def _switching_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_S)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
