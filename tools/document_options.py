"""Write docs/options.md: every command and every option, as the parser has them."""

from __future__ import annotations

import argparse
from pathlib import Path

from portcall.cli import COMMANDS, parser_of

PAGE = Path(__file__).resolve().parents[1] / "docs" / "options.md"

EXIT_STATUS = {
    0: "done",
    1: "failed, or a search found nothing",
    2: "wrong usage",
    3: "done, but part of the input could not be read; the report covers the rest",
    4: "done, and with `--expect` something is new; goes before 3 and 0",
    130: "interrupted; the report covers what was counted until then",
    141: "whoever read the output has gone",
}
"""What each exit status means, of every command but those that are named beside."""

_HEAD = """\
# Commands and options

Written by `make docs` from the parser; a test compares the two. `portcall COMMAND --help` says the same.

- `-h`, `--help` explains a command.
- Data go to stdout, words for people to stderr.
- `--format table` is rounded, for people. The others are exact, and have [more columns](columns.md).
  `parquet` needs the extra `arrow`: `.venv/bin/pip install '.[arrow]'` in the clone. `html` is [a page](html.md).
- `-o FILE` appears under its name only when it is complete. Its suffix chooses the format.
- `--where` is explained in [captures.md](captures.md#choose-rows).

{exit_status}

With `--expect`, 130 goes before 4, and so does the status of a COMMAND that failed. `portcall check` and
`portcall doctor` end with 0 or 1 by what they found. `portcall live -- COMMAND` ends with
the status of COMMAND.
"""


def page() -> str:
    """The whole page: a section for ``portcall`` itself, and one for each command."""
    parser = parser_of(COMMANDS)
    (commands,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))  # noqa: SLF001 - argparse has no public way
    statuses = [f"| {status} | {meaning} |" for status, meaning in EXIT_STATUS.items()]
    head = _HEAD.format(exit_status="\n".join(["| exit status | meaning |", "|---|---|", *statuses]))
    sections = [head, *_section("portcall", parser, "")]
    for name, line in COMMANDS.items():
        sections += _section(f"portcall {name}", commands.choices[name], line)
    return "\n".join(sections)


def _section(title: str, parser: argparse.ArgumentParser, line: str) -> list[str]:
    described = " ".join((parser.description or line).split())
    examples = [f"    {one.strip()}" for one in (parser.epilog or "").splitlines() if one.startswith("  ")]
    return [f"## `{title}`", "", described, "", *_table(parser), "", *examples, *[""][: len(examples)]]


def _table(parser: argparse.ArgumentParser) -> list[str]:
    """A row for each argument and option in the order of ``--help``, which itself is said once for all."""
    left_out = (argparse._SubParsersAction, argparse._HelpAction)  # noqa: SLF001 - the same
    actions = [action for action in parser._actions if not isinstance(action, left_out)]  # noqa: SLF001 - the same
    cells = [(_names(action), _words(parser, action)) for action in actions]
    rows = [f"| {_in_a_cell(names)} | {_in_a_cell(words)} |" for names, words in cells]
    return ["| option | what it does |", "|---|---|", *rows]


def _names(action: argparse.Action) -> str:
    """How it is typed: ``-o FILE``, ``--output FILE``; an argument by its name."""
    name = action.metavar if isinstance(action.metavar, str) else None
    if not action.option_strings:
        return f"`{name}`"
    value = f" {name}" if name else " WORD" if action.choices else ""
    return ", ".join(f"`{option}{value}`" for option in action.option_strings)


def _words(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    """Its help, with its choices, and whether it may be given again."""
    words = parser._get_formatter()._expand_help(action)  # noqa: SLF001 - the same
    if action.choices:
        words += ". One of " + ", ".join(f"`{choice}`" for choice in action.choices)
    if isinstance(action, argparse._AppendAction) and "more than one" not in words:  # noqa: SLF001 - the same
        words += ". May be given several times"
    return words


def _in_a_cell(text: str) -> str:
    """A bar would begin another cell, in code too (GitHub Flavored Markdown, "Tables")."""
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
