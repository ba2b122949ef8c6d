"""The screen's colours: two palettes, for a dark and a light terminal, and none at all.

Every pair of text and ground has a contrast of 4.5:1 or more (WCAG 2.2 §1.4.3), and all colours are of the 256 that
terminals share, so nothing changes where there are no more. No meaning is in a colour alone: the cursor has a mark,
rows without an owner have brackets, notes have words.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from rich.style import Style


@dataclass(frozen=True)
class Palette:
    """A style for each thing that is drawn."""

    normal: Style
    strong: Style
    faint: Style
    """Rows that nobody owns."""
    header: Style
    cursor: Style
    keys: Style
    """The keys in the last line."""
    notice: Style

    def styles(self) -> list[Style]:
        """All of them."""
        return [getattr(self, field.name) for field in fields(self)]


def _palette(ground: str, text: str, **colours: str) -> Palette:
    faint, raised, accent, notice, chosen = (
        colours[name] for name in ("faint", "raised", "accent", "notice", "chosen")
    )
    return Palette(
        normal=Style(color=text, bgcolor=ground),
        strong=Style(color=text, bgcolor=ground, bold=True),
        faint=Style(color=faint, bgcolor=ground),
        header=Style(color=text, bgcolor=raised, bold=True),
        cursor=Style(color=text, bgcolor=chosen, bold=True),
        keys=Style(color=accent, bgcolor=raised, bold=True),
        notice=Style(color=notice, bgcolor=ground),
    )


DARK = _palette(
    "#121212", "#e4e4e4", faint="#a8a8a8", raised="#303030", accent="#87d7ff", notice="#ffd75f", chosen="#005f87"
)
LIGHT = _palette(
    "#ffffff", "#1c1c1c", faint="#585858", raised="#e4e4e4", accent="#005f87", notice="#875f00", chosen="#afd7ff"
)
PLAIN = Palette(
    normal=Style(),
    strong=Style(bold=True),
    faint=Style(),
    header=Style(bold=True, underline=True),
    cursor=Style(reverse=True),
    keys=Style(bold=True),
    notice=Style(),
)
"""For NO_COLOR, and for few colours: the terminal's own text and ground, whatever they are."""

_HALF = 128


def palette_for(background: tuple[int, int, int] | None, *, has_colours: bool) -> Palette:
    """The palette that suits a terminal whose ground is of that colour, 0 to 255 each; None where it did not say."""
    if not has_colours:
        return PLAIN
    if background is None:
        return DARK
    red, green, blue = background
    return LIGHT if (299 * red + 587 * green + 114 * blue) / 1000 > _HALF else DARK  # luma, ITU-R BT.601
