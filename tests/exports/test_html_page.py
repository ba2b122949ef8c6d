"""The page as a file: what an independent parser reads in it is the report, and nothing in it could run or load."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from pathlib import Path

import numpy as np
import pytest

import portcall
from flow_builder import flow, tallies_of
from page_reader import PageReader
from portcall import exports
from portcall.attribution.page_groupings import PageGroupings
from portcall.cli import main
from portcall.errors import PortcallError
from portcall.exports._page_times import MOST_BUCKETS
from portcall.exports.html_page import assets
from portcall.flows.cells.flow_cells import Cells
from portcall.records.flows import TIME_SUM
from portcall.runs import offline

CAPTURES = Path(__file__).parents[2] / "captures"
OFFICE = CAPTURES / "office.pcapng"
FOLDER = Path(exports.__file__).parents[1] / "data" / "page"
RELEASED = {
    "uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
}
"""uPlot 1.6.32 as its package in the npm registry has it (dist/), and the SHA-256 of each file."""
HOSTILE = [
    "</script><img src=x onerror=alert(1)>",
    "<!--<script>",
    "&lt;b&gt;\u2028\u2029",
    "\u202egnp.exe",
    "\x1b[31m\0\x07",
    "caf\udce9",
    "__proto__",
    "{{scripts}}",
    "]]>'\"`${alert(1)}\\u003c/script\\u003e",
]


def page_of(report):
    stream = io.StringIO()
    exports.write(report, "html", stream)
    return stream.getvalue()


def read(capture, **options):
    return offline.read([str(capture)], page=True, **options).report


def of_bytes(by):
    return ("bytes_to_server", "bytes_to_client") if by in ("flow", "query") else ("bytes_out", "bytes_in")


def bytes_in(rows, by):
    return sum(row[name] for row in rows for name in of_bytes(by))


def hostile_report():
    """A page whose every text is somebody's who wants to harm: names of apps, hosts, ends, the capture and notes."""
    flows = flow("192.168.1.5 40000", "93.184.216.34 443")
    attribution = PageGroupings("app")
    attribution.add(np.repeat(flows, len(HOSTILE)))
    report = attribution.report(tallies_of(flows), " ".join(HOSTILE))
    groupings = [report, *report.page.groupings]
    poisoned = [
        one.__class__(
            **{name: getattr(one, name) for name in one.__dataclass_fields__}
            | {"rows": [poison(dict(one.rows[0]), text) for text in HOSTILE], "page": None}
        )
        for one in groupings
    ]
    page = report.page._replace(groupings=tuple(poisoned[1:]))
    own = {name: getattr(poisoned[0], name) for name in poisoned[0].__dataclass_fields__}
    notes = [note.__class__(*[text] * 3) for note in report.degradations[:1] for text in HOSTILE]
    return report.__class__(**own | {"page": page, "degradations": notes})


def poison(row, text):
    return {
        name: text if name == "app" or isinstance(value, str) else [text] if isinstance(value, list) else value
        for name, value in row.items()
    }


@pytest.mark.parametrize("capture", ["office.pcapng", "dns.pcap", "fragments.pcap", "tunnels.pcap", "loopback.pcap"])
def test_rows_of_every_grouping_in_the_page_are_those_of_a_report_of_its_own(capture):
    page = PageReader(page_of(read(CAPTURES / capture)))

    for by in ("app", "host", "service", "flow"):
        expected = portcall.read(CAPTURES / capture, by=by)
        _, rows = page.table(by)
        assert len(rows) == len(expected)
        for row, other in zip(rows, expected, strict=True):
            for name in set(row) - {"start_us", "duration_us"}:
                assert row[name] == other[name], (by, name)


@pytest.mark.parametrize("capture", ["office.pcapng", "loopback.pcap", "fragments.pcap"])
@pytest.mark.parametrize("top", [None, 3])
def test_each_table_adds_up_to_what_was_read_with_what_it_leaves_out(capture, top):
    report = read(CAPTURES / capture, top=top)
    page = PageReader(page_of(report))
    coverage = page.report["coverage"]

    for by in page.report["tables"]:
        table, rows = page.table(by)
        twice = 0 if by in ("service", "flow") else coverage["bytes_credited_twice"]
        assert bytes_in(rows, by) + table["bytes_left_out"] == coverage["bytes"] + twice
        assert (table["bytes_left_out"] > 0) == (table["rows_left_out"] > 0)
        assert len(rows) == (min(top, len(rows)) if top else len(portcall.read(CAPTURES / capture, by=by)))


@pytest.mark.parametrize("capture", ["office.pcapng", "loopback.pcap", "fragments.pcap"])
def test_the_chart_adds_up_to_the_same_bytes(capture):
    page = PageReader(page_of(read(CAPTURES / capture)))
    times, coverage = page.report["over_time"], page.report["coverage"]

    drawn = sum(sum(series[way]) for series in times["series"] for way in ("in", "out"))

    assert drawn + times["bytes_without_time"] == coverage["bytes"] + coverage["bytes_credited_twice"]
    assert all(len(series["in"]) == len(times["buckets"]) for series in times["series"])
    assert times["buckets"] == sorted(set(times["buckets"]))


def test_the_chart_has_the_apps_with_most_bytes_in_the_buckets_of_a_report_by_time():
    page = PageReader(page_of(read(OFFICE, bucket="1s")))
    times = page.report["over_time"]
    by_time = portcall.read(OFFICE, by="time", bucket="1s")

    assert times["width_ns"] == 10**9
    assert [times["first_ns"] + at * 10**9 for at in times["buckets"]] == [row["bucket_ns"] for row in by_time]
    for at, row in enumerate(by_time):
        assert sum(one["in"][at] + one["out"][at] for one in times["series"]) == row["bytes_in"] + row["bytes_out"]
    totals = [sum(one["in"]) + sum(one["out"]) for one in times["series"] if one["name"]]
    apps = portcall.read(OFFICE)
    assert totals == [row["bytes_in"] + row["bytes_out"] for row in apps if row["app"]][: len(totals)]


def test_more_buckets_than_a_chart_can_show_are_added_up():
    flows = np.repeat(flow("192.168.1.5 40000", "93.184.216.34 443", sizes=(10, 20)), 3 * MOST_BUCKETS)
    buckets = np.zeros(len(flows), TIME_SUM)
    buckets["first_ns"] = buckets["last_ns"] = 10**18 + np.arange(len(flows)) * 1000
    buckets["bytes"] = (10, 20)
    attribution = PageGroupings("app")
    attribution.add(flows, cells=Cells(np.arange(len(flows)), buckets, 1000))
    report = attribution.report(tallies_of(flows), "many buckets")

    times = PageReader(page_of(report)).report["over_time"]

    assert len(times["buckets"]) == 3 * MOST_BUCKETS // 4
    assert times["width_ns"] == 4000
    assert sum(sum(one["in"]) + sum(one["out"]) for one in times["series"]) == 30 * len(flows)


def test_the_page_says_what_the_report_says_besides_its_rows():
    report = read(OFFICE, top=2)
    said = PageReader(page_of(report)).report

    assert said["source"] == report.source
    assert said["window_ns"] == list(report.window_ns)
    assert sum(said["coverage"]["verdicts"].values()) == said["coverage"]["frames"] == report.coverage.frames
    assert [note["feature"] for note in said["degradations"]] == ["local addresses"]


@pytest.mark.parametrize("by", ["query", "time"])
def test_a_grouping_that_was_asked_for_stands_first_in_the_page(by):
    page = PageReader(page_of(read(OFFICE, by=by)))

    assert page.report["tables"] == [by, "app", "host", "service", "flow"]
    assert len(page.table(by)[1]) == len(portcall.read(OFFICE, by=by))


def test_where_chooses_among_the_rows_of_the_grouping_that_was_asked_for():
    page = PageReader(page_of(read(OFFICE, by="flow", where="server_port=53")))

    assert {row["server_port"] for row in page.table("flow")[1]} == {53}
    assert len(page.table("app")[1]) == len(portcall.read(OFFICE))


def test_the_policy_names_exactly_the_scripts_and_styles_that_are_in_the_page():
    page = PageReader(page_of(read(OFFICE)))
    ((meta, _),) = page.named("meta", **{"http-equiv": "Content-Security-Policy"})
    policy = dict(part.strip().split(" ", 1) for part in meta["content"].split(";"))

    def hashes(texts):
        return {f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in texts}

    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert set(policy) == {"default-src", "base-uri", "form-action", "script-src", "style-src"}
    assert set(policy["script-src"].split()) == hashes(text for having, text in page.named("script") if not having)
    assert set(policy["style-src"].split()) == hashes(text for _, text in page.named("style"))


def test_nothing_in_the_page_loads_anything():
    page = PageReader(page_of(hostile_report()))

    for tag, attributes, _ in page.elements:
        assert tag not in ("img", "link", "iframe", "object", "embed", "base", "form", "a:link")
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "style", "srcdoc", "data")]
        assert attributes.get("href", "#").startswith("#")


def test_hostile_names_make_no_element_and_read_back_as_they_were():
    page, usual = PageReader(page_of(hostile_report())), PageReader(page_of(read(OFFICE)))

    assert [tag for tag, _, _ in page.elements] == [tag for tag, _, _ in usual.elements]
    assert [row["app"] for row in page.table("app")[1]] == HOSTILE
    assert page.report["source"] == " ".join(HOSTILE)
    assert [note["reason"] for note in page.report["degradations"]] == HOSTILE


def test_hostile_names_stand_in_the_file_only_escaped():
    text = page_of(hostile_report())

    assert text.isascii()
    assert all(character.isprintable() or character == "\n" for character in text)
    assert "onerror" in text
    assert "<img" not in text
    assert "<!--" not in text


def test_no_script_of_ours_makes_markup_of_text():
    ours = "".join(path.read_text(encoding="utf-8") for path in FOLDER.glob("*.js") if path.name not in RELEASED)

    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|setAttribute\(\s*['\"]on", ours
    )


@pytest.mark.parametrize("name", RELEASED)
def test_the_library_is_the_one_that_was_released(name):
    assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == RELEASED[name]


def test_the_licence_of_the_library_goes_with_every_page():
    licence = PageReader(page_of(read(OFFICE))).text_of("licence-of-uplot")

    assert licence.strip() == (FOLDER / "uPlot.LICENSE").read_text(encoding="utf-8")
    assert "The MIT License" in licence


def test_a_page_without_rows_is_small():
    made = assets()

    assert len(made.styles) + len(made.scripts) + sum(map(len, made.template)) < 150_000


def test_a_page_of_nothing_is_a_page():
    report = PageGroupings("app").report({}, "empty")

    page = PageReader(page_of(report))

    assert page.report["over_time"]["buckets"] == []
    assert page.table("flow")[1] == []


def test_a_report_that_was_not_counted_for_a_page_is_refused():
    with pytest.raises(PortcallError, match="page=True"):
        page_of(portcall.read(OFFICE))


def test_the_library_gives_what_the_command_writes(tmp_path):
    assert main(["read", str(OFFICE), "-o", str(tmp_path / "office.html")]) == 0

    assert (tmp_path / "office.html").read_text(encoding="utf-8") == page_of(portcall.read(OFFICE, page=True))


def test_a_page_from_a_pipe_is_that_of_the_file(capsys, monkeypatch):
    with OFFICE.open("rb") as pipe:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(pipe))
        assert main(["read", "-", "--format", "html"]) == 0

    page, expected = PageReader(capsys.readouterr().out), PageReader(page_of(read(OFFICE)))
    assert [page.table(by) for by in page.report["tables"]] == [expected.table(by) for by in expected.report["tables"]]


def test_lists_of_sockets_are_no_pages(capsys):
    with pytest.raises(SystemExit):
        main(["ports", "--format", "html"])

    assert "invalid choice: 'html'" in capsys.readouterr().err


def test_captures_that_are_followed_give_the_same_page(tmp_path, capsys):
    checkpoint, page = tmp_path / "checkpoint", tmp_path / "office.html"
    for _ in range(2):  # counted, and then gone on with
        assert main(["read", str(OFFICE), "--checkpoint", str(checkpoint), "-o", str(page)]) == 0

    resumed, expected = PageReader(page.read_text(encoding="utf-8")), PageReader(page_of(read(OFFICE)))
    assert [resumed.table(by) for by in resumed.report["tables"]] == [
        expected.table(by) for by in expected.report["tables"]
    ]
    assert resumed.report["over_time"] == expected.report["over_time"]
    assert "hold all that was counted" in capsys.readouterr().err


def test_pages_of_intervals_need_a_file_each(capsys):
    assert main(["read", str(OFFICE), "--follow", "--every", "1", "--format", "html"]) == 2

    assert "-o 'traffic-%H%M.html'" in capsys.readouterr().err
