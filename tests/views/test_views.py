"""What people see: tables at several widths against golden files, harmless text, and a patient progress bar.

``PORTCALL_WRITE_GOLDEN=1 pytest tests/views/test_views.py`` writes the golden files anew; read their difference before
you keep it.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flow_builder import ICMP, UDP, flow, tallies_of
from portcall.attribution.attribution import Attribution
from portcall.records.report import Coverage, Report
from portcall.records.schema import GROUPINGS, column_names
from portcall.views.progress import ProgressBar
from portcall.views.tables import name_or_reason, write_table
from portcall.views.terminal import look
from portcall.views.text import bytes_text, columns, count_text, duration_text, share_text, visible

GOLDEN = Path(__file__).parents[1] / "golden"


class Terminal(io.StringIO):
    """A text stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Ascii(io.StringIO):
    """A stream that can only take ASCII."""

    encoding = "ascii"


def evening(by: str) -> Report:
    """A browser-like evening at one machine."""
    pc = "192.168.1.5"
    flows = np.concatenate(
        [
            flow(f"{pc} 40000", "93.184.216.34 443", sizes=(120_000, 48_000_000), packets=(900, 33_000)),
            flow(f"{pc} 40001", "8.8.8.8 53", UDP, sizes=(90, 310), packets=(1, 1)),
            flow(
                "fd00::5 40002", "2606:2800:220:1:248:1893:25c8:1946 443", sizes=(9_000, 1_200_000), packets=(80, 900)
            ),
            flow(f"{pc} 40003", "203.0.113.9 50123", sizes=(7_000_000, 90_000), packets=(5_000, 1_500)),
            flow(f"{pc} 40004", "203.0.113.9 12", UDP, sizes=(500, 0), packets=(5, 0)),
            flow(f"{pc}", "203.0.113.9", ICMP, sizes=(980, 980), packets=(10, 10)),
        ]
    )
    attribution = Attribution(by)
    attribution.add(flows)
    return attribution.report(tallies_of(flows, not_ip=(40, 2400)), "evening.pcap")


def table(report: Report, **options) -> str:
    stream = io.StringIO()
    write_table(report, stream, **options)
    return stream.getvalue()


def with_host(host: str) -> Report:
    row = dict.fromkeys(column_names("host")) | {"host": host, "services": [host]}
    counts = [name for name in row if name.startswith(("packets", "bytes", "payload", "flows"))]
    coverage = Coverage(1, 7, {}, 0, None, 0)
    return Report("host", "x", None, coverage, [row | dict.fromkeys(counts, 1)])


@pytest.mark.parametrize("by", GROUPINGS)
@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_table_looks_like_its_golden_file(by, width):
    golden = GOLDEN / f"table_by_{by}_{width}.txt"

    shown = table(evening(by), width=width)

    if os.environ.get("PORTCALL_WRITE_GOLDEN"):
        golden.write_text(shown, encoding="utf-8")
    assert shown == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("by", GROUPINGS)
@pytest.mark.parametrize("width", [20, 40, 60, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal(by, width):
    assert max(columns(line) for line in table(evening(by), width=width).splitlines()) <= width


def test_without_a_terminal_a_table_is_plain_text_of_a_hundred_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")

    assert table(evening("app")) == table(evening("app"), width=100)
    assert "\x1b" not in table(evening("app"))


def test_a_terminal_gets_colour(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()

    write_table(evening("app"), stream, width=80)

    assert "\x1b[" in stream.getvalue()


def test_no_color_is_respected(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()

    write_table(evening("app"), stream, width=80)

    assert "\x1b[3" not in stream.getvalue()


def test_a_stream_that_only_takes_ascii_gets_ascii():
    stream = Ascii()

    write_table(evening("app"), stream, width=80)

    assert stream.getvalue().isascii()


def test_a_long_table_says_how_much_it_does_not_show():
    flows = np.concatenate([flow(f"192.168.1.5 {40000 + n}", f"8.8.8.{n} 443", sizes=(0, 10)) for n in range(30)])
    attribution = Attribution("host")
    attribution.add(flows)

    shown = table(attribution.report(tallies_of(flows), "x", top=28))

    assert "and 5 more: 50 B" in shown


def test_an_empty_report_is_one_line_of_totals():
    shown = table(Attribution("app").report({}, "x"))

    assert shown == "0 packets, 0 B, 0 % of bytes attributed\n"


@pytest.mark.parametrize(
    "host",
    ["\x1b[2J\x1b]0;owned\x07", "a\r\nb", "\u202egnp.exe", "nul\0nul", "\x9b31m", "e" + "\u0301" * 5000, "x" * 60_000,
     "\ud800", "[red]markup[/red]", ":smile:", "日本" * 100],
    ids=["ansi", "newline", "bidi", "nul", "c1", "combining flood", "60 kB", "surrogate", "markup", "emoji", "wide"],
)  # fmt: skip
def test_nothing_that_a_packet_says_can_steer_the_terminal(host):
    lines = table(with_host(host), width=80).splitlines()

    assert all(line.isprintable() for line in lines)
    assert len(lines) == 4
    assert max(columns(line) for line in lines) <= 80


def test_markup_of_the_table_library_is_shown_as_it_is():
    assert "[red]markup[/red]" in table(with_host("[red]markup[/red]"), width=80)


@given(st.text(), st.integers(0, 30))
def test_visible_text_is_printable_and_never_wider_than_asked(text, width):
    shown = visible(text, width)

    assert shown.isprintable()
    assert columns(shown) <= width


@given(st.text(alphabet=st.characters(categories=["L", "N", "P"])))
def test_ordinary_text_stays_as_it_is(text):
    assert visible(text) == text


def test_a_flood_of_combining_characters_is_cut_to_two():
    assert visible("e" + "\u0301" * 50 + "x") == "e\u0301\u0301x"


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.00 kB"), (1500, "1.50 kB"), (9_999, "10.0 kB"), (99_960, "100 kB"),
     (999_499, "999 kB"), (999_500, "1.00 MB"), (557 * 10**9, "557 GB"), (10**19, "10.0 EB")],
)  # fmt: skip
def test_bytes_have_three_digits_and_a_unit(count, text):
    assert bytes_text(count) == text


@pytest.mark.parametrize(
    ("duration_ns", "text"),
    [(0, "0 ms"), (520_000, "0.52 ms"), (12_340_000_000, "12.3 s"), (200 * 10**9, "3 min 20 s"),
     (187_200 * 10**9, "2 d 4 h"), (3600 * 10**9, "1 h")],
)  # fmt: skip
def test_durations_have_the_unit_that_suits_them(duration_ns, text):
    assert duration_text(duration_ns) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(0, 0, "0 %"), (0, 5, "0 %"), (5, 5, "100 %"), (999_999, 10**6, "99 %"), (1, 10**6, "<0.1 %"), (1, 30, "3.3 %"),
     (1, 2, "50 %")],
)  # fmt: skip
def test_shares_never_round_to_none_or_all(part, whole, text):
    assert share_text(part, whole) == text


def test_thousands_are_parted():
    assert count_text(1234567) == "1 234 567"


def test_a_progress_bar_is_patient_for_a_second():
    now_s, stream = [0.0], Terminal()

    with ProgressBar(stream, clock=lambda: now_s[0]) as progress:
        progress(1, 100)
        now_s[0] = 0.9
        progress(50, 100)

    assert stream.getvalue() == ""


def test_a_progress_bar_shows_on_a_terminal_after_a_second(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    now_s, stream = [0.0], Terminal()

    with ProgressBar(stream, clock=lambda: now_s[0]) as progress:
        now_s[0] = 1.5
        progress(50, 100)

    assert "reading" in stream.getvalue()


def test_a_progress_bar_is_silent_without_a_terminal():
    now_s, stream = [0.0], io.StringIO()

    with ProgressBar(stream, clock=lambda: now_s[0]) as progress:
        now_s[0] = 1.5
        progress(50, 100)

    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"services": ["tcp/81"]}, "(unknown service tcp/81)"),
        ({"services": ["tcp/81", "udp/9"]}, "(unknown services)"),
        ({"services": ["tcp/81"], "owner_quality": "none"}, "(no owner known)"),
    ],
)
def test_what_nothing_tells_is_an_unknown_service_where_nobody_asked_for_owners(row, words):
    assert name_or_reason("app", {"app": None, "unattributed_reason": "no-owner", **row}) == words


def test_a_dumb_terminal_is_as_wide_as_columns_says(monkeypatch):
    class Dumb(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "140")

    assert look(Dumb()).width == 140
