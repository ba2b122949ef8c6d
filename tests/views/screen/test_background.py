"""What colour the ground is, asked of a terminal that is a pty."""

from __future__ import annotations

import os
import pty
import termios
from threading import Thread

import pytest

from portcall.views.screen.background import ask_background, background_in


@pytest.mark.parametrize(
    ("answer", "colour"),
    [
        (b"\x1b]11;rgb:ffff/ffff/ffff\x1b\\", (255, 255, 255)),
        (b"\x1b]11;rgb:00/2b/36\x07", (0, 43, 54)),
        (b"\x1b]11;rgba:8000/0/f/ffff\x1b\\", (128, 0, 255)),
        (b"\x1b[?62;22c", None),
        (b"\x1b]11;rgb:zz/00/00\x1b\\", None),
        (b"", None),
    ],
)
def test_a_colour_is_read_from_an_answer(answer, colour):
    assert background_in(answer) == colour


@pytest.mark.parametrize(
    ("answer", "colour"),
    [(b"\x1b]11;rgb:ffff/ffff/eeee\x1b\\\x1b[?1;2c", (255, 255, 238)), (b"\x1b[?1;2c", None)],
    ids=["knows", "does not know"],
)
def test_a_terminal_is_asked_and_left_as_it_was(answer, colour):
    primary, secondary = pty.openpty()
    before = termios.tcgetattr(secondary)
    asked = []

    def terminal():
        asked.append(os.read(primary, 100))
        os.write(primary, answer)

    thread = Thread(target=terminal)
    thread.start()
    try:
        assert ask_background(secondary, secondary, patience_s=30) == colour
    finally:
        thread.join()
        after = termios.tcgetattr(secondary)
        os.close(primary)
        os.close(secondary)
    assert b"\x1b]11;?" in asked[0]
    assert after == before


def test_what_is_no_terminal_says_nothing():
    reads, writes = os.pipe()
    try:
        assert ask_background(reads, writes) is None
    finally:
        os.close(reads)
        os.close(writes)
