"""Write docs/images/: pictures of the HTML report of a capture that ships, light and dark, as Chromium shows it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Literal

import portcall
from headless_browser import chromium
from portcall import exports

CAPTURE = Path("captures") / "office.pcapng"
FOLDER = Path("docs") / "images"
"""Both from the repository's folder, so that the page names the capture as a user would."""
SIZE = (1280, 1030)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def main() -> None:
    """Write both."""
    with tempfile.TemporaryDirectory() as name:
        page = Path(name) / "page.html"
        with page.open("w", encoding="utf-8") as stream:
            exports.write(portcall.read(CAPTURE, page=True), "html", stream)
        with chromium(Path(name) / "profile", *SIZE) as browser:
            tab = browser.new_page()
            for scheme in SCHEMES:
                tab.emulate_media(color_scheme=scheme)
                tab.goto(page.as_uri())
                tab.wait_for_selector("html[data-state=ready]")
                tab.screenshot(path=FOLDER / f"page-{scheme}.png")


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    main()
