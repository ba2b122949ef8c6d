"""A page without a terminal has the lines that rich would print there."""

from __future__ import annotations

import io

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from examples import examples
from portcall.views.pages import PlainPage, TerminalPage
from portcall.views.text import visible

WORDS = st.lists(st.text("ab-/.|é漢", min_size=1, max_size=30), max_size=12)


@given(WORDS, st.sampled_from([" ", "  ", " , "]), st.integers(8, 40), st.booleans())
@settings(max_examples=examples(200))
def test_plain_text_is_wrapped_where_rich_wraps_it(words, between, width, is_whole):
    text = visible(between.join(words))
    printed = io.StringIO()
    Console(file=printed, width=width, color_system=None, highlight=False).print(Text(text), soft_wrap=is_whole)

    page = PlainPage(width)
    page.say(text, is_whole=is_whole)

    assert page.text == "".join(line.rstrip() + "\n" for line in printed.getvalue().splitlines())


def test_a_terminal_gets_styles_and_a_file_none():
    shown = io.StringIO()
    pages = TerminalPage(Console(file=shown, force_terminal=True, color_system="standard")), PlainPage(80)

    for page in pages:
        page.say("read this", "yellow")
        page.table([("a line", "bold")])

    assert "\x1b[33mread this" in shown.getvalue()
    assert pages[1].text == "read this\na line\n"
