"""What people see while it runs: a table in place on a terminal, a line a second elsewhere; seconds are handed in."""

from __future__ import annotations

import io
import re

import pytest

from portcall.records.report import Coverage, Report
from portcall.records.schema import column_names
from portcall.views.live import LiveView

SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal(io.StringIO):
    """A text stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LINES", "40")
    monkeypatch.setenv("TERM", "xterm")


def row(process, out=0, in_=0, pid=1, **columns):
    known = {"app": process, "process": process, "pid": pid, "bytes_out": out, "bytes_in": in_, **columns}
    return {name: known.get(name) for name in column_names("process")}


def report(*rows, frames=7):
    count = sum(each["bytes_out"] + each["bytes_in"] for each in rows)
    coverage = Coverage(frames, count, {}, 0, None, count)
    return Report("process", "test", None, coverage, list(rows))


def shown(stream, *reports):
    """What the stream holds after showing reports two seconds apart."""
    with LiveView(stream, "live (test)") as view:
        for number, each in enumerate(reports):
            view.show(each, 10.0 + 2 * number)
    return stream.getvalue()


def last_table(stream, *reports):
    """The lines of the table as it was shown last, without what moves the cursor."""
    text = SEQUENCE.sub("", shown(stream, *reports))
    _, _, last = text.rpartition("live (test)")
    return [line.rstrip() for line in last.replace("\r", "").splitlines()]


def names(lines):
    return [line.split()[0] for line in lines[2:] if line.strip()]


def test_elsewhere_than_on_a_terminal_each_report_is_one_line():
    text = shown(io.StringIO(), report(row("curl", 100)), report(row("curl", 300, 1000)))

    assert text.splitlines() == [
        "up 0 B/s, down 0 B/s, 7 packets",
        "up 100 B/s, down 500 B/s, 7 packets; curl 600 B/s",
    ]


def nobodys(out):
    return row(None, out, pid=None, unattributed_reason="no-owner")


@pytest.mark.parametrize("after", [[nobodys(600)], []], ids=["some", "all"])
def test_bytes_that_find_their_owner_later_make_no_rate_negative_and_no_total_greater(after):
    before = report(nobodys(8000), row("curl", 1000))
    left = sum(each["bytes_out"] for each in after)

    line = shown(io.StringIO(), before, report(*after, row("curl", 9000 - left + 200))).splitlines()[-1]

    assert line.startswith("up 100 B/s, down 0 B/s")
    assert not re.search(r"-\d", line)
    assert "no owner" not in line


def test_no_row_of_the_table_has_a_negative_rate():
    text = last_table(Terminal(), report(nobodys(8000)), report(nobodys(600), row("curl", 7400)))

    assert not re.search(r"-\d", "".join(text))


def test_a_line_names_the_three_that_are_busiest_now_and_not_those_who_were():
    before = [row("was", 10**6, pid=9)]
    now = [row("a", 10, pid=1), row("b", 40, pid=2), row("c", 30, pid=3), row("d", 20, pid=4)]

    line = shown(io.StringIO(), report(*before), report(*before, *now)).splitlines()[-1]

    assert line.endswith("; b 20 B/s, c 15 B/s, d 10 B/s")


def test_lines_are_written_at_once():
    class Counting(io.StringIO):
        flushed = 0

        def flush(self):
            self.flushed += 1

    stream = Counting()

    shown(stream, report(), report())

    assert stream.flushed >= 2


def test_traffic_without_an_owner_is_named_by_its_reason():
    nobody = row(None, 0, pid=None, unattributed_reason="no-owner")
    later = {**nobody, "bytes_out": 4}

    assert shown(io.StringIO(), report(nobody), report(later)).endswith("; (no owner known) 2 B/s\n")


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_what_a_process_calls_itself_cannot_move_the_cursor_or_start_a_line(stream):
    evil = "\x1b[2Jup\r\n\x9b5Aevil"

    text = shown(stream(), report(row(evil, 0)), report(row(evil, 100)))

    assert "\x1b[2J" not in text
    assert "\x9b" not in text
    assert "\nup\n" not in text
    assert "\r\n\x9b" not in text
    assert text.count("evil") >= 1


@pytest.mark.parametrize("name", ["[red]x[/red]", "x[/red]", ":smile:"])
def test_what_a_process_calls_itself_is_no_markup_on_a_terminal(name):
    assert name in shown(Terminal(), report(row(name, 100)))


def test_the_table_has_rates_since_the_last_time_and_totals():
    lines = last_table(Terminal(), report(row("curl", 1000, 2000, 41)), report(row("curl", 3000, 2500, 41)))

    (line,) = [line for line in lines if line.startswith("curl")]
    assert re.split(r"\s{2,}|(?<=curl)\s+|(?<=41)\s+", line) == ["curl", "41", "1.00 kB", "250 B", "3.00 kB", "2.50 kB"]


def test_rows_keep_their_place_when_others_become_larger():
    first = report(row("large", 900, pid=1), row("small", 100, pid=2))
    second = report(row("new", 10**6, pid=3), row("small", 5000, pid=2), row("large", 900, pid=1))

    assert names(last_table(Terminal(), first, second)) == ["large", "small", "new"]


def test_two_processes_of_one_name_are_two_rows():
    lines = last_table(Terminal(), report(row("curl", 900, pid=1), row("curl", 100, pid=2)))

    assert [line.split()[1] for line in lines if line.startswith("curl")] == ["1", "2"]


def test_of_many_rows_the_largest_are_shown_in_their_places():
    rows = [row(f"p{number:02}", 1000 - number, pid=number) for number in range(50)]
    later = [*rows[:49], row("p49", 10**6, pid=49)]

    assert names(last_table(Terminal(), report(*rows), report(*later))) == [f"p{n:02}" for n in range(19)] + ["p49"]


def test_the_table_goes_away_when_it_ends():
    text = shown(Terminal(), report(row("curl", 100)))

    _, _, after = text.rpartition("curl")
    assert "\x1b[2K" in after
    assert "\x1b[?25h" in after
