"""A headless Chromium of this machine, driven by Playwright: for the pictures of the README, and for tests."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import BrowserContext

PACKAGE = "chromium-headless-shell"
_NAMES = (PACKAGE, "chromium", "chromium-browser", "google-chrome")
_ARGUMENTS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]

_TIMEOUT_MS = 120_000  # a busy machine may take its time


def program() -> str | None:
    """The browser that is there; None without one."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


@contextmanager
def chromium(profile: Path, width: int = 1280, height: int = 900) -> Iterator[BrowserContext]:
    """It, with a profile in a folder that is empty, and a window of this size."""
    with sync_playwright() as driver:
        context = driver.chromium.launch_persistent_context(
            profile, executable_path=program(), args=_ARGUMENTS, viewport={"width": width, "height": height}
        )
        context.set_default_timeout(_TIMEOUT_MS)
        try:
            yield context
        finally:
            context.close()
