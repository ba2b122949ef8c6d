"""The screen without a terminal: what it shows as text, of captures that ship and of pictures that a test makes."""

import asyncio
from pathlib import Path

from portcall.commands.screens.saved_report import write_report
from portcall.runs import offline
from portcall.runs.screens.read_screen import ReadScreen
from portcall.views.screen.application import ScreenApplication
from portcall.views.screen.palette import DARK
from portcall.views.screen.pictures import ScreenFacts

CAPTURES = Path(__file__).parents[1] / "captures"


class FeedAtOnce(ReadScreen):
    """Answers while it is asked, so that a test needs not wait."""

    def ask(self, question):
        self.questions = [*getattr(self, "questions", []), question]
        self.take(self._picture(question))


def feed_of(name):
    """The feed of a capture that ships."""
    return FeedAtOnce(offline.read([str(CAPTURES / name)], by="flow", page=True), write_report)


def application_of(feed, *, is_live=False, by="app", palette=DARK, **facts):
    """The screen of a feed."""
    groupings = getattr(feed, "groupings", ("app", "process", "flow"))
    application = ScreenApplication(ScreenFacts("shown.pcap", groupings, is_live, by, **facts), feed, palette)
    feed.take = application.arrive
    return application


def lines_of(application):
    """What is on the screen, line by line."""
    return [strip.text.rstrip() for strip in application.screen._compositor.render_strips()]


def shown_after(application, *keys, size=(80, 24), also=None):
    """The lines after these keys were pressed; ``also`` is called with the pilot before they are taken."""

    async def run():
        async with application.run_test(size=size) as pilot:
            await pilot.pause()
            await pilot.press(*keys)
            if also:
                await also(pilot)
            await pilot.pause()
            return lines_of(application)

    return asyncio.run(run())
