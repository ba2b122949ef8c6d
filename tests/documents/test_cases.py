"""The page of cases: each names a test that is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS = re.findall(r"^\| (?!case|---)(.+) \|$", (ROOT / "docs" / "cases.md").read_text(encoding="utf-8"), re.MULTILINE)
TESTS = [row.split(" | ")[-1].strip("`") for row in ROWS]


def test_every_case_has_four_cells():
    assert len(ROWS) > 40
    assert all(len(row.split(" | ")) == 4 for row in ROWS)


@pytest.mark.parametrize("named", sorted(set(TESTS)))
def test_the_test_of_a_case_is_there(named):
    path, _, name = named.partition("::")

    assert re.search(rf"^def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
