"""A checkpoint is whole or not there, its owner's alone, and read as carefully as any input."""

from __future__ import annotations

import os
import resource
import signal
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portcall.errors import PortcallError
from portcall.runs.following import checkpoint as module
from portcall.runs.following.checkpoint import Checkpoint, Saved

COMMAND = {"CAPTURE": ["a"], "--by": "app"}
SAVED = Saved({"files": [], "frames": 3}, b"what was counted")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoint"


def written(path, saved=SAVED, command=COMMAND):
    checkpoint = Checkpoint(str(path), command)
    checkpoint.save(saved)
    checkpoint.close()
    return path.read_bytes()


def loaded(path, command=COMMAND):
    checkpoint = Checkpoint(str(path), command)
    try:
        return checkpoint.load()
    finally:
        checkpoint.close()


def test_what_was_saved_comes_back(path):
    written(path)

    assert loaded(path) == SAVED


def test_where_nothing_was_saved_there_is_nothing(path):
    assert loaded(path) is None


def test_only_its_owner_may_read_it(path):
    os.umask(os.umask(0o022))
    written(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_nothing_else_is_left_beside_it(path):
    written(path)
    path.with_name(".checkpoint.part").write_text("of a run that was killed")
    written(path)

    assert [entry.name for entry in path.parent.iterdir()] == ["checkpoint"]


def test_where_the_disk_is_full_the_former_one_stays(path, monkeypatch):
    before = written(path)

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    with pytest.raises(PortcallError, match="cannot be written: no space left on device"):
        written(path, Saved({}, b"more"))

    assert path.read_bytes() == before


def test_once_something_is_saved_a_failure_may_wait_for_the_end(path):
    """A real limit stands in for a full disk; nothing is left beside it."""
    checkpoint = Checkpoint(str(path), COMMAND)
    checkpoint.save(Saved({}, b"before"))
    before, limits = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        checkpoint.save(Saved({}, bytes(8192)), may_fail=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)

    assert "cannot be written: file too large" in str(checkpoint.failure)
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    checkpoint.save(Saved({}, b"after"))
    assert checkpoint.failure is None
    checkpoint.close()


def test_it_says_how_large_it_is(path):
    checkpoint = Checkpoint(str(path), COMMAND)
    checkpoint.save(SAVED)

    assert checkpoint.bytes == path.stat().st_size
    checkpoint.close()


def test_two_runs_do_not_share_one(path):
    written(path)
    one = Checkpoint(str(path), COMMAND)
    one.load()
    one.save(SAVED)

    with pytest.raises(PortcallError, match="another portcall uses it now"):
        loaded(path)

    one.close()
    assert loaded(path) == SAVED


@given(st.data())
def test_any_damage_is_said_and_what_to_do(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("damage") / "checkpoint"
    whole = written(path)
    at = data.draw(st.integers(0, len(whole) - 1))
    how = data.draw(st.sampled_from(["flip", "cut", "more"]))
    flipped = whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
    path.write_bytes({"flip": flipped, "cut": whole[:at], "more": whole + b"\0"}[how])

    with pytest.raises(PortcallError, match=r"(is no checkpoint|it is damaged).*Remove it"):
        loaded(path)


def test_another_build_is_refused_by_name(path, monkeypatch):
    monkeypatch.setattr(module, "build", lambda: "portcall 0.0, format 0")
    written(path)
    monkeypatch.undo()

    with pytest.raises(PortcallError, match=r"another build: 'portcall 0\.0, format 0'"):
        loaded(path)


def test_another_command_is_refused_and_the_difference_named(path):
    written(path)

    with pytest.raises(PortcallError, match="--by was app, and is flow"):
        loaded(path, {**COMMAND, "--by": "flow"})


def test_a_forged_command_is_refused(path):
    written(path, command={"x": "\x1b[2J" * 1000})

    with pytest.raises(PortcallError, match="another command") as refused:
        loaded(path)
    assert len(str(refused.value)) < 1000


@pytest.mark.parametrize("place", ["", "there/is/none"])
def test_where_none_can_be_is_said_at_once(tmp_path, place):
    with pytest.raises(PortcallError, match="directory"):
        Checkpoint(str(tmp_path / place), COMMAND)


def test_a_pipe_in_its_place_does_not_make_it_wait(path):
    os.mkfifo(path)

    with pytest.raises(PortcallError):
        loaded(path)


def test_no_file_beside_it_is_written_through_a_link(path, tmp_path):
    other = tmp_path / "precious"
    other.write_text("stays")
    path.with_name(".checkpoint.part").symlink_to(other)

    written(path)

    assert other.read_text() == "stays"
    assert not Path(path).is_symlink()
