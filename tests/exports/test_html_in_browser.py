"""The page in headless Chromium, from disk: it sorts, filters, pages and zooms, asks nothing, and is for everybody."""

from __future__ import annotations

import io
import json
import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

import portcall
from browsers import browser_for_tests
from flow_builder import flow, tallies_of
from portcall import exports
from portcall.attribution.page_groupings import PageGroupings
from portcall.flows.cells.flow_cells import Cells
from portcall.records.flows import TIME_SUM
from portcall.records.packets import NO_TIME, Tally, Verdict

CAPTURES = Path(__file__).parents[2] / "captures"
OFFICE = CAPTURES / "office.pcapng"
MANY = 100_000
MARKUP = "</script><img src=x onerror=document.title='owned'>"
HOSTILE = [
    MARKUP,
    "\u202egnp.exe",
    "\x1b[31m\0",
    "caf\udce9",
    "<b>&amp;</b>",
]
AS_TEXT = [
    MARKUP,
    "\\u202egnp.exe",
    "\\x1b[31m\\x00",
    "caf\\udce9",
    "<b>&amp;</b>",
]
NAMED = ("app", "host", "service", "hostname", "client_ip", "top_host", "state")


def written(report, path):
    stream = io.StringIO()
    exports.write(report, "html", stream)
    path.write_text(stream.getvalue(), encoding="utf-8")
    return path


def many_conversations():
    """So many, each with a server of its own: random IPv6 addresses, ports, sizes and times, which compress badly."""
    random = np.random.default_rng(1)
    flows = np.repeat(flow("2001:db8::1 40000", "2001:db8::2 443"), MANY)
    flows["high"] = random.integers(0, 256, (MANY, 16))
    flows["high"][:, 0] = 0x20
    flows["low"][:, 14:] = random.integers(0, 32, (MANY, 2))
    flows["low_port"] = random.integers(1024, 65536, MANY)
    flows["bytes"] = np.exp2(random.uniform(6, 32, (MANY, 2)))
    flows["packets"] = 1 + flows["bytes"] // 1000
    flows["first_ns"] = 1_700_000_000 * 10**9 + random.integers(0, 3600 * 10**9, MANY)
    flows["last_ns"] = flows["first_ns"] + random.integers(0, 60 * 10**9, MANY)
    attribution = PageGroupings("app")
    attribution.add(flows)
    return attribution.report(tallies_of(flows), "many conversations")


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with browser_for_tests(tmp_path_factory.mktemp("profile")) as context:
        yield context


class Opened:
    """A page that is shown, and all that the browser said and asked meanwhile."""

    def __init__(self, browser, path):
        self.tab, self.said, self.asked = browser.new_page(), [], []
        self.tab.on("console", lambda message: self.said.append(message.text))
        self.tab.on("pageerror", lambda error: self.said.append(str(error)))
        self.tab.on("request", lambda request: self.asked.append(request.url))
        self.tab.goto(path.as_uri())
        self.tab.wait_for_selector("html[data-state]")

    def column(self, place, title):
        """What stands under a title, in the rows that are shown."""
        titles = [text.strip() for text in self.tab.locator(f"#{place} thead tr > *").all_inner_texts()]
        at = titles.index(title) + 1
        return [text.strip() for text in self.tab.locator(f"#{place} tbody tr > :nth-child({at})").all_inner_texts()]

    def sort(self, place, title):
        self.tab.locator(f"#{place} thead").get_by_role("button", name=title, exact=True).click()

    def filter(self, place, query):
        self.tab.locator(f"#{place} input[type=search]").fill(query)
        done = "([place, query]) => document.querySelector(`#${place} .frame`).dataset.query === query"
        self.tab.wait_for_function(done, arg=[place, query])

    def status(self, place):
        return self.tab.locator(f"#{place} .pages [role=status]").inner_text().replace("\u00a0", "")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def office_page(folder):
    return written(portcall.read(OFFICE, page=True), folder / "office.html")


@pytest.fixture(scope="module")
def many_page(folder):
    return written(many_conversations(), folder / "many.html")


@pytest.fixture
def office(browser, office_page):
    opened = Opened(browser, office_page)
    yield opened
    opened.tab.close()


@pytest.fixture
def many(browser, many_page):
    opened = Opened(browser, many_page)
    yield opened
    opened.tab.close()


def amount(text):
    number, unit = text.split("\u00a0")
    return float(number) * 1000 ** ["B", "kB", "MB", "GB", "TB"].index(unit)


def test_it_is_shown_without_a_message_and_without_a_request_but_for_itself(office, office_page):
    for title in ("App", "Sent"):
        office.sort("by-app", title)
    office.tab.locator("#zoom-in").click()
    office.tab.locator("#bucket-numbers summary").click()

    assert office.said == []
    assert office.asked == [office_page.as_uri()]
    assert office.tab.get_attribute("html", "data-state") == "ready"


def timeless():
    flows = flow("192.168.1.5 40000", "93.184.216.34 443")
    flows["first_ns"] = flows["last_ns"] = NO_TIME
    attribution = PageGroupings("time")
    attribution.add(flows, cells=Cells(np.zeros(1, np.int64), timeless_cell(flows), 10**9))
    return attribution.report({Verdict.OK: Tally(2, int(flows["bytes"].sum()), None, None)}, "timeless")


def timeless_cell(flows):
    cell = np.zeros(1, TIME_SUM)
    cell["first_ns"] = cell["last_ns"] = NO_TIME
    for name in ("packets", "bytes", "payload"):
        cell[name] = flows[name]
    return cell


@pytest.mark.parametrize(
    "report",
    [
        pytest.param(timeless, id="without times"),
        pytest.param(lambda: portcall.read(CAPTURES / "broken" / "no-frames.pcap", page=True), id="without frames"),
        pytest.param(lambda: portcall.read(CAPTURES / "dns.pcap", by="query", page=True), id="by query"),
        pytest.param(lambda: portcall.read(CAPTURES / "scan.pcap", by="time", page=True), id="by time"),
        pytest.param(lambda: portcall.read(CAPTURES / "fragments.pcap", top=1, page=True), id="the first rows"),
        pytest.param(lambda: portcall.read(OFFICE, bucket="1h", page=True), id="one bucket"),
    ],
)
def test_pages_of_little_or_other_traffic_are_shown_without_a_message(browser, folder, report):
    opened = Opened(browser, written(report(), folder / "other.html"))

    for step in opened.tab.locator(".buttons button").all():
        if step.is_visible():
            step.click()

    assert opened.tab.get_attribute("html", "data-state") == "ready"
    assert opened.said == []
    assert "NaN" not in opened.tab.locator("body").inner_text()
    opened.tab.close()


def test_totals_are_the_reports(office):
    totals = office.tab.locator("#totals").inner_text().replace("\u00a0", " ")

    assert all(text in totals for text in ("120 kB", "345", "3.24 s", "99 %"))


def test_a_click_on_a_title_sorts_and_another_one_the_other_way(office):
    office.sort("by-host", "Sent")
    descending = list(map(amount, office.column("by-host", "Sent")))
    state = office.tab.locator("#by-host th[aria-sort]").get_attribute("aria-sort")
    office.sort("by-host", "Sent")
    ascending = list(map(amount, office.column("by-host", "Sent")))

    assert state == "descending"
    assert descending == sorted(descending, reverse=True)
    assert ascending == sorted(ascending)
    assert descending != ascending


def test_titles_sort_by_keyboard_alone(office):
    office.tab.locator("#by-host thead").get_by_role("button", name="Host", exact=True).focus()
    office.tab.keyboard.press("Enter")

    names = office.column("by-host", "Host")
    assert names == sorted(names)
    assert office.tab.evaluate("document.activeElement.textContent") == "Host"


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("ntp", 1),
        ("tcp redis", 4),
        ("10.20.0.1:5432", 1),
        ("music.example.net", 1),
        ("[2001:db8:20::10]:35564", 1),
        ("nothing", 0),
    ],
)
def test_a_filter_finds_the_conversations_that_have_all_its_words(office, query, count):
    office.filter("flow", query)

    assert len(office.tab.locator("#flow tbody button.open").all()) == count


def test_details_unfold_below_their_row(office):
    office.filter("flow", "music.example.net")
    office.tab.locator("#flow tbody button.open").first.press("Enter")

    fields = office.tab.locator("#flow dl.fields").inner_text()
    assert "tls-sni" in fields
    assert office.tab.locator("#flow tbody button.open").first.get_attribute("aria-expanded") == "true"


def test_zooming_shows_a_part_of_the_time_and_its_bytes(office):
    view = office.tab.locator("#in-view")
    whole = view.inner_text()
    office.tab.locator("#zoom-in").click()
    closer = view.inner_text()
    office.tab.locator("#whole").click()

    assert closer != whole == view.inner_text()
    assert amount(re.search(r": ([\d.]+\u00a0\w+)", closer)[1]) < amount(re.search(r": ([\d.]+\u00a0\w+)", whole)[1])


def test_dragging_over_the_chart_zooms_and_a_double_click_shows_the_whole(office):
    view = office.tab.locator("#in-view")
    whole, over = view.inner_text(), office.tab.locator("#chart .u-over")
    over.scroll_into_view_if_needed()
    box = over.bounding_box()
    middle = box["y"] + box["height"] / 2
    office.tab.mouse.move(box["x"] + 5, middle)
    office.tab.mouse.down()
    office.tab.mouse.move(box["x"] + box["width"] / 3, middle, steps=4)
    office.tab.mouse.up()
    zoomed = view.inner_text()
    office.tab.mouse.dblclick(box["x"] + 20, middle)

    assert zoomed != whole == view.inner_text()


def test_the_direction_changes_what_the_chart_counts(office):
    view = office.tab.locator("#in-view")
    office.tab.locator("#direction").select_option("out")
    sent = amount(re.search(r": ([\d.]+\u00a0\w+)", view.inner_text())[1])
    office.tab.locator("#direction").select_option("in")
    received = amount(re.search(r": ([\d.]+\u00a0\w+)", view.inner_text())[1])

    rows = list(portcall.read(OFFICE))
    assert sent == pytest.approx(sum(row["bytes_out"] for row in rows), rel=0.01)
    assert received == pytest.approx(sum(row["bytes_in"] for row in rows), rel=0.01)


@pytest.mark.parametrize(("scheme", "rules"), [("light", {}), ("dark", {"runOnly": ["color-contrast"]})])
def test_axe_finds_nothing_in_either_scheme(office, scheme, rules):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    office.tab.emulate_media(color_scheme=scheme)
    office.tab.locator("#bucket-numbers summary").click()
    office.tab.locator("#flow tbody button.open").first.click()

    violations = axe.run(office.tab, options=rules).response["violations"]

    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in violations] == []


def test_the_page_is_dark_where_the_reader_is_and_light_on_paper(office):
    def ground():
        return office.tab.evaluate("getComputedStyle(document.body).backgroundColor")

    office.tab.emulate_media(color_scheme="dark")
    dark = ground()
    office.tab.emulate_media(color_scheme="dark", media="print")

    assert (dark, ground()) == ("rgb(21, 24, 28)", "rgb(255, 255, 255)")
    assert not office.tab.locator("#zoom-in").is_visible()


def test_a_phone_scrolls_tables_and_never_the_page_sideways(office):
    office.tab.set_viewport_size({"width": 360, "height": 740})

    office.tab.wait_for_function("document.documentElement.scrollWidth <= 360")  # the chart follows a frame later


def poisoned(report):
    """A few of its rows, with names that somebody chose to harm."""
    rows = [
        row | {name: text for name in NAMED if name in row}
        for row, text in zip(report.to_dicts(), HOSTILE, strict=False)
    ]
    return replace(report, rows=rows, source=HOSTILE[0], page=None)


def test_hostile_names_are_text_and_change_nothing(browser, folder):
    report = portcall.read(OFFICE, page=True)
    groupings = {one.by: poisoned(one) for one in report.page.groupings}
    page = report.page._replace(groupings=tuple(groupings.values()))

    opened = Opened(browser, written(replace(poisoned(report), page=page), folder / "hostile.html"))

    ends = [f"{text}:{row['client_port']}" for text, row in zip(AS_TEXT, groupings["flow"].rows, strict=True)]
    assert opened.said == []
    assert opened.tab.locator("img, b").count() == 0
    assert sorted(opened.column("by-app", "App")) == sorted(AS_TEXT)
    assert sorted(opened.column("flow", "Client")) == sorted(ends)
    assert opened.tab.title() == f"Network traffic by app: {AS_TEXT[0]}"
    opened.tab.close()


def test_long_names_never_scroll_the_page_sideways(browser, folder):
    report = portcall.read(OFFICE, page=True)
    long = {"app": "a" * 1024, "hostname": f"{'b' * 1000}.example", "top_host": "c" * 500}

    def lengthened(one):
        rows = [row | {name: text for name, text in long.items() if name in row} for row in one.to_dicts()]
        return replace(one, rows=rows, source="d" * 2000, page=None)

    page = report.page._replace(
        groupings=tuple(map(lengthened, report.page.groupings)), over_time=renamed(report.page.over_time, "e" * 1024)
    )
    opened = Opened(browser, written(replace(lengthened(report), page=page), folder / "long.html"))
    opened.tab.locator("#bucket-numbers summary").click()

    assert opened.tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    opened.tab.close()


def renamed(report, app):
    return replace(report, rows=[row | {"app": app} for row in report.to_dicts()])


def test_a_hundred_thousand_conversations_fit_in_ten_megabytes(many_page):
    assert many_page.stat().st_size <= 10_000_000


def seconds_of_browsers():
    """Processor time of all programs that were started here."""
    spent = 0.0
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            spent += sum(process.cpu_times()[:2])
    return spent


def test_a_hundred_thousand_conversations_are_shown_in_less_than_three_seconds(browser, many_page):
    spent = []
    for _ in range(2):
        before = seconds_of_browsers()
        opened = Opened(browser, many_page)
        spent.append(seconds_of_browsers() - before)
        status = opened.status("flow")
        opened.tab.close()

    assert status.startswith(f"1\u201325 of {MANY}")
    assert min(spent) < 3, f"{spent} seconds of processors, whatever else goes on"


def test_a_hundred_thousand_conversations_page_sort_and_filter(many):
    many.tab.locator("#flow").get_by_role("button", name="Last").click()
    assert many.status("flow") == f"{MANY - 24}–{MANY} of {MANY}"

    many.sort("flow", "To server")
    largest = list(map(amount, many.column("flow", "To server")))
    assert largest == sorted(largest, reverse=True)

    (client,) = many.column("flow", "Client")[:1]
    many.filter("flow", client)
    assert many.column("flow", "Client") == [client]
    assert many.status("flow") == f"1–1 of 1, of {MANY}"


def test_the_numbers_in_the_browser_are_exactly_the_reports(office):
    shown = office.tab.evaluate(
        "async () => { const text = document.getElementById('rows-app').textContent;"
        " const bytes = Uint8Array.from(atob(text.replace(/\\s/g, '')), (c) => c.charCodeAt(0));"
        " return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'))).text(); }"
    )
    columns = {column["name"]: column for column in json.loads(shown)["columns"]}

    assert columns["bytes_in"]["numbers"] == [row["bytes_in"] for row in portcall.read(OFFICE)]
