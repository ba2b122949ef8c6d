"""The file of a history: what is added stays, whatever happens to who adds it, and nothing else is touched."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from archive.kept_windows import DAY_S, HOUR_S, MONDAY_S, counts, key, octets_of, stored
from portcall.archive.history_file import HistoryError, default_path
from portcall.archive.levels import LEVELS
from portcall.archive.period_sums import PeriodSums
from portcall.archive.store import HistoryStore
from portcall.errors import PortcallError

NOBODY = 65534
KILLS = 4
WRITER = """
import sys
from pathlib import Path
from archive.kept_windows import MONDAY_S, counts, key
from portcall.archive.store import HistoryStore

store = HistoryStore(Path(sys.argv[1]), makes_folder=False)
begin_s = MONDAY_S + 10 * int(sys.argv[2])
while True:
    rows = {key("curl"): counts(begin_s, 100), key("ssh"): counts(begin_s, 10)}
    store.write({begin_s: rows}, final_s=begin_s, now_s=begin_s)
    print(begin_s, flush=True)
    begin_s += 10
"""


@pytest.fixture
def path(tmp_path):
    tmp_path.chmod(0o700)
    return tmp_path / "history.sqlite"


def table(path, line):
    with sqlite3.connect(path) as connection:
        found = connection.execute(line).fetchall()
    connection.close()
    return found


def windows_in(path):
    """How many windows each level has."""
    return [len({at for (at,) in table(path, f"SELECT at FROM {level.name}")}) for level in LEVELS]  # noqa: S608 - names of ours


def test_windows_add_up_in_every_level(path):
    times = [MONDAY_S + second for second in (0, 10, 60, HOUR_S, HOUR_S + 10, DAY_S, DAY_S + 30)]

    stored(path, {at: {key("curl"): 100, key("ssh", "192.0.2.9"): 7} for at in times}, now_s=MONDAY_S + 2 * DAY_S)

    assert octets_of(path) == [{"curl": 700, "ssh": 49}] * len(LEVELS)
    assert windows_in(path) == [7, 4, 3, 2]


def test_what_comes_late_is_added_to_windows_that_were_made(path):
    stored(path, {MONDAY_S: {key("curl"): 100}, MONDAY_S + DAY_S: {key("curl"): 1}}, now_s=MONDAY_S + 2 * DAY_S)

    stored(path, {MONDAY_S + 20: {key("curl"): 30}})

    assert octets_of(path) == [{"curl": 131}] * len(LEVELS)


def test_bytes_that_are_found_to_be_anothers_move(path):
    store = HistoryStore(path, makes_folder=False)
    store.write({MONDAY_S: {key(None): counts(MONDAY_S, 50)}}, final_s=MONDAY_S, now_s=MONDAY_S + 10)
    less = [-count for count in counts(MONDAY_S, 50)[:-2]] + counts(MONDAY_S, 50)[-2:]

    store.write(
        {MONDAY_S: {key(None): less, key("curl"): counts(MONDAY_S, 50)}}, final_s=MONDAY_S + 60, now_s=MONDAY_S + 60
    )
    store.close()

    assert octets_of(path)[0] == {"curl": 50}
    assert table(path, "SELECT count(*) FROM ten_seconds") == [(1,)]


def test_what_is_old_goes_and_its_sums_stay(path):
    stored(path, {MONDAY_S: {key("curl"): 100}}, now_s=MONDAY_S + 40 * DAY_S)

    assert octets_of(path)[-1] == {"curl": 100}
    assert windows_in(path) == [0, 0, 1, 1]


def test_a_file_has_a_bound_and_says_what_it_gave_up(path):
    windows = {MONDAY_S + 10 * n: {key("curl", f"host-{n}-{m}.example.org"): 1 for m in range(20)} for n in range(800)}

    store = HistoryStore(path, makes_folder=False, most_bytes=2_000_000)
    store._connection.execute("PRAGMA synchronous=OFF")
    for begin_s, rows in windows.items():
        made = {one: counts(begin_s, octets) for one, octets in rows.items()}
        store.write({begin_s: made}, final_s=begin_s + 10, now_s=begin_s + 10)
    store.close()

    assert path.stat().st_size < 2_500_000
    with PeriodSums(path) as sums:
        assert sums.counters()["rows given up for room"] > 0
        assert sums._rows("SELECT count(*) FROM keys")[0][0] < 16_000


def test_only_its_owner_may_read_it(path):
    store = HistoryStore(path, makes_folder=False)
    store.write({MONDAY_S: {key("curl"): counts(MONDAY_S, 1)}}, final_s=MONDAY_S, now_s=MONDAY_S)

    modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()}
    store.close()

    assert set(modes) == {"history.sqlite" + end for end in ("", "-wal", "-shm", "-writer")}
    assert set(modes.values()) == {0o600}


def test_a_second_writer_is_told_who_the_first_is(path):
    first = HistoryStore(path, makes_folder=False)

    with pytest.raises(
        HistoryError, match=rf"history\.sqlite: process {os.getpid()}, .* End that one, or name another"
    ):
        HistoryStore(path, makes_folder=False)
    first.close()

    HistoryStore(path, makes_folder=False).close()


@pytest.mark.parametrize("content", [b"capture\n" * 100, b"SQLite format 3\0" + bytes(200), b"SQLite format 3\0"])
def test_a_file_of_something_else_is_left_as_it_is(path, content):
    path.write_bytes(content)

    for opened in (lambda: HistoryStore(path, makes_folder=False), lambda: PeriodSums(path)):
        with pytest.raises(HistoryError, match=r"history\.sqlite: it is .* left as it is\. Name another file"):
            opened()

    assert path.read_bytes() == content
    assert [one.name for one in path.parent.iterdir()] == ["history.sqlite"]


def test_the_database_of_another_program_is_left_as_it_is(path):
    table(path, "CREATE TABLE mine(a)")
    content = path.read_bytes()

    with pytest.raises(HistoryError, match="SQLite file of something else"):
        HistoryStore(path, makes_folder=False)

    assert path.read_bytes() == content


def test_a_damaged_file_is_an_error_that_says_what_to_do(path):
    stored(path, {MONDAY_S + 10 * n: {key("curl", f"host-{n}"): 1} for n in range(200)})
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    path.write_bytes(content)

    for opened in (lambda: HistoryStore(path, makes_folder=False), lambda: PeriodSums(path).by_key([])):
        with pytest.raises(HistoryError, match=r"(?s)history\.sqlite: it is damaged: .* Move it away, with its -wal"):
            opened()

    assert path.read_bytes() == content


def test_a_layout_of_another_version_is_an_error(path):
    stored(path, {MONDAY_S: {key("curl"): 1}})
    table(path, "PRAGMA user_version=9")

    with pytest.raises(HistoryError, match="its layout is 9"):
        PeriodSums(path)


@pytest.mark.parametrize(("content", "said"), [(None, "there is no history yet"), (b"", "it is empty")])
def test_a_file_that_nobody_filled_is_said(path, content, said):
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(HistoryError, match=said):
        PeriodSums(path)


def test_a_directory_is_no_file(path):
    path.mkdir()

    with pytest.raises(PortcallError, match=r"history\.sqlite"):
        HistoryStore(path, makes_folder=False)


def test_who_only_reads_leaves_nothing_beside_it_and_the_file_as_it_was(path):
    stored(path, {MONDAY_S: {key("curl"): 1000}})
    before, there = path.read_bytes(), set(path.parent.iterdir())

    assert octets_of(path)

    assert set(path.parent.iterdir()) == there
    assert path.read_bytes() == before


def test_who_reads_while_another_writes_takes_nothing_from_that_one(path):
    store = HistoryStore(path, makes_folder=False)
    for number in range(3):
        begin_s = MONDAY_S + 10 * number
        store.write({begin_s: {key("curl"): counts(begin_s, 1000)}}, final_s=begin_s + 10, now_s=begin_s + 10)
        assert windows_in(path)
        with PeriodSums(path) as sums:
            assert sums.span_s() == (MONDAY_S, begin_s + 10)
        assert path.with_name(f"{path.name}-wal").exists()
    store.close()

    with PeriodSums(path) as sums:
        assert sums.span_s() == (MONDAY_S, MONDAY_S + 30)
    assert not path.with_name(f"{path.name}-wal").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX's")
def test_a_file_that_may_only_be_read_is_read(path):
    stored(path, {MONDAY_S: {key("curl"): 1000}})
    path.chmod(0o400)

    with PeriodSums(path) as sums:
        assert sums.span_s()


def test_a_run_that_is_killed_leaves_all_windows_that_it_wrote(path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    written = 0
    for kill in range(KILLS):
        words = [sys.executable, "-c", WRITER, path, str(written)]
        writer = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(3 + 5 * kill):
            assert writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
        rest, _ = writer.communicate()
        written += 3 + 5 * kill + len(rest.split("\n")) - 1

        with PeriodSums(path) as sums:
            begins = {row[0] for row in sums._rows("SELECT at FROM ten_seconds")}
        assert len(begins) - written in (0, 1)  # it may have been killed before it said so
        written = len(begins)
        assert octets_of(path)[0] == {"curl": 100 * written, "ssh": 10 * written}
        assert table(path, "PRAGMA integrity_check") == [("ok",)]


def test_it_lies_in_the_state_folder_of_the_service_or_of_the_user():
    assert default_path({"STATE_DIRECTORY": "/var/lib/portcall:/x"}) == Path("/var/lib/portcall/history.sqlite")
    assert default_path({"XDG_STATE_HOME": "/s"}) == Path("/s/portcall/history.sqlite")
    for environment in ({}, {"XDG_STATE_HOME": "relative"}):
        assert default_path(environment).parts[-4:] == (".local", "state", "portcall", "history.sqlite")


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="links of others need another user")
def test_root_follows_no_link(path):
    target = path.with_name("target")
    path.symlink_to(target)

    with pytest.raises(HistoryError, match="is a link, which root does not follow"):
        HistoryStore(path, makes_folder=False)

    assert not target.exists()


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="links of others need another user")
def test_root_follows_no_link_of_another_user_on_the_way(path):
    (path.parent / "real").mkdir()
    folder = path.parent / "folder"
    folder.symlink_to("real")
    os.chown(folder, NOBODY, NOBODY, follow_symlinks=False)

    with pytest.raises(HistoryError, match="folder is a link"):
        HistoryStore(folder / "history.sqlite", makes_folder=False)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="it is about root")
def test_root_writes_nothing_where_others_may_write(path):
    path.parent.chmod(0o1777)

    with pytest.raises(HistoryError, match="others may write to"):
        HistoryStore(path, makes_folder=False)
