"""The keys, once: what each does, its place in the last line, and the page of help."""

from __future__ import annotations

from typing import NamedTuple


class Key(NamedTuple):
    """A key, or several that do the same."""

    keys: str
    """As Textual calls them, separated by commas."""
    shown: str
    """As people do."""
    action: str
    words: str
    short: str = ""
    """For the last line; empty where it has no place there."""


KEYS: tuple[Key, ...] = (
    Key("q", "q", "quit", "quit, and print the report", "quit"),
    Key("question_mark,f1", "?", "help", "this help; again, or Esc, goes back", "help"),
    Key("slash", "/", "filter", "filter rows, in the language of --where: bytes>1MB and service=https", "filter"),
    Key("enter", "Enter", "open", "open the row: its conversations, hosts, ports, processes, evidence", "open"),
    Key("escape", "Esc", "back", "go back; at the first table let go of the row and the filter", "back"),
    Key("down,j", "↓ j", "move(1)", "next row"),
    Key("up,k", "↑ k", "move(-1)", "row before"),
    Key("pagedown,ctrl+f", "PgDn", "page(1)", "a page on"),
    Key("pageup,ctrl+b", "PgUp", "page(-1)", "a page back"),
    Key("home,g", "Home g", "first", "first row"),
    Key("end,G", "End G", "last", "last row"),
    Key("right,tab", "→ Tab", "part(1)", "of an opened row: the next of conversations, hosts, ports …"),
    Key("left,shift+tab", "← ⇧Tab", "part(-1)", "the one before"),
    Key("s", "s", "sort", "sort by the next column", "sort"),
    Key("S", "S", "reverse", "reverse the order"),
    Key("a", "a", "group", "group by the next of app, process, user, service, host, conversation", "group"),
    Key("m", "m", "measure", "rates or totals first, and sort by them", "rate/total"),
    Key("p", "p", "ports", "ports or names of services"),
    Key("d", "d", "addresses", "addresses or names of hosts"),
    Key("t", "t", "closed", "show closed conversations, and rows that are silent for two minutes, or leave them out"),
    Key(
        "x", "x", "tunnels", "leave out rows of tunnels' outer packets (WireGuard, OpenVPN, VXLAN, GRE …), or show them"
    ),
    Key("z", "z", "freeze", "freeze what is shown, or go on; counting goes on in any case", "freeze"),
    Key("space", "Space", "unfold", "unfold an app's processes, or fold them"),
    Key("w", "w", "write", "write the report to a file, in the format of its suffix", "write"),
)
_SHOWN_WIDTH = 8


def help_lines() -> list[str]:
    """The page of help."""
    return [
        "Keys",
        "",
        *(f"{key.shown:{_SHOWN_WIDTH}}  {key.words}" for key in KEYS),
        "",
        "Mouse: a click chooses a row, a second one opens it; a click on a column's title sorts by it.",
        "Rows in brackets have no owner, with the reason. Rows change places only when a rank lasts three seconds, and",
        "never the row that was chosen: Esc lets go of it.",
    ]


def key_line(width: int) -> list[tuple[str, str, str]]:
    """(key, words, action) of those with room in the last line; quit and help are there always."""
    kept: list[Key] = []
    for key in KEYS:
        if key.short and _length([*kept, key]) <= width:
            kept.append(key)
    return [(key.shown, key.short, key.action) for key in kept or KEYS[:2]]


def _length(keys: list[Key]) -> int:
    return sum(len(key.shown) + len(key.short) + 3 for key in keys)
