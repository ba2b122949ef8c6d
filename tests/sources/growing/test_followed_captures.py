"""Folders into which captures come: each is read once, by whatever name it goes, and goes on where it was."""

from __future__ import annotations

import gzip
import os
import shutil
import threading
from pathlib import Path

import pytest

from capture_bytes import pcap_header, pcap_record
from portcall.errors import UsageError
from portcall.sources.growing import followed_captures
from portcall.sources.growing.followed_captures import FollowedCaptures
from portcall.sources.growing.followed_file import FollowedFile

CAPTURES = Path(__file__).parents[3] / "captures"


def content(second, frames=5):
    """A capture whose frames are all of one second, and say so."""
    records = (pcap_record(bytes([second]) * 60, seconds=second, fraction=n) for n in range(frames))
    return pcap_header() + b"".join(records)


COMPRESSED = ("*.gz", "*.zst", "*.xz", "*.lz4")


class Follower:
    """A run that notes which frames it was given, by the second they are of."""

    def __init__(self, *patterns, known=()):
        self.now_s = 0.0
        self.captures = FollowedCaptures([str(pattern) for pattern in patterns], lambda: self.now_s, known)
        self.seconds = []

    def turn(self, after_s=10.0):
        self.now_s += after_s
        return self._counted(self.captures.turn())

    def finish(self):
        counted = self._counted(self.captures.finish())
        self.captures.close()
        return counted

    def _counted(self, given):
        new = []
        for file, batch in given:
            new += (batch.frames["ts_ns"] // 10**9).tolist()
            file.frames = batch.first_number + len(batch.frames) - 1
        self.seconds += new
        return new

    def killed(self):
        """What a checkpoint had of it, by way of its plain form."""
        files = [FollowedFile.of_plain(file.plain()) for file in self.captures.files]
        self.captures.close()
        return files


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


@pytest.fixture
def following(folder):
    follower = Follower(folder)
    yield follower
    follower.captures.close()


def append(path, data):
    with path.open("ab") as stream:
        stream.write(data)


def test_what_is_there_comes_in_order_of_first_frames(folder, following):
    for name, second in (("a", 3), ("b", 1), ("c", 2)):
        (folder / name).write_bytes(content(second))

    assert following.turn() == [1] * 5 + [2] * 5 + [3] * 5


def test_files_without_frames_come_last(folder, following):
    (folder / "a").write_bytes(pcap_header())
    (folder / "b").write_bytes(content(1))
    following.turn()

    assert [file.path for file in following.captures.files] == [str(folder / "a"), str(folder / "b")]
    assert following.seconds == [1] * 5


def test_what_comes_later_is_read_when_it_comes(folder, following):
    (folder / "a").write_bytes(content(1))
    following.turn()
    (folder / "b").write_bytes(content(2))
    append(folder / "a", pcap_record(b"x" * 60, seconds=9))

    assert sorted(following.turn()) == [2] * 5 + [9]
    assert following.turn() == []


def test_a_folder_below_is_followed_too(folder, following):
    following.turn()
    (folder / "new").mkdir()
    (folder / "new" / "a").write_bytes(content(1))

    assert following.turn() == [1] * 5


def test_several_files_may_grow_at_once(folder, following):
    for name in "ab":
        (folder / name).write_bytes(content(1, frames=2))
    following.turn()
    rounds = []
    for second in (2, 3):
        for name in "ab":
            append(folder / name, pcap_record(b"x" * 60, seconds=second))
        rounds.append(following.turn(0.3))

    assert rounds == [[2, 2], [3, 3]]


def test_a_file_that_was_renamed_is_not_read_again(folder, following):
    (folder / "a").write_bytes(content(1))
    following.turn()
    (folder / "a").rename(folder / "z")

    assert following.turn() == []
    append(folder / "z", pcap_record(b"x" * 60, seconds=9))
    assert following.turn() == [9]


@pytest.mark.parametrize("is_later_read", [True, False], ids=["closed", "open"])
def test_a_file_that_was_compressed_is_not_read_again(folder, following, is_later_read):
    (folder / "a").write_bytes(content(1))
    following.turn()
    if is_later_read:
        (folder / "b").write_bytes(content(2))
        following.turn()
        following.turn()
    (folder / "a.gz").write_bytes(gzip.compress((folder / "a").read_bytes()))
    both = following.turn()
    (folder / "a").unlink()

    assert both + following.turn() == []
    assert following.captures.notes == []
    assert following.finish() == []


def test_what_was_not_read_of_a_file_before_it_was_compressed_is_read(folder, following):
    (folder / "a").write_bytes(content(1))
    following.turn()
    append(folder / "a", pcap_record(b"x" * 60, seconds=9))
    (folder / "a.gz").write_bytes(gzip.compress((folder / "a").read_bytes()))
    (folder / "a").unlink()

    assert following.turn() == [9]
    assert following.turn() == []


def test_a_copy_that_is_still_being_compressed_is_left_alone(folder, following):
    (folder / "a").write_bytes(content(1, frames=200))
    whole = gzip.compress(content(1, frames=200))
    (folder / "a.gz").write_bytes(whole[:-20])
    assert following.turn() == [1] * 200
    (folder / "a.gz").write_bytes(whole)
    (folder / "a").unlink()

    assert following.turn() == []
    assert following.captures.problems == []


def test_an_inode_that_is_used_again_is_another_capture(folder, following):
    """Inodes are; here the file is written anew in place after it was closed, which looks the same."""
    (folder / "a").write_bytes(content(1))
    (folder / "b").write_bytes(content(2))
    following.turn()
    following.turn()  # closes a
    with (folder / "a").open("r+b") as stream:
        stream.truncate()
        stream.write(content(3))

    assert following.turn() == [3] * 5


def test_a_file_that_is_written_anew_while_it_is_open_is_said(folder, following):
    (folder / "a").write_bytes(content(1, frames=20))
    following.turn()
    with (folder / "a").open("r+b") as stream:
        stream.truncate()
        stream.write(content(2))

    assert following.turn() + following.turn() == [2] * 5
    (note,) = following.captures.notes
    assert "1 times a file was cut or written anew" in note.reason
    assert "lost" in note.reason


def test_a_closed_file_that_grows_nevertheless_is_read_on(folder, following):
    (folder / "a").write_bytes(content(1))
    (folder / "b").write_bytes(content(2))
    following.turn()
    following.turn()
    assert [file.size >= 0 for file in following.captures.files] == [True, False]
    append(folder / "a", pcap_record(b"x" * 60, seconds=9))

    assert following.turn() == [9]


def test_a_cut_record_is_damage_only_where_a_later_capture_was_begun(folder, following):
    (folder / "a").write_bytes(content(1)[:-1])
    following.turn()
    following.turn()
    (folder / "b").write_bytes(content(2)[:-1])
    following.turn()
    following.turn()
    following.finish()

    (problem,) = following.captures.problems
    (note,) = following.captures.notes
    assert problem.path == str(folder / "a")
    assert "the file ends inside a record" in str(problem)
    assert str(folder / "b") in note.reason
    assert "no whole record yet" in note.reason


def test_what_is_no_capture_is_passed_over_until_it_is_one(folder, following):
    (folder / "notes").write_text("these are notes, and many of them")
    assert following.turn() == []
    (folder / "notes").write_bytes(content(1))

    assert following.turn() == [1] * 5
    assert following.captures.problems == []


def test_a_named_file_may_come_later_and_be_replaced(tmp_path):
    path = tmp_path / "a.pcap"
    following = Follower(path)
    assert following.turn() == []
    path.write_bytes(content(1))
    assert following.turn() == [1] * 5
    (tmp_path / "new").write_bytes(content(2))
    (tmp_path / "new").rename(path)

    assert following.turn() == [2] * 5
    following.finish()


def test_a_pattern_means_the_files_that_come_to_match_it(tmp_path):
    following = Follower(tmp_path / "cap-*")
    (tmp_path / "cap-1").write_bytes(content(1))
    (tmp_path / "other").write_bytes(content(7))
    assert following.turn() == [1] * 5
    (tmp_path / "cap-2").write_bytes(content(2))

    assert following.turn() == [2] * 5
    following.finish()


@pytest.mark.parametrize("what", ["same", "grew", "renamed", "compressed", "another took its inode"])
def test_a_run_that_was_killed_goes_on_where_it_was(folder, what):
    (folder / "a").write_bytes(content(1))
    first = Follower(folder)
    first.turn()
    append(folder / "a", pcap_record(b"x" * 60, seconds=8))
    known = first.killed()
    if what == "grew":
        append(folder / "a", pcap_record(b"x" * 60, seconds=9))
    elif what == "renamed":
        (folder / "a").rename(folder / "z")
    elif what != "same":
        (folder / "a.gz").write_bytes(gzip.compress((folder / "a").read_bytes()))
        (folder / "a").unlink()
    if what == "another took its inode":
        (folder / "b").write_bytes(content(2))
        known[0].device, known[0].inode = (folder / "b").stat().st_dev, (folder / "b").stat().st_ino

    second = Follower(folder, known=known)
    rest = second.turn() + second.turn()
    second.finish()

    expected = {"same": [8], "grew": [8, 9], "renamed": [8], "compressed": [8]}
    assert sorted(rest) == expected.get(what, [2] * 5 + [8])


def test_files_that_were_closed_are_not_opened_again_after_a_kill(folder):
    for name, second in (("a", 1), ("b", 2)):
        (folder / name).write_bytes(content(second))
    first = Follower(folder)
    first.turn()
    first.turn()

    second = Follower(folder, known=first.killed())
    second.turn()

    assert second.seconds == []
    second.finish()


def test_a_folder_of_real_captures_gives_what_reading_it_gives(tmp_path):
    shutil.copytree(CAPTURES, tmp_path / "in", ignore=shutil.ignore_patterns("broken", *COMPRESSED))
    following = Follower(tmp_path / "in")

    following.turn()
    following.finish()

    import portcall

    assert len(following.seconds) == portcall.read(str(tmp_path / "in")).coverage.frames


def test_no_more_than_a_bound_are_open(folder, following, monkeypatch):
    monkeypatch.setattr(followed_captures, "MOST_OPEN", 3)
    for number in range(1, 10):
        (folder / f"{number}").write_bytes(content(number))
    before = threading.active_count()

    following.turn(0.1)

    assert threading.active_count() <= before + 3
    assert sum(file.size < 0 for file in following.captures.files) == 3
    assert len(following.seconds) == 45


def test_nothing_is_looked_at_while_nothing_changes(folder, following, monkeypatch):
    (folder / "a").write_bytes(content(1))
    following.turn()
    following.turn(2)
    following.turn(0.3)
    looked = []
    monkeypatch.setattr(os, "scandir", lambda path: looked.append(path) or iter(()))

    for _ in range(4):
        following.turn(0.3)

    assert looked == []


@pytest.mark.parametrize("pattern", ["-", "/dev/null", "/nowhere/at/all/a.pcap"])
def test_what_cannot_be_followed_is_refused(pattern):
    with pytest.raises(UsageError):
        Follower(pattern)
