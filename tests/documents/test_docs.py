"""The documentation is complete: the parser and the schema are asked what there is to document."""

import argparse
import re
from pathlib import Path

import pytest

import document_columns
from portcall.cli import COMMANDS, parser_of
from portcall.records.schema import LISTS, LIVE_GROUPINGS, REASONS, columns

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COLUMNS = (ROOT / "docs" / "columns.md").read_text(encoding="utf-8")
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")])


PARSER = parser_of(COMMANDS)


def commands():
    """Every command's name and parser."""
    (subparsers,) = (action for action in PARSER._actions if isinstance(action, argparse._SubParsersAction))
    return dict(subparsers.choices)


def shown_actions(parser):
    return [action for action in parser._actions if action.help is not argparse.SUPPRESS]


OPTIONS = {
    option: action
    for parser in (PARSER, *commands().values())
    for action in shown_actions(parser)
    for option in action.option_strings
}


def documented_options():
    """The options that the first cells of the README's table name."""
    cells = re.findall(r"^\| (.+?) \| ", README, re.MULTILINE)
    return {option for cell in cells for option in re.findall(r"(?<![\w-])--?[a-z0-9][a-z-]*", cell)}


@pytest.mark.parametrize("command", commands())
def test_every_command_is_in_the_readme(command):
    assert re.search(rf"`portcall {command}[ `]", README)


def test_the_readme_names_every_option_and_no_other():
    assert documented_options() == set(OPTIONS)


CHOICES = {
    (option, tuple(action.choices))
    for parser in commands().values()
    for action in shown_actions(parser)
    for option in action.option_strings
    if action.choices
} - {("--by", ("app", "service", "host", "flow"))}  # the README says which of live's choices read lacks


@pytest.mark.parametrize(("option", "choices"), sorted(CHOICES))
def test_the_readme_names_every_choice_of_an_option(option, choices):
    rows = re.findall(rf"^\| `{option}` (.+?) \|", README, re.MULTILINE)

    assert ", ".join(choices) in rows


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_explains_itself(option):
    assert OPTIONS[option].help


def test_the_page_of_columns_is_what_the_schema_says():
    assert document_columns.page() == COLUMNS, "run: make docs"


@pytest.mark.parametrize("by", [*LIVE_GROUPINGS, *LISTS])
def test_every_column_has_a_row_in_the_page_of_columns(by):
    rows = set(re.findall(r"^\| `(\w+)` \|", COLUMNS, re.MULTILINE))

    assert {column.name for column in columns(by)} <= rows


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_is_explained(reason):
    assert f"- `{reason}`: " in COLUMNS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_between_pages_leads_somewhere(page):
    targets = re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))

    assert [target for target in targets if not (page.parent / target).exists()] == []
