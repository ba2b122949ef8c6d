"""A folder is every capture in it and below it, whatever its name; what else is there is counted, and nothing hangs."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import resource
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import lz4.frame
import pytest
import zstandard

import portcall
from capture_bytes import enhanced, interface, pcap_header, pcap_record, section
from portcall.cli import main
from portcall.errors import PortcallError
from portcall.sources import folders
from portcall.sources.capture_set import CaptureSet
from portcall.sources.folders import NamedFiles

SECOND_NS = 10**9


def content(second):
    return pcap_header() + pcap_record(bytes([second]) * 60, seconds=second)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder; what is written below it begins its name with ``captures/``."""
    monkeypatch.chdir(tmp_path)
    Path("captures").mkdir()
    return tmp_path / "captures"


def put(name, data):
    path = Path("captures") / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return str(path)


def seconds_of(*patterns):
    captures = CaptureSet(patterns)
    seconds = [int(ts_ns) // SECOND_NS for batch in captures.batches() for ts_ns in batch.frames["ts_ns"]]
    return seconds, captures


@pytest.mark.usefixtures("folder")
def test_what_is_a_capture_its_first_bytes_say_and_not_its_name():
    put("a", content(1))
    put("b.txt", section() + interface() + enhanced(bytes(60)))
    put("c.dat", gzip.compress(content(3)))
    put("d", zstandard.compress(content(4)))
    put("e", lz4.frame.compress(content(5)))
    put("f", lzma.compress(content(6)))
    put("g.pcap", b"dear diary")
    put("h.pcap.gz", gzip.compress(b"dear diary"))
    put("i.pcap.gz", b"\x1f\x8b\x08 and no more")
    put("j.pcap", b"")

    found = NamedFiles(["captures"])

    assert found.paths == [f"captures/{name}" for name in ("a", "b.txt", "c.dat", "d", "e", "f")]
    assert found.problems == []
    assert [note.reason for note in found.notes] == ["read 6 captures in captures, passed over 4 other files"]


@pytest.mark.usefixtures("folder")
def test_folders_are_looked_through_to_the_bottom_in_order_of_names():
    for name in ("z", "b/y", "b/a/x", "a/w", "10", "9"):
        put(name, content(1))

    assert NamedFiles(["captures"]).paths == [f"captures/{name}" for name in ("10", "9", "z", "a/w", "b/y", "b/a/x")]


@pytest.mark.usefixtures("folder")
def test_captures_of_a_folder_are_one_in_order_of_time_with_those_that_are_named():
    put("first", content(4))
    put("deep/er", content(1))
    Path("other").write_bytes(content(2))

    assert seconds_of("captures", "other")[0] == [1, 2, 4]


def test_links_to_folders_are_not_followed_so_no_walk_goes_round(folder):
    put("a/capture", content(1))
    (folder / "a" / "up").symlink_to(folder, target_is_directory=True)
    (folder / "again").symlink_to("a", target_is_directory=True)

    seconds, captures = seconds_of("captures")

    assert seconds == [1]
    assert [note.reason for note in captures.notes] == ["read 1 capture in captures, passed over 2 other files"]


def test_a_link_to_a_folder_that_is_named_is_that_folder(folder):
    put("capture", content(1))
    Path("link").symlink_to(folder, target_is_directory=True)

    assert seconds_of("link")[0] == [1]


def test_a_link_to_a_capture_is_read_and_one_to_a_neighbour_once(folder):
    Path("elsewhere").write_bytes(content(2))
    (folder / "far").symlink_to("../elsewhere")
    put("capture", content(1))
    (folder / "latest").symlink_to("capture")
    (folder / "nowhere").symlink_to("gone")

    seconds, captures = seconds_of("captures")

    assert seconds == [1, 2]
    assert [note.reason for note in captures.notes] == [
        "read 3 captures in captures, passed over 1 other file",
        "captures/latest is the same file as captures/capture; it is read once",
    ]


@pytest.mark.usefixtures("folder")
def test_what_is_hidden_is_passed_over_and_said_unless_it_is_named():
    put("seen", content(1))
    put(".hidden", content(2))
    put(".git/objects", content(3))

    seconds, captures = seconds_of("captures")

    assert seconds == [1]
    assert [note.reason for note in captures.notes] == ["read 1 capture in captures, passed over 2 hidden ones"]
    assert seconds_of("captures/.git", "captures/.hidden")[0] == [2, 3]


def test_pipes_sockets_and_devices_in_a_folder_are_never_opened(folder):
    put("capture", content(1))
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("captures/socket")

        seconds, captures = seconds_of("captures")

    assert seconds == [1]
    assert "passed over 2 other files" in captures.notes[0].reason


def test_a_link_to_itself_is_a_problem_and_ends_nothing_else(folder):
    put("capture", content(1))
    (folder / "loop").symlink_to("loop")

    seconds, captures = seconds_of("captures")

    assert seconds == [1]
    assert [problem.path for problem in captures.problems] == ["captures/loop"]
    assert not captures.is_unreadable


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_a_problem_and_ends_nothing_else(folder):
    put("capture", content(1))
    put("secret", content(2))
    put("private/capture", content(3))
    (folder / "secret").chmod(0)
    (folder / "private").chmod(0)

    seconds, captures = seconds_of("captures")
    (folder / "private").chmod(0o700)

    assert seconds == [1]
    assert {problem.path: problem.reason for problem in captures.problems} == {
        "captures/secret": "not readable for this user",
        "captures/private": "not readable for this user",
    }
    assert not captures.is_unreadable


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("names", "told"), [([], ""), (["a.txt", ".b"], ", but 1 other file and 1 hidden one")])
def test_a_folder_without_captures_is_an_error_that_says_what_to_do(names, told):
    for name in names:
        put(name, b"dear diary")

    with pytest.raises(PortcallError) as caught:
        portcall.read("captures")

    assert str(caught.value).startswith(f"captures: no capture is in this folder{told}. Name a folder with pcap")


@pytest.mark.usefixtures("folder")
def test_an_empty_folder_beside_a_capture_is_a_problem_and_no_more():
    Path("capture").write_bytes(content(1))

    seconds, captures = seconds_of("captures", "capture")

    assert seconds == [1]
    assert [problem.path for problem in captures.problems] == ["captures"]
    assert not captures.is_unreadable


@pytest.mark.usefixtures("folder")
def test_a_damaged_capture_of_a_folder_counts_up_to_the_damage():
    put("good", content(1))
    put("cut", content(2) + content(2)[24:-5])

    seconds, captures = seconds_of("captures")

    assert seconds == [1, 2]
    assert [problem.path for problem in captures.problems] == ["captures/cut"]


@pytest.fixture
def depths(folder):
    """1500 folders, each in the one before: what removes them must not call itself for each, as pytest does."""
    os.chdir(folder)
    for _ in range(1500):
        Path("d").mkdir()
        os.chdir("d")
    yield Path()
    os.chdir(folder.parent)
    subprocess.run(["rm", "-rf", folder], check=True)


def test_folders_that_nest_deeper_than_calls_are_looked_through(folder, depths):
    (depths / "capture").write_bytes(content(2))
    os.chdir(folder.parent)
    put("capture", content(1))

    seconds, captures = seconds_of("captures")

    assert seconds == [1, 2]
    assert captures.problems == []


@pytest.mark.usefixtures("folder")
def test_beyond_so_many_files_the_others_are_said(monkeypatch):
    monkeypatch.setattr(folders, "Walk", partial(folders.Walk, most_entries=5))
    for number in range(9):
        put(str(number), content(number))

    seconds, captures = seconds_of("captures")

    assert len(seconds) == 5
    assert [problem.reason for problem in captures.problems] == [
        "more than 5 files and folders are in it, and the others were not looked at"
    ]


@pytest.mark.usefixtures("folder")
def test_globs_mean_files_and_folders_and_two_stars_mean_files():
    put("one/a", content(1))
    put("two/b", content(2))

    assert seconds_of("captures/*")[0] == [1, 2]
    assert seconds_of("captures/o*")[0] == [1]
    seconds, captures = seconds_of("captures/**")
    assert (seconds, captures.notes) == ([1, 2], [])


@pytest.mark.usefixtures("folder")
def test_a_folder_of_more_captures_than_may_be_open_needs_few_open():
    for number in range(300):
        put(f"{number}.pcap", content(number % 200))
    former = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (60, former[1]))

    try:
        seconds, captures = seconds_of("captures")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, former)

    assert seconds == sorted(seconds)
    assert (len(seconds), captures.problems, captures.notes) == (300, [], [])


@pytest.mark.usefixtures("folder")
def test_standard_input_goes_with_a_folder(monkeypatch):
    put("a", content(1))
    Path("-").mkdir()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content(2))))

    assert seconds_of("captures", "-")[0] == [1, 2]


@pytest.mark.usefixtures("folder")
def test_a_file_that_is_named_beside_its_folder_is_read_once_and_said():
    path = put("a", content(1))

    seconds, captures = seconds_of("captures", path)

    assert seconds == [1]
    assert "named twice" in captures.notes[0].reason


@pytest.mark.usefixtures("folder")
def test_names_of_a_folder_that_terminals_obey_are_escaped(capsys):
    put("\x1b[31mred.pcap", content(1)[:-5])
    put("good", content(2))

    status = main(["read", "captures"])

    printed = capsys.readouterr()
    assert status == 3
    assert "\x1b" not in printed.out + printed.err
    assert "red.pcap" in printed.err


@pytest.mark.usefixtures("folder")
def test_the_library_takes_the_path_of_a_folder():
    put("a", content(1))
    put("b/c", content(2))

    report = portcall.read(Path("captures"))

    assert (report.coverage.frames, report.source) == (2, "captures")
