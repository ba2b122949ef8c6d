"""Baselines of real captures: each expects all that it was learned from, however cut, and stays whole in a file."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.utils import PcapReader, wrpcap

import portcall
from examples import examples
from portcall import exports
from portcall.comparison.baselines import Baseline
from portcall.comparison.servers import HIDDEN_NAMES
from portcall.errors import PortcallError, UsageError
from portcall.runs import offline
from portcall.runs.comparing import baseline_file
from portcall.runs.comparing.baseline_file import baseline_text, read_baseline, write_baseline
from portcall.runs.comparing.learned import learn

CAPTURES = Path(__file__).parents[3] / "captures"
SHIPPED = sorted(str(path) for path in CAPTURES.glob("*.pcap*"))
HOSTILE = str(CAPTURES / "broken" / "names-with-escapes.pcap")
OFFICE, DNS = (str(CAPTURES / name) for name in ("office.pcapng", "dns.pcap"))


def judged(baseline, capture):
    rows = offline.read([capture], by="flow", expect=baseline).report.rows
    return [(row["expected"], row["hostname_source"]) for row in rows]


@pytest.mark.parametrize("exact_names", [False, True])
@pytest.mark.parametrize("capture", [*SHIPPED, HOSTILE], ids=lambda path: Path(path).name)
def test_all_of_a_capture_is_expected_by_what_was_learned_from_it(tmp_path, capture, exact_names):
    write_baseline(learn([capture], exact_names=exact_names).baseline, str(tmp_path / "it.json"))

    words = judged(read_baseline(str(tmp_path / "it.json"), "--expect"), capture)

    assert {word for word, source in words if source not in HIDDEN_NAMES} <= {"known", None}


@pytest.fixture(scope="module")
def frames():
    """Those of two captures, and how to write some of them."""
    found = []
    for capture in (OFFICE, DNS):
        with PcapReader(capture) as reader:
            found += reader
    assert len(found) > 300
    return found


@given(data=st.data())
@settings(max_examples=examples(12))
def test_of_any_piece_of_a_capture_nothing_is_new_to_who_has_learned_from_it(frames, tmp_path_factory, data):
    start = data.draw(st.integers(0, len(frames) - 2))
    stop = data.draw(st.integers(start + 1, len(frames)))
    path = str(tmp_path_factory.mktemp("piece") / "piece.pcap")
    wrpcap(path, frames[start:stop])

    try:
        baseline = learn([path]).baseline
    except PortcallError as error:
        assert "no conversation to learn from" in str(error)  # noqa: PT017 - a piece may have none
        return

    assert {word for word, _ in judged(baseline, path)} <= {"known", None}


def test_captures_and_reports_of_them_teach_the_same(tmp_path):
    for suffix in ("json", "jsonl", "parquet"):
        report = str(tmp_path / f"it.{suffix}")
        with Path(report).open("w") as stream:
            exports.write(offline.read([OFFICE], by="flow").report, suffix, stream)

        assert learn([report]).baseline.expected == learn([OFFICE]).baseline.expected


def test_a_report_by_app_teaches_nothing(tmp_path):
    report = tmp_path / "app.jsonl"
    with report.open("w") as stream:
        exports.write(offline.read([OFFICE]).report, "jsonl", stream)

    with pytest.raises(PortcallError, match="this report is by app"):
        learn([str(report)])


def test_with_processes_it_knows_whose_server_it_is():
    apps = {(one.app, one.port) for one in learn([str(CAPTURES / "owners.pcapng")]).baseline.expected}

    assert {("psql", "5432"), ("mariadb", "3306"), ("redis-cli", "6379")} <= apps


def test_a_capture_of_nothing_teaches_nothing():
    with pytest.raises(PortcallError, match="no conversation to learn from"):
        learn([OFFICE], filter="port 9")


@pytest.mark.parametrize("network", ["10.0.0.1/8", "office", "10.0.0.0/33"])
def test_what_is_no_network_is_refused(network):
    with pytest.raises(UsageError, match=f"--network {network}"):
        learn([OFFICE], within=[network])


# --- the library


def test_the_library_learns_more_into_a_file(tmp_path):
    path = tmp_path / "it.json"

    first = portcall.baseline(OFFICE, output=path)
    both = portcall.baseline([DNS], output=path, add=True)

    assert set(both.expected) == set(first.expected) | set(portcall.baseline(DNS).expected)
    assert [one.source for one in both.learned] == [OFFICE, DNS]
    assert read_baseline(str(path), "expect") == both
    assert {row["expected"] for row in portcall.read(DNS, expect=path)} <= {"known", None}
    assert {row["expected"] for row in portcall.read(DNS, expect=both, where="expected=known", top=3)} == {"known"}


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (lambda: portcall.baseline(OFFICE, add=True), "add=True: is about a file"),
        (lambda: portcall.read(OFFICE, expect=7), "expect=7: must be a path"),
        (lambda: portcall.read(OFFICE, expect=Baseline(), by="host"), "leave out by and page"),
    ],
)
def test_the_library_says_what_makes_no_question(call, why):
    with pytest.raises(UsageError, match=why):
        call()


# --- the file


def test_only_its_owner_may_read_it_unless_somebody_gave_it_another_mode(tmp_path):
    path = tmp_path / "it.json"

    write_baseline(Baseline(), str(path))
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    write_baseline(learn([DNS]).baseline, str(path))

    assert path.stat().st_mode & 0o777 == 0o640
    assert [one.name for one in tmp_path.iterdir()] == ["it.json"]


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path):
    (tmp_path / "link.json").symlink_to("it.json")

    write_baseline(learn([DNS]).baseline, str(tmp_path / "link.json"))

    assert (tmp_path / "link.json").is_symlink()
    assert read_baseline(str(tmp_path / "it.json"), "-o").expected


def test_a_device_is_not_replaced_by_a_file():
    with pytest.raises(PortcallError, match="no file that could be replaced"):
        write_baseline(Baseline(), "/dev/null")

    assert not Path("/dev/null").is_file()


def test_where_it_cannot_be_written_what_was_there_stays(tmp_path, monkeypatch):
    path = tmp_path / "it.json"
    write_baseline(Baseline(), str(path))
    before = path.read_bytes()
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))

    with pytest.raises(PortcallError, match="no space left"):
        write_baseline(learn([DNS]).baseline, str(path))

    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["it.json"]


def test_it_is_ascii_with_an_entry_a_line_and_says_the_same_whatever_came_first():
    one, other = learn([OFFICE, DNS, HOSTILE]).baseline, learn([HOSTILE, DNS, OFFICE]).baseline
    text = baseline_text(one)

    assert text.isascii()
    assert all(character.isprintable() or character == "\n" for character in text)
    lines = [json.loads(line.rstrip(",")) for line in text.splitlines() if line.startswith('{"app"')]
    assert len(lines) == len(one.expected)
    assert lines == [json.loads(line.rstrip(",")) for line in baseline_text(other).splitlines() if '{"app"' in line]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "line 1: this is no JSON"),
        (b'{"portcall_baseline": 1,\n"expected": [}', "line 2: this is no JSON"),
        (b"{\xff", "decode"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"portcall_baseline": 9}', "version 9"),
        (b'{"schema": 1, "rows": []}', "this is no baseline"),
    ],
)
def test_what_is_no_baseline_is_refused_with_its_path(tmp_path, content, why):
    path = tmp_path / "odd.json"
    path.write_bytes(content)

    with pytest.raises(PortcallError) as error:
        read_baseline(str(path), "--expect")

    assert str(error.value).startswith(f"--expect {path}: ")
    assert why in str(error.value)
    assert "'portcall baseline CAPTURE -o FILE' writes one" in str(error.value)


def test_a_file_that_is_too_long_is_not_read(tmp_path):
    path = tmp_path / "long.json"
    with path.open("wb") as stream:
        stream.truncate(baseline_file.MOST_BYTES + 1)

    with pytest.raises(PortcallError, match="more than 64 MiB"):
        read_baseline(str(path), "--expect")


@pytest.mark.parametrize(("path", "why"), [("/nowhere/it", "no such file"), ("/", "directory"), ("a\0b", "null byte")])
def test_what_is_no_file_is_said(path, why):
    with pytest.raises(PortcallError, match=why):
        read_baseline(path, "--expect")
