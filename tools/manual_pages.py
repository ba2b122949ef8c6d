"""Write the manual pages, portcall(1) and one for each command, and the shells' completion, into build/share.

The pages are mdoc(7), made of what the parser knows, as ``--help`` is, so nobody keeps them. They are
built with the package and are in no repository. A text is escaped for roff, and every sentence begins a line.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import textwrap
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tools")]

from document_options import EXIT_STATUS  # noqa: E402 - found only there
from portcall.cli import COMMANDS, parser_of  # noqa: E402 - the same
from portcall.commands.shell.completion import SCRIPTS  # noqa: E402 - the same

if TYPE_CHECKING:
    from collections.abc import Iterator

COMPLETIONS = {
    "bash": "bash-completion/completions/portcall",
    "zsh": "zsh/site-functions/_portcall",
    "fish": "fish/vendor_completions.d/portcall.fish",
}
"""Shell → where below ``share`` it looks."""


def pages() -> dict[str, str]:
    """The name of each page, such as ``portcall-read.1``, and its text."""
    parser = parser_of(COMMANDS)
    (commands,) = (action.choices for action in parser._actions if isinstance(action.choices, dict))  # noqa: SLF001 - argparse has no public way
    written = {"portcall.1": "\n".join(_overview(parser)) + "\n"}
    for name, line in COMMANDS.items():
        written[f"portcall-{name}.1"] = "\n".join(_page(name, line, commands[name])) + "\n"
    return written


def write_share(folder: Path = ROOT / "build" / "share") -> list[tuple[str, list[str]]]:
    """Write pages and completion there; gives them as setuptools wants its ``data_files``."""
    texts = {f"man/man1/{name}": text for name, text in pages().items()}
    texts |= {COMPLETIONS[shell]: script for shell, script in SCRIPTS.items()}
    placed: dict[str, list[str]] = {}
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        placed.setdefault(f"share/{Path(name).parent}", []).append(os.path.relpath(path, ROOT))
    return list(placed.items())


def _overview(parser: argparse.ArgumentParser) -> Iterator[str]:
    yield from _head("portcall", "say which application packets belong to")
    yield from (".Nm portcall", ".Ar COMMAND", ".Op Ar OPTION ...", ".Nm portcall", ".Fl Fl version | Fl Fl help")
    yield from (".Sh DESCRIPTION", *_sentences(parser.description or ""))
    yield from _sentences("Live, from a saved capture, by port, process and name. Each command has a page of its own.")
    yield from (
        ".Bl -tag -width Ds",
        *_items({f".Xr portcall-{name} 1": line for name, line in COMMANDS.items()}),
        ".El",
    )
    yield from _statuses()
    yield from _examples(parser)
    yield from (".Sh SEE ALSO", ".Xr ss 8 ,", ".Xr tcpdump 8")


def _page(name: str, line: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    actions = [action for action in parser._actions if action.help != argparse.SUPPRESS]  # noqa: SLF001 - as above
    arguments = [action for action in actions if not action.option_strings]
    yield from _head(f"portcall-{name}", line)
    yield from (f".Nm portcall {name}", ".Op Ar OPTION ...")
    for action in arguments:
        optional, many = action.nargs in ("*", "?"), " ..." if action.nargs in ("*", "+") else ""
        yield f".{'Op ' if optional else ''}Ar {_word(str(action.metavar))}{many}"
    yield from (".Sh DESCRIPTION", *_sentences(parser.description or f"{line[0].upper()}{line[1:]}."))
    yield from (".Bl -tag -width Ds", *_items({_tag(action): _words(parser, action) for action in actions}), ".El")
    yield from _statuses()
    yield from _examples(parser)
    yield from (".Sh SEE ALSO", ".Xr portcall 1")


def _head(name: str, line: str) -> Iterator[str]:
    built_s = int(os.environ.get("SOURCE_DATE_EPOCH") or (ROOT / "CHANGELOG.md").stat().st_mtime)
    date = datetime.fromtimestamp(built_s, timezone.utc)
    yield from (f".Dd {date:%B} {date.day}, {date.year}", f".Dt {name.upper()} 1", ".Os")
    yield from (".Sh NAME", f".Nm {name}", f".Nd {_escaped(line)}", ".Sh SYNOPSIS")


def _items(texts: dict[str, str]) -> Iterator[str]:
    for tag, text in texts.items():
        yield f".It {tag.removeprefix('.')}"
        yield from _sentences(text)


def _tag(action: argparse.Action) -> str:
    """``Fl o Ar FILE , Fl Fl output Ar FILE``; an argument by its name."""
    value = action.metavar or ("WORD" if action.choices else "")
    if not action.option_strings:
        return f"Ar {_word(str(value))}"
    after = f" Ar {_word(str(value))}" if value else ""
    return " , ".join(
        f"{'Fl ' * (len(option) - len(option.lstrip('-')))}{option.lstrip('-')}{after}"
        for option in action.option_strings
    )


def _words(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    words = parser._get_formatter()._expand_help(action) + "."  # noqa: SLF001 - as above
    if action.choices:
        words += f" One of {', '.join(map(str, action.choices))}."
    return words[0].upper() + words[1:]


def _examples(parser: argparse.ArgumentParser) -> Iterator[str]:
    lines = [line.strip() for line in (parser.epilog or "").splitlines() if line.startswith("  ")]
    if lines:
        yield from (".Sh EXAMPLES", ".Bd -literal", *map(_escaped, lines), ".Ed")


def _statuses() -> Iterator[str]:
    yield from (".Sh EXIT STATUS", ".Bl -tag -width Ds")
    yield from _items({str(status): f"{meaning[0].upper()}{meaning[1:]}." for status, meaning in EXIT_STATUS.items()})
    yield ".El"


def _sentences(text: str) -> Iterator[str]:
    """The text as roff: each sentence on lines of its own, none over 78 characters."""
    for sentence in re.split(r"(?<=[.?!]) +(?=[A-Z])", " ".join(text.split())):
        for line in textwrap.wrap(sentence, 60, break_long_words=False, break_on_hyphens=False):
            yield _escaped(line)


def _escaped(line: str) -> str:
    """A line that roff takes for nothing but text."""
    text = line.replace("\\", "\\e").replace("-", "\\-").replace("…", "...").replace("'", "\\(aq")
    return f"\\&{text}" if text.startswith((".", "\\(aq")) else text


def _word(text: str) -> str:
    """A word behind a macro: quoted where it is several, and never a macro itself."""
    return f'"{_escaped(text)}"' if " " in text or len(text) <= 2 else _escaped(text)  # noqa: PLR2004 - as macros are


if __name__ == "__main__":
    for place, files in write_share():
        print(place, *files)
