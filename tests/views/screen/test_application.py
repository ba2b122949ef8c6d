"""Keys of the screen, pressed one after the other on captures that ship; and what it looks like, against golden files.

``PORTCALL_WRITE_GOLDEN=1 pytest tests/views/screen/test_application.py`` writes these anew; read their difference.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from textual import events

from portcall.records.column_values import Columns
from portcall.records.report import Coverage, Report
from portcall.records.report_rows import Rows
from portcall.records.schema import column_names
from portcall.runs.screens.screen_feed import port_of, rows_wanted
from portcall.views.screen.application import INTERRUPTED, QUIT
from portcall.views.screen.key_help import KEYS
from portcall.views.screen.palette import LIGHT, PLAIN
from portcall.views.screen.pictures import ScreenQuestion
from portcall.views.screen.row_rates import RowRates
from portcall.views.screen.taking import picture_of
from portcall.views.screen.widgets import Table
from portcall.views.text import columns
from shown_screens import application_of, feed_of, lines_of, shown_after

GOLDEN = Path(__file__).parents[2] / "golden"
SIZES = [(80, 24), (120, 40), (200, 60)]
FIRST_ROW = 4


@pytest.fixture(scope="module")
def office():
    return feed_of("office.pcapng")


@pytest.fixture(scope="module")
def owners():
    return feed_of("owners.pcapng")


def names(lines):
    """The first word of each row."""
    words = [line[2:].split("  ")[0].strip() for line in lines[FIRST_ROW:-2]]
    return [word for word in words if word]


class LiveFeed:
    """Hands out pictures that a test makes."""

    def __init__(self):
        self.rates = RowRates(0.0)
        self.question = None
        self.take = lambda _picture: None

    def ask(self, question):
        self.question = question

    def rows_wanted(self, text, by):
        return rows_wanted(text, by)

    def port_of(self, service):
        return port_of(service)

    def bring(self, second, **totals):
        """The picture of that second: bytes out by app; ``no_owner`` is nobody's."""
        rows = [row(name, 10 * second, out, second) for name, out in totals.items()]
        columns_ = Columns.of_rows(rows)
        total = sum(totals.values())
        coverage = Coverage(10 * second, total, {}, 0, 0, total - totals.get("no_owner", 0))
        held = Rows(column_names("app"), [columns_], np.arange(len(rows)))
        report = Report("app", "live", (0, second * 10**9), coverage, held)
        self.take(picture_of(ScreenQuestion("app"), report, held, "app", self.rates, float(second)))


def row(name, flows, out, second):
    is_nobodys = name == "no_owner"
    known = {
        "app": None if is_nobodys else name,
        "app_source": None if is_nobodys else "process",
        "process": None if is_nobodys else name,
        "unattributed_reason": "no-owner" if is_nobodys else None,
        "owner_quality": "none" if is_nobodys else "exact",
        "flows": flows,
        "bytes_out": out,
        "bytes_in": 0,
        "top_host": "example.org",
        "services": ["https"],
        "first_ns": 0,
        "last_ns": second * 10**9,
    }
    return {column: known.get(column) for column in column_names("app")}


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize(
    ("name", "keys"), [("apps", ("j", "j")), ("opened", ("enter", "j")), ("explained", ("enter", "enter"))]
)
def test_the_screen_looks_like_its_golden_file(office, size, name, keys):
    golden = GOLDEN / f"screen_{name}_{size[0]}x{size[1]}.txt"

    shown = "".join(f"{line}\n" for line in shown_after(application_of(office), *keys, size=size))

    if os.environ.get("PORTCALL_WRITE_GOLDEN"):
        golden.write_text(shown, encoding="utf-8")
    assert shown == golden.read_text(encoding="utf-8")
    assert max(map(columns, shown.splitlines())) <= size[0]
    assert "q quit  ? help" in shown.splitlines()[-1]


def test_enter_opens_an_app_then_a_conversation_and_escape_goes_back(owners):
    opened = shown_after(application_of(owners), "j", "j", "enter")
    explained = shown_after(application_of(owners), "j", "j", "enter", "enter")
    back = shown_after(application_of(owners), "j", "j", "enter", "enter", "escape", "escape")

    assert "app psql" in opened[2]
    assert names(opened) == ["10.20.0.1:5432"]
    assert any("its process is psql" in line for line in explained)
    assert back[5].startswith("▸ psql")


@pytest.mark.parametrize(
    ("tabs", "expected"),
    [(1, "10.20.0.1"), (2, "5432/tcp"), (3, "psql 4100"), (4, "the app rests on")],
    ids=["hosts", "ports", "processes", "evidence"],
)
def test_an_opened_app_has_parts(owners, tabs, expected):
    assert expected in names(shown_after(application_of(owners), "j", "j", "enter", *["tab"] * tabs))


def test_enter_on_a_part_shows_its_conversations(office):
    lines = shown_after(application_of(office), "a", "a", "enter", "tab", "tab", "enter")

    assert "> " in lines[2]
    assert names(lines)


def test_a_filter_speaks_the_language_of_where(owners):
    lines = shown_after(application_of(owners), "slash", *"app=psql", "enter")

    assert names(lines) == ["psql"]
    assert "filter app=psql leaves out 3" in lines[2]


def test_a_filter_that_is_none_says_why_and_leaves_all_rows(owners):
    lines = shown_after(application_of(owners), "slash", *"ap=psql", "enter", size=(120, 24))

    assert "no column 'ap' by app. Did you mean 'app'?" in lines[-2]
    assert len(names(lines)) == 4


def test_keys_are_letters_while_a_filter_is_typed_and_escape_leaves_it(owners):
    typed = shown_after(application_of(owners), "slash", *"qsz", "space", "x", "left", "backspace")
    left = shown_after(application_of(owners), "slash", *"qsz", "escape")

    assert typed[-2] == "filter: qszx"
    assert len(names(left)) == 4
    assert "sorted by bytes" in left[2]


def test_a_filter_may_be_pasted(owners):
    async def paste(pilot):
        await pilot.press("slash")
        pilot.app.post_message(events.Paste("app=psql\nq"))
        await pilot.pause()
        await pilot.press("enter")

    assert names(shown_after(application_of(owners), also=paste)) == ["psql"]


def test_rows_are_sorted_by_the_next_column_and_reversed(owners):
    by_name = shown_after(application_of(owners), *["s"] * 3, size=(120, 24))
    reverse = shown_after(application_of(owners), *["s"] * 3, "S", size=(120, 24))

    sorts = [names(shown_after(application_of(owners), *["s"] * count)) for count in (0, 2)]
    assert sorts[0] == ["redis-cli", "psql", "mariadb", "(not IP)"]
    assert names(by_name) == names(reverse)[::-1]
    assert "(least first)" in reverse[2]


def test_rows_are_grouped_by_the_next_of_what_there_is(owners):
    shown = [shown_after(application_of(owners), *["a"] * count)[2].split(" · ")[0] for count in range(6)]

    assert shown == ["by app", "by process", "by service", "by host", "by flow", "by app"]


def test_ports_or_names_and_addresses_or_names(office):
    opened = ("j", "enter")
    named = shown_after(application_of(office), *opened, size=(120, 24))
    by_number = shown_after(application_of(office), *opened, "p", "d", size=(120, 24))

    assert "music.example.net:443" in named[FIRST_ROW]
    assert "198.51.100.20:443" in by_number[FIRST_ROW]
    assert "443/" in by_number[FIRST_ROW]


def test_the_table_of_apps_shows_addresses_and_ports_too(office):
    named = shown_after(application_of(office), size=(200, 24))[FIRST_ROW]
    by_number = shown_after(application_of(office), "p", "d", size=(200, 24))[FIRST_ROW]

    assert ("music.example.net" in named, "music.example.net" in by_number) == (True, False)
    assert "443/tcp" in by_number


def test_space_unfolds_the_processes_of_an_app(owners):
    lines = shown_after(application_of(owners), "j", "j", "space")
    folded = shown_after(application_of(owners), "j", "j", "space", "space")

    assert lines[5].startswith("▸ ▾ psql")
    assert "4100 psql" in lines[6]
    assert len(names(folded)) == 4


def test_space_says_where_nothing_unfolds(office):
    assert "nothing here tells processes" in shown_after(application_of(office), "space")[-2]


def test_closed_conversations_are_left_out_and_shown_again(owners):
    shown = shown_after(application_of(owners), "enter")
    left_out = shown_after(application_of(owners), "enter", "t")

    assert len(names(shown)) == 4
    assert names(left_out) == []
    assert "4 closed (t)" in left_out[2]


def test_tunnels_are_left_out():
    tunnels = feed_of("tunnels.pcap")

    shown = names(shown_after(application_of(tunnels, by="flow"), size=(120, 40)))
    lines = shown_after(application_of(tunnels, by="flow"), "x", size=(120, 40))

    assert 0 < len(names(lines)) < len(shown)
    assert f"{len(shown) - len(names(lines))} row" in lines[2]


def test_help_names_every_key_and_goes_back(owners):
    page = shown_after(application_of(owners), "question_mark", size=(120, 60))
    back = shown_after(application_of(owners), "question_mark", "question_mark")

    assert [key for key in KEYS if not any(line.startswith(key.shown) and key.words in line for line in page)] == []
    assert names(back)[0] == "redis-cli"


def test_a_report_is_written_in_the_format_of_its_suffix(owners, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    lines = shown_after(application_of(owners), "w", "enter")
    refused = shown_after(application_of(owners), "w", "ctrl+u", *"x.doc", "enter", size=(120, 24))

    assert lines[-2] == "4 rows by app written to portcall.json"
    assert '"rows"' in (tmp_path / "portcall.json").read_text()
    assert "no format has the suffix '.doc'" in refused[-2]


@pytest.mark.parametrize(("key", "result"), [("q", QUIT), ("ctrl+c", INTERRUPTED), ("ctrl+q", INTERRUPTED)])
def test_it_ends_as_somebody_wanted(owners, key, result):
    application = application_of(owners)

    shown_after(application, also=lambda pilot: pilot.press(key))

    assert application.return_value == result


def test_the_mouse_chooses_opens_and_sorts(owners):
    async def click_twice(pilot):
        await pilot.click(Table, offset=(4, 2))
        await pilot.click(Table, offset=(4, 2))

    async def click_title(pilot):
        await pilot.click(Table, offset=(3, 0))

    opened = shown_after(application_of(owners), also=click_twice)
    by_name = shown_after(application_of(owners), also=click_title)

    assert "app psql" in opened[2]
    assert "sorted by name" in by_name[2]


def test_moving_the_cursor_makes_no_row_and_asks_for_nothing(office):
    application = application_of(office)
    made = []

    async def move(pilot):
        table = application.query_one(Table).lines
        make, before = table._make, len(office.questions)
        table._make = lambda number: made.append(number) or make(number)
        for key in "jjjkkj":
            await pilot.press(key)
        assert len(office.questions) == before

    lines = shown_after(application, also=move)

    assert made == []
    assert lines[FIRST_ROW + 1].startswith("▸")


def test_no_row_moves_under_the_cursor_and_others_only_when_a_rank_lasts():
    feed = LiveFeed()
    application = application_of(feed, is_live=True)
    seen = []

    async def watch(pilot):
        for second in range(1, 14):
            late = second - 4 if second > 4 else 0
            feed.bring(second, curl=3000 * second, ssh=100 * second, dig=150 * second + 9000 * late)
            await pilot.pause()
            if second == 2:
                await pilot.press("j")
                await pilot.press("j")
            seen.append(names(lines_of(application)))

    lines = shown_after(application, also=watch)

    assert seen[1] == ["curl", "dig", "ssh"]
    assert seen[5] == ["curl", "dig", "ssh"]
    assert [row.index("dig") for row in seen] == [1] * len(seen)
    assert lines[5].startswith("▸ dig")


def test_who_stays_greatest_comes_first_after_some_seconds():
    feed = LiveFeed()
    application = application_of(feed, is_live=True)
    seen = []

    async def watch(pilot):
        for second in range(1, 14):
            late = second - 4 if second > 4 else 0
            feed.bring(second, curl=3000 * second, dig=100 * second + 9000 * late)
            await pilot.pause()
            seen.append(names(lines_of(application))[0])

    shown_after(application, also=watch)

    assert seen[4] == "curl"
    assert seen[-1] == "dig"
    assert "".join(name[0] for name in seen) == "c" * seen.index("dig") + "d" * seen.count("dig")


def test_what_is_frozen_stays_and_goes_on():
    feed = LiveFeed()
    application = application_of(feed, is_live=True)
    seen = []

    async def watch(pilot):
        feed.bring(1, curl=1000)
        await pilot.pause()
        await pilot.press("z")
        feed.bring(2, curl=5000, dig=10)
        await pilot.pause()
        seen.append(lines_of(application))
        await pilot.press("z")

    lines = shown_after(application, also=watch)

    assert seen[0][0].startswith("FROZEN")
    assert names(seen[0]) == ["curl"]
    assert names(lines) == ["curl", "dig"]


def test_rates_totals_and_the_reason_for_no_owner_are_there():
    feed = LiveFeed()
    application = application_of(feed, is_live=True)

    async def watch(pilot):
        feed.bring(1, curl=1000, no_owner=500)
        feed.bring(2, curl=4000, no_owner=500)
        await pilot.pause()

    lines = shown_after(application, also=watch, size=(120, 24))

    assert lines[1].startswith("attributed 89 %")
    assert "by process 89 %" in lines[1]
    assert "2.00 kB" in lines[FIRST_ROW]
    assert "4.00 kB" in lines[FIRST_ROW]
    assert names(lines) == ["curl", "(no owner known)"]
    assert "no drops" in lines[0]


def test_hostile_names_are_neither_markup_nor_sequences_of_the_terminal():
    feed = LiveFeed()
    application = application_of(feed, is_live=True)
    hostile = "[red]x[/red]\x1b[2J\u202e[@click=app.quit]"

    async def watch(pilot):
        feed.bring(1, **{hostile: 1000})
        await pilot.pause()

    (line,) = [line for line in shown_after(application, also=watch, size=(200, 24)) if "https" in line]

    assert "[red]x[/red]\\x1b[2J\\u202e" in line
    assert line.isprintable()


@pytest.mark.parametrize("palette", [LIGHT, PLAIN], ids=["light", "plain"])
def test_without_colours_nothing_is_coloured_and_all_is_said(owners, palette):
    application = application_of(owners, palette=palette)
    coloured = []

    async def look(pilot):
        await pilot.press("j")
        strips = application.screen._compositor.render_strips()
        coloured.extend(one for strip in strips for one in strip if one.style and one.style.color and one.text.strip())

    lines = shown_after(application, also=look)

    assert lines[FIRST_ROW].startswith("▸ redis-cli")
    if palette is PLAIN:
        assert [one for one in coloured if not one.style.color.is_default] == []
    else:
        assert coloured


@pytest.mark.parametrize("size", [(20, 5), (40, 8), (10, 3)])
def test_a_tiny_terminal_shows_what_has_room(owners, size):
    lines = shown_after(application_of(owners), "j", "enter", "question_mark", size=size)

    assert max(map(columns, lines)) <= size[0]
    assert "q quit"[: size[0]] in lines[-1] or size[0] < 20


def test_a_row_choice_from_the_command_line_is_the_first_filter(owners):
    lines = shown_after(application_of(owners, where="app=psql"))

    assert names(lines) == ["psql"]
