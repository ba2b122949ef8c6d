"""Write docs/images/: the screen of a capture that ships, dark and light, as Textual draws it into SVG."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING

from portcall.commands.screens.saved_report import write_report
from portcall.runs import offline
from portcall.runs.screens.read_screen import ReadScreen
from portcall.views.screen.application import ScreenApplication
from portcall.views.screen.palette import DARK, LIGHT
from portcall.views.screen.pictures import ScreenFacts

if TYPE_CHECKING:
    from portcall.views.screen.palette import Palette
    from portcall.views.screen.pictures import ScreenQuestion

CAPTURE = Path("captures") / "office.pcapng"
FOLDER = Path("docs") / "images"
"""Both from the repository's folder, so that the screen names the capture as a user would."""
SIZE = (110, 22)
_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""A picture asks nothing of the network: whoever looks has a font of fixed width."""


class FeedAtOnce(ReadScreen):
    """Answers while it is asked."""

    def ask(self, question: ScreenQuestion) -> None:
        """Hand out the picture of this."""
        self.take(self._picture(question))


async def drawn(palette: Palette) -> str:
    """One picture: the second app chosen."""
    feed = FeedAtOnce(offline.read([str(CAPTURE)], by="flow", page=True), write_report)
    facts = ScreenFacts(str(CAPTURE), feed.groupings, is_live=False, by="app")
    application = ScreenApplication(facts, feed, palette)
    feed.take = application.arrive
    async with application.run_test(size=SIZE) as pilot:
        await pilot.press("j", "j")
        await pilot.pause()
        picture = application.export_screenshot(title=f"portcall read {CAPTURE} --screen")
        return _FONTS.sub("", picture)


if __name__ == "__main__":
    for name, palette in (("dark", DARK), ("light", LIGHT)):
        (FOLDER / f"screen-{name}.svg").write_text(asyncio.run(drawn(palette)), encoding="utf-8")
