"""Colours: enough contrast, none that only some terminals have, and none at all where nobody wants them."""

from __future__ import annotations

from itertools import chain

import pytest
from rich.color import ColorSystem

from portcall.views.screen.palette import DARK, LIGHT, PLAIN, palette_for

LEAST_CONTRAST = 4.5
CUBE = {0x00, 0x5F, 0x87, 0xAF, 0xD7, 0xFF}
GREYS = {8 + 10 * step for step in range(24)}


def luminance(colour):
    """WCAG 2.2, relative luminance."""
    parts = [part / 255 for part in colour]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(style, system=None):
    colours = [style.color, style.bgcolor]
    colours = [colour.downgrade(system) if system else colour for colour in colours]
    lighter, darker = sorted((luminance(colour.get_truecolor()) for colour in colours), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("palette", [DARK, LIGHT], ids=["dark", "light"])
@pytest.mark.parametrize("system", [None, ColorSystem.EIGHT_BIT])
def test_all_text_has_a_contrast_of_four_and_a_half(palette, system):
    assert min(contrast(style, system) for style in palette.styles()) >= LEAST_CONTRAST


@pytest.mark.parametrize("palette", [DARK, LIGHT], ids=["dark", "light"])
def test_every_colour_is_one_of_the_256_that_terminals_share(palette):
    colours = {tuple(c.triplet) for style in palette.styles() for c in (style.color, style.bgcolor)}

    assert [one for one in colours if not set(one) <= CUBE and not (len(set(one)) == 1 and one[0] in GREYS)] == []


def test_without_colours_no_style_has_one_and_the_cursor_is_still_another():
    assert [one for one in chain.from_iterable((s.color, s.bgcolor) for s in PLAIN.styles()) if one] == []
    assert PLAIN.cursor.reverse


@pytest.mark.parametrize(
    ("background", "has_colours", "expected"),
    [
        ((255, 255, 255), True, LIGHT),
        ((0xFD, 0xF6, 0xE3), True, LIGHT),
        ((0, 0, 0), True, DARK),
        ((0, 0x2B, 0x36), True, DARK),
        (None, True, DARK),
        ((255, 255, 255), False, PLAIN),
    ],
)
def test_the_palette_suits_the_ground_of_the_terminal(background, has_colours, expected):
    assert palette_for(background, has_colours=has_colours) is expected
