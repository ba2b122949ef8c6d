"""The page of faults: each row says what is seen and what is kept, and names a test that is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
    for line in PAGE.splitlines()
    if line.startswith("|") and not re.match(r"\|( fault \||---)", line)
]
FAULTS = (
    *("disk", "whoever reads", "deleted", "down, and up", "clock jumps", "SIGTERM", "SIGKILL", "SIGSTOP", "killed"),
    *("refuses programs", "ring overflows", "descriptors", "ulimit -v", "control group", "no /proc", "read-only"),
    *("no terminal", "shrinks", "grows", "damaged history"),
)
"""What issue after issue of other programs tells of, and what this page must not lack."""


def test_every_fault_has_four_cells_and_all_but_the_last_may_say_nothing():
    assert len(ROWS) > 50
    assert [row for row in ROWS if len(row) != 4 or not row[0] or not row[3]] == []


@pytest.mark.parametrize("named", sorted({row[-1].strip("`") for row in ROWS}))
def test_the_test_of_a_fault_is_there(named):
    path, _, name = named.partition("::")

    assert re.search(rf"^def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("fault", FAULTS)
def test_no_fault_is_forgotten(fault):
    assert [row for row in ROWS if fault in row[0]]


@pytest.mark.parametrize("words", sorted({words for row in ROWS for words in re.findall(r"`([^`]+)`", row[1])}))
def test_the_very_words_are_in_the_code(words):
    """What stands between what differs: numbers, names, times and sentences of the system."""
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    parts = [part.strip(" ,.;:'") for part in re.split(DIFFERS, words)]

    assert [part for part in parts if len(part) > LEAST_LETTERS and part not in " ".join(code.split())] == []


LEAST_LETTERS = 12
DIFFERS = "|".join(
    (
        *(
            "…",
            r"\.? Remedy: ",
            "; ",
            r"\. ",
            ": ",
            r"\b\d+(?: (?:MiB|s))?",
            r"\b(?:vpn0|web|FILE|netlink|stdin|stdout|since)\b",
        ),
        *(
            "no space left on device",
            "permission denied",
            "read-only file system",
            "operation not permitted",
            "broken pipe",
        ),
        *("database or disk is full", "no such file or directory", "File too large", "portcall read"),
        *("/proc/self/ns/net", "/portcall/history.sqlite", ", and it was ended", ", of which this"),
    )
)
