"""Lists for people: what is open stands out, what is alike is one line, and nothing reaches a terminal unescaped."""

from __future__ import annotations

import io

import pytest

from portcall.records.schema import Listing, column_names
from portcall.views.checks import MOST_ALIKE, write_checks
from portcall.views.fitting import TableColumn
from portcall.views.lists import Sheet, write_list

WORDS = TableColumn("words", 0, lambda row: row["words"], 1000, wraps=True)
LIST = Listing("doctor", "this machine", [])


def row(port: int, verdict: str, **learnt) -> dict:
    known = {"host": "h", "address": "192.0.2.1", "protocol": "tcp", "port": port, "verdict": verdict, "reason": "why"}
    return {name: (known | learnt).get(name) for name in column_names("check")}


def shown(rows: list[dict], width: int = 120) -> list[str]:
    stream = io.StringIO()
    write_checks(Listing("check", rows[0]["host"], rows), stream, width=width)
    return stream.getvalue().splitlines()


def test_the_heading_counts_verdicts_open_ones_first():
    lines = shown([row(1, "closed"), row(2, "closed"), row(3, "open")])

    assert lines[0] == "h: 1 open, 2 closed"


def test_runs_of_ports_that_are_alike_are_one_line_around_those_that_are_not():
    rows = [row(port, "open" if port == 5 else "closed", reason="refused") for port in range(1, MOST_ALIKE + 3)]

    lines = shown(rows)

    assert [line.split()[0] for line in lines[3:]] == ["9", "5/tcp"]
    assert lines[3].endswith("refused: 1-4, 6-10")


def test_few_ports_that_are_alike_keep_their_own_lines():
    lines = shown([row(port, "closed") for port in range(1, MOST_ALIKE + 1)])

    assert len(lines) == 3 + MOST_ALIKE


def test_open_ports_are_never_put_together():
    lines = shown([row(port, "open") for port in range(1, 30)])

    assert len(lines) == 3 + 29


def test_who_said_no_is_named_unless_it_is_the_host_itself():
    on_the_way, host = row(1, "filtered", said_by="198.51.100.9"), row(2, "closed", said_by="192.0.2.1")

    lines = shown([on_the_way, host])

    assert lines[3].endswith("why, says 198.51.100.9")
    assert lines[4].endswith("why")


def test_columns_in_which_nothing_stands_are_left_out():
    lines = shown([row(1, "filtered")])

    assert lines[2].split() == ["port", "address", "verdict", "why"]


def test_nothing_of_a_row_reaches_the_terminal_unescaped():
    lines = shown([row(1, "open", host="\x1b]0;x\x07", banner="\x1b[2J")])

    assert "\x1b" not in "".join(lines)


def test_footnotes_are_not_broken_however_narrow_it_is():
    stream = io.StringIO()

    write_list(LIST, stream, lambda _: Sheet((WORDS,), [{"words": "x"}], footnotes=["sudo " + "y" * 200]), width=40)

    assert stream.getvalue().splitlines()[-1] == "sudo " + "y" * 200


@pytest.mark.parametrize("width", [40, 60, 200])
def test_the_last_column_wraps_and_loses_no_word(width):
    why = " ".join(f"word{number}" for number in range(30))

    lines = shown([row(1, "filtered", reason=why), row(2, "closed")], width)

    assert max(map(len, lines)) <= width
    assert [word for line in lines[3:] for word in line.split() if word.startswith("word")] == why.split()
    assert lines[-1].split()[0] == "2/tcp"


def test_what_is_left_out_is_counted():
    stream = io.StringIO()

    write_list(Listing("check", "h", [], rows_left_out=3), stream, lambda _: Sheet((WORDS,), [], "h"))

    assert stream.getvalue() == "h\nand 3 more\n"
