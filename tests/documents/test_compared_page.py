"""docs/compared.md states no figure of its own, and nothing of others without their own page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "compared.md").read_text(encoding="utf-8")
NUMBERS = (DOCS / "numbers.md").read_text(encoding="utf-8")
MEASURED = NUMBERS.partition("### `benchmarks/results/2026-11-28.json`\n")[2].partition("\n#")[0]


def table_after(text, head):
    """The rows of the table with this head, as lists of cells."""
    rows = text.partition(head + "\n")[2].partition("\n\n")[0].splitlines()[1:]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]


SPEEDS = table_after(PAGE, "| | CPU s | memory MB |")
OTHERS = [row for part in PAGE.split("| tool | what it is | beside portcall |\n")[1:] for row in part.splitlines()[1:]]
OTHERS = [row for row in OTHERS if row.startswith("| [")]


@pytest.mark.parametrize(("name", "cpu", "memory"), SPEEDS, ids=[row[0] for row in SPEEDS])
def test_each_speed_is_one_that_the_page_of_numbers_has(name, cpu, memory):
    contender = name.partition(", ports alone")[0].strip("`")
    measured = [re.split(r" *\| *", line.strip("| ")) for line in MEASURED.splitlines() if line.startswith("| ")]

    (row,) = [row for row in measured if row[:2] == [contender, "mix.pcap"]]

    assert (row[2].partition(" ")[0], row[4]) == (cpu, memory)


def test_owners_found_are_those_of_the_page_of_numbers():
    head = "| | processes with less than a second of traffic | the others | CPU |"

    ours, theirs = (table_after(text, head) for text in (PAGE, NUMBERS))

    assert [row[1:] for row in ours] == [row[1:] for row in theirs]
    assert len(ours) == 2


@pytest.mark.parametrize("command", ["portcall conns --top 20", "ss -H -tunp state connected"])
def test_the_seconds_of_a_listing_are_those_of_the_page_of_numbers(command):
    (stated,) = re.findall(rf"`{command}`\s+([\d.]+) s", PAGE)

    assert f"| `{command}` | {stated} (" in NUMBERS


def test_every_other_tool_has_a_link_to_its_own_page():
    assert len(OTHERS) == 11
    assert [row for row in OTHERS if not re.match(r"\| \[\w+\]\(https://", row)] == []
