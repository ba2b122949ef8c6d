"""The documentation is complete: the parser and the schema are asked what there is to document."""

import argparse
import json
import re
from pathlib import Path

import pytest

import document_columns
import document_dissectors
import document_numbers
import document_options
from portcall.cli import COMMANDS, parser_of
from portcall.records.schema import LISTS, LIVE_GROUPINGS, REASONS, columns
from portcall.views.port_changes import _CHANGES

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COLUMNS, LINK_PAGE, NUMBERS, OPTION_PAGE = (
    (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8") for name in ("columns", "links", "numbers", "options")
)
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")])


PARSER = parser_of(COMMANDS)


def commands():
    """Every command's name and parser."""
    (subparsers,) = (action for action in PARSER._actions if isinstance(action, argparse._SubParsersAction))
    return dict(subparsers.choices)


def shown_actions(parser):
    return [action for action in parser._actions if action.help is not argparse.SUPPRESS]


OPTIONS = {
    (command, option): action
    for command, parser in (("", PARSER), *commands().items())
    for action in shown_actions(parser)
    for option in action.option_strings
}


def option_rows(command):
    """The first cell of every row in a command's section → its second."""
    title = f"## `portcall {command}`\n" if command else "## `portcall`\n"
    section = OPTION_PAGE.partition(title)[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| (.+?) \| (.+) \|$", section, re.MULTILINE))


@pytest.mark.parametrize("command", commands())
def test_every_command_is_in_the_readme(command):
    assert re.search(rf"`(sudo )?portcall {command}[ `]", README)


def test_the_readme_is_short():
    assert len(README.split()) <= 2200


@pytest.mark.parametrize("command", ["", *commands()])
def test_the_page_of_options_names_every_option_of_a_command_and_no_other(command):
    named = {option for cell in option_rows(command) for option in re.findall(r"`(--?[a-z0-9][a-z-]*)", cell)}
    for_all = {"-h", "--help"} if "`-h`, `--help`" in OPTION_PAGE.partition("\n## ")[0] else set()

    assert named | for_all == {option for of, option in OPTIONS if of == command}


@pytest.mark.parametrize(("command", "option"), [key for key, action in OPTIONS.items() if action.choices])
def test_the_page_of_options_names_every_choice_of_an_option(command, option):
    (words,) = (words for cell, words in option_rows(command).items() if f"`{option} " in cell)

    assert ", ".join(f"`{choice}`" for choice in OPTIONS[command, option].choices) in words


@pytest.mark.parametrize(("command", "option"), OPTIONS)
def test_every_option_explains_itself(command, option):
    assert OPTIONS[command, option].help


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_row_of_a_table_has_as_many_cells_as_its_head(path):
    tables = re.findall(r"(?m)^\|.*\n\|[-:| ]+\|\n(?:\|.*\n)+", path.read_text(encoding="utf-8"))
    cells = [[len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()] for table in tables]

    assert [set(counts) for counts in cells if len(set(counts)) > 1] == []


GENERATED = {
    "columns": lambda _: document_columns.page(),
    "options": lambda _: document_options.page(),
    "names": document_dissectors.page,
    "numbers": document_numbers.page,
}
"""The pages that ``make docs`` writes, wholly or in part: the page as it is → as it should be."""


@pytest.mark.parametrize("name", GENERATED)
def test_a_page_that_make_docs_writes_is_up_to_date(name):
    text = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")

    assert GENERATED[name](text) == text, "run: make docs"


@pytest.mark.parametrize("tool", sorted(path.name for path in ROOT.glob("tools/document_*.py")))
def test_make_docs_runs_every_tool_that_writes_a_page(tool):
    assert f"tools/{tool}\n" in (ROOT / "Makefile").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted(document_numbers.RESULTS.glob("*.json")), ids=lambda path: path.name)
def test_the_page_of_numbers_has_every_measurement(path):
    section = NUMBERS.partition(f"### `benchmarks/results/{path.name}`\n")[2].partition("\n#")[0]

    rows = re.findall(r"^\| (.+?) \| (\S+) \| \d", section, re.MULTILINE)

    measured = [(one["contender"], one["capture"]) for one in json.loads(path.read_text())["measurements"]]
    assert rows == measured


def test_the_page_of_columns_says_what_watching_adds():
    assert "`change` (text): " + ", ".join(f"`{word}`" for word in _CHANGES.values()) in COLUMNS


@pytest.mark.parametrize("by", [*LIVE_GROUPINGS, *LISTS])
def test_every_column_has_a_row_in_the_page_of_columns(by):
    rows = set(re.findall(r"^\| `(\w+)` \|", COLUMNS, re.MULTILINE))

    assert {column.name for column in columns(by)} <= rows


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_is_explained(reason):
    assert f"- `{reason}`: " in COLUMNS


def anchors(page):
    """What a link may name behind # in a page: its headings as GitHub writes them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def leads_somewhere(page, target):
    path, _, anchor = target.partition("#")
    leads_to = page.parent / path if path else page
    return leads_to.exists() and (not anchor or anchor in anchors(leads_to))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_between_pages_leads_somewhere(page):
    targets = re.findall(r"\]\(([^):]+)\)", page.read_text(encoding="utf-8"))

    assert [target for target in targets if not leads_somewhere(page, target)] == []


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/*.md")), ids=lambda page: page.name)
def test_the_readme_leads_to_every_page(page):
    assert f"](docs/{page.name})" in README


def test_what_contributing_names_is_there():
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    paths = re.findall(r"`([\w/.-]+/[\w.]*)`", page.partition("## To add")[2])

    assert len(paths) > 20
    assert [path for path in paths if not any((ROOT / root / path).exists() for root in (".", "src/portcall"))] == []
