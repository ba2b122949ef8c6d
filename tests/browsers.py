"""A headless Chromium of this machine, driven by Playwright; tests that need it skip where there is none."""

from __future__ import annotations

import shutil
from contextlib import contextmanager

import pytest

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


@contextmanager
def chromium(profile):
    """A browser with a fresh profile in that folder."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"there is no Chromium: sudo apt install {NAMES[0]}")
    playwright = pytest.importorskip("playwright.sync_api", reason="there is no Playwright: pip install -e '.[test]'")
    with playwright.sync_playwright() as driver:
        context = driver.chromium.launch_persistent_context(
            profile, executable_path=program, args=ARGUMENTS, viewport={"width": 1280, "height": 900}
        )
        try:
            yield context
        finally:
            context.close()
