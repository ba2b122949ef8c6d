"""What people see while it runs: a table in place on a terminal, a line a second elsewhere; seconds are handed in."""

from __future__ import annotations

import io
import re

import pytest

from portcall.records.report import Coverage, Report
from portcall.records.schema import column_names, directions
from portcall.views.live import LiveView

MORE = re.compile(r"and \d+ more|\d+ silent")
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


def report(*rows, frames=7, by="process", last_ns=None, left_out=0):
    count = sum(each[f"bytes_{direction}"] for each in rows for direction in directions(by))
    coverage = Coverage(frames, count, {}, 0, None, count)
    return Report(by, "test", last_ns and (0, last_ns), coverage, list(rows), rows_left_out=left_out)


def flow(port, sent, first_ns=0, **columns):
    known = {
        "protocol": "tcp",
        "client_ip": "192.0.2.1",
        "client_port": port,
        "client_port_class": "ephemeral",
        "server_ip": "192.0.2.7",
        "server_port": 443,
        "server_port_class": "well-known",
        "bytes_to_server": sent,
        "bytes_to_client": 0,
        "first_ns": first_ns,
        **columns,
    }
    return {name: known.get(name) for name in column_names("flow")}


def shown(stream, *reports, **options):
    """What the stream holds after showing reports two seconds apart."""
    with LiveView(stream, "live (test)", **options) as view:
        for number, each in enumerate(reports):
            view.show(each, 10.0 + 2 * number)
    return stream.getvalue()


def last_table(stream, *reports, **options):
    """The lines of the table as it was shown last, without what moves the cursor."""
    text = SEQUENCE.sub("", shown(stream, *reports, **options))
    _, _, last = text.rpartition("live (test)")
    return [line.rstrip() for line in last.replace("\r", "").splitlines()]


def names(lines):
    return [line.split()[0] for line in lines[3:] if line.strip() and not MORE.match(line)]


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
    nobody = row(None, 0, pid=None, unattributed_reason="no-owner", owner_quality="none")
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


def test_the_rows_with_the_greatest_rates_now_come_first():
    first = report(row("large", 900, pid=1), row("small", 100, pid=2))
    second = report(row("large", 950, pid=1), row("small", 300, pid=2), row("new", 200, pid=3))

    assert sorted(names(last_table(Terminal(), first, second))[:2]) == ["new", "small"]
    assert names(last_table(Terminal(), first, second))[2:] == ["large"]


def test_a_row_that_is_silent_leaves_the_table_and_not_the_totals():
    first = report(row("large", 900, pid=1), row("small", 100, pid=2))
    second = report(row("large", 900, pid=1), row("small", 300, pid=2))

    lines = last_table(Terminal(), first, second)

    assert names(lines) == ["small"]
    assert "1.20 kB" in lines[1]
    assert lines[-1] == "1 silent in the last 3 s"


def test_by_total_silent_rows_stay_and_the_most_bytes_come_first():
    first = report(row("large", 900, pid=1), row("small", 100, pid=2))
    second = report(row("large", 900, pid=1), row("small", 300, pid=2))

    assert names(last_table(Terminal(), first, second, sort="total")) == ["large", "small"]


def test_before_there_are_rates_the_table_has_what_there_is():
    assert names(last_table(Terminal(), report(row("curl", 5), row("wget", 9, pid=2)))) == ["wget", "curl"]


def test_rows_that_were_not_asked_for_are_not_shown_and_count():
    both = report(row("curl", 900, pid=1), row("wget", 100, pid=2))

    lines = last_table(Terminal(), both, is_shown=lambda row: row["process"] == "wget")

    assert names(lines) == ["wget"]
    assert "1.00 kB" in lines[1]


@pytest.mark.parametrize("by", ["app", "service", "host"])
def test_only_a_grouping_with_processes_has_a_column_of_pids(by):
    known = {by: "x", "bytes_out": 5, "bytes_in": 0}
    (header,) = [
        line
        for line in last_table(Terminal(), report({name: known.get(name) for name in column_names(by)}, by=by))
        if line.startswith(by)
    ]

    assert "pid" not in header


def test_conversations_are_shown_with_both_ends_and_processes():
    spoken = flow(40000, 900, client_process="curl", client_pid=7, server_process="nginx", server_pid=8)

    text = last_table(Terminal(), report(spoken, by="flow"))[3]

    assert re.split(r"\s{2,}", text)[:6] == ["192.0.2.7:443", "0 B", "0 B", "192.0.2.1:40000", "curl → nginx", "7 → 8"]


def test_a_conversation_that_speaks_again_has_no_rate_of_what_it_said_long_ago():
    before = report(flow(40000, 10, first_ns=5), by="flow", last_ns=5)
    after = report(flow(40001, 10**9, first_ns=4), by="flow", last_ns=9)

    assert names(last_table(Terminal(), before, after)) == []


def test_a_new_conversation_on_the_same_ports_is_a_row_of_its_own():
    before = report(flow(40000, 10**6, first_ns=5), by="flow", last_ns=5)
    after = report(flow(40000, 10**6, first_ns=5), flow(40000, 500, first_ns=7), by="flow", last_ns=9)

    lines = last_table(Terminal(), before, after)

    assert len(names(lines)) == 1
    assert "250 B" in lines[3]


def test_conversations_that_the_report_left_out_are_said_to_be_silent():
    assert (
        last_table(Terminal(), report(flow(40000, 9), by="flow", left_out=1234))[-1] == "1 234 silent in the last 3 s"
    )


def test_a_line_names_conversations_too():
    text = shown(io.StringIO(), report(flow(40000, 900, client_process="curl"), by="flow"), began_s=8.0)

    assert text == "up and down 450 B/s, 7 packets; curl → 192.0.2.7:443 450 B/s\n"


def test_a_terminal_that_cannot_move_its_cursor_gets_lines(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")

    assert shown(Terminal(), report(row("curl", 100)), began_s=8.0) == (
        "up 50 B/s, down 0 B/s, 7 packets; curl 50 B/s\n"
    )


def test_two_processes_of_one_name_are_two_rows():
    lines = last_table(Terminal(), report(row("curl", 900, pid=1), row("curl", 100, pid=2)))

    assert [line.split()[1] for line in lines if line.startswith("curl")] == ["1", "2"]


@pytest.mark.parametrize(("height", "options", "count"), [(40, {}, 20), (16, {}, 10), (40, {"most_rows": 4}, 4)])
def test_of_many_rows_as_many_as_there_is_room_for_are_shown_and_the_rest_counted(monkeypatch, height, options, count):
    monkeypatch.setenv("LINES", str(height))
    rows = [row(f"p{number:02}", 1000 - number, pid=number) for number in range(50)]

    lines = last_table(Terminal(), report(*rows), began_s=8.0, **options)

    assert names(lines) == [f"p{number:02}" for number in range(count)]
    assert lines[-1] == f"and {50 - count} more"


def test_the_table_goes_away_when_it_ends():
    text = shown(Terminal(), report(row("curl", 100)))

    _, _, after = text.rpartition("curl")
    assert "\x1b[2K" in after
    assert "\x1b[?25h" in after
