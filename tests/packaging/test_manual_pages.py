"""The manual: a page for each command, made of the parser, that readers of manuals find nothing wrong with."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

import manual_pages
from portcall.cli import COMMANDS, parser_of
from portcall.commands.shell.completion import SCRIPTS

PAGES = manual_pages.pages()
(PARSERS,) = (action.choices for action in parser_of(COMMANDS)._actions if isinstance(action.choices, dict))


def shown(page):
    """What a reader sees of it."""
    ran = subprocess.run(["mandoc", "-T", "ascii"], input=page, capture_output=True, text=True, check=True)
    return re.sub(".\b", "", ran.stdout)


def test_there_is_a_page_for_portcall_and_for_each_command():
    assert list(PAGES) == ["portcall.1", *(f"portcall-{command}.1" for command in COMMANDS)]


@pytest.mark.skipif(not shutil.which("mandoc"), reason="mandoc is not installed")
def test_mandoc_finds_nothing_wrong_with_a_page(tmp_path):
    for name, page in PAGES.items():
        (tmp_path / name).write_text(page)
    ran = subprocess.run(["mandoc", "-T", "lint", *PAGES], cwd=tmp_path, capture_output=True, text=True, check=False)

    found = [line for line in ran.stdout.splitlines() if "referenced manual not found" not in line]
    assert found == []


@pytest.mark.skipif(not shutil.which("mandoc"), reason="mandoc is not installed")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_page_shows_every_option_and_the_examples_as_they_are_typed(command):
    text = shown(PAGES[f"portcall-{command}.1"])

    assert {option for option in PARSERS[command]._option_string_actions if option not in text} == set()
    examples = [line.strip() for line in PARSERS[command].epilog.splitlines() if line.startswith("  ")]
    assert examples
    assert [example for example in examples if example not in text] == []


def test_a_text_cannot_be_taken_for_roff():
    assert list(manual_pages._sentences("\\fB and .Sh, then 'quoted'. .Sh NAME it's")) == [
        "\\efB and .Sh, then \\(aqquoted\\(aq. .Sh NAME it\\(aqs"
    ]
    assert list(manual_pages._sentences(".Sh NAME")) == ["\\&.Sh NAME"]


def test_pages_and_completion_are_written_where_programs_look(tmp_path):
    placed = dict(manual_pages.write_share(tmp_path))

    assert len(placed["share/man/man1"]) == len(PAGES)
    assert (tmp_path / "man/man1/portcall.1").read_text() == PAGES["portcall.1"]
    for shell, place in manual_pages.COMPLETIONS.items():
        assert (tmp_path / place).read_text() == SCRIPTS[shell]
