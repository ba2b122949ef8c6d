"""The browser of tests; those that need it skip, and say what is missing, where there is none."""

from __future__ import annotations

from contextlib import contextmanager

import pytest


@contextmanager
def browser_for_tests(profile):
    """A headless Chromium with a fresh profile in that folder."""
    pytest.importorskip("playwright", reason="there is no Playwright: pip install -e '.[test]'")
    from headless_browser import PACKAGE, chromium, program

    if program() is None:
        pytest.skip(f"there is no Chromium: sudo apt install {PACKAGE}")
    with chromium(profile) as context:
        yield context
