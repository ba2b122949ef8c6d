"""The screen of what was read, and what every screen begins with."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from portcall.commands.screens.saved_report import first_answer, writer_for
from portcall.exports import PAGES

if TYPE_CHECKING:
    import argparse

    from portcall.runs.offline import Outcome
    from portcall.views.screen.application import ScreenApplication
    from portcall.views.screen.pictures import Feed, ScreenFacts

_ENOUGH_COLOURS = ("256", "16 million")
"""Of 16 nobody knows which they are: the terminal's own are used, as where nobody wants colours."""


def is_counted_beside(by: str, format_name: str) -> bool:
    """Whether those rows are counted wherever a screen is, so that conversations can have all details."""
    return by in ("app", "process", "service", "host") and format_name not in PAGES


def show_read(outcome: Outcome, by: str, options: argparse.Namespace) -> Outcome:
    """Show what was read until somebody quits; what is to be printed then. KeyboardInterrupt for Ctrl-C."""
    from portcall.runs.screens.read_screen import ReadScreen
    from portcall.views.screen.application import INTERRUPTED, run_screen
    from portcall.views.screen.pictures import ScreenFacts

    feed = ReadScreen(outcome, writer_for(options))
    begins_by = by if by in feed.groupings else feed.groupings[0]
    facts = ScreenFacts(
        source=outcome.report.source,
        groupings=feed.groupings,
        is_live=False,
        by=begins_by,
        where=options.where,
        most_rows=options.top,
        writes_to=first_answer(options),
    )
    application = application_of(facts, feed)
    feed.take = application.arrive
    if run_screen(application) == INTERRUPTED:
        raise KeyboardInterrupt
    return outcome._replace(report=feed.printed(by, options.where, options.top))


def application_of(facts: ScreenFacts, feed: Feed) -> ScreenApplication:
    """The screen, in colours that suit the terminal."""
    from portcall.views.screen.application import ScreenApplication
    from portcall.views.screen.background import ask_background
    from portcall.views.screen.palette import palette_for
    from portcall.views.terminal import look

    has_colours = look(sys.stderr).colours in _ENOUGH_COLOURS
    background = ask_background(sys.stdin.fileno(), sys.stderr.fileno()) if has_colours else None
    return ScreenApplication(facts, feed, palette_for(background, has_colours=has_colours))
