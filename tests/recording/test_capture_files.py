import os
import re
import stat
import sys

import pytest

from portcall.errors import PortcallError
from portcall.recording.capture_files import CaptureFiles
from portcall.recording.rotation import Rotation

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no such rights, links and folders")


def test_a_pipe_that_nobody_reads_is_given_up_when_the_run_is_to_end(monkeypatch):
    reader, writer = os.pipe()
    monkeypatch.setattr("portcall.recording.capture_files._STDOUT_FILE", writer)
    monkeypatch.setattr("portcall.recording.capture_files._PATIENCE_MS", 1)
    files = CaptureFiles("-", Rotation())
    asked = iter([False, False, True])
    files.is_ending = lambda: next(asked)

    with pytest.raises(BlockingIOError):
        files.write(bytes(1 << 20))

    assert next(asked, None) is None
    os.close(reader)
    os.close(writer)


@pytest.fixture(name="path")
def fixture_path(tmp_path):
    return tmp_path / "taken.pcapng"


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_its_owners_alone(path):
    before = os.umask(0)
    try:
        CaptureFiles(str(path), Rotation()).close()
    finally:
        os.umask(before)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_was_there_is_replaced_and_closed_to_others(path):
    path.write_bytes(b"an older capture")
    path.chmod(0o644)

    files = CaptureFiles(str(path), Rotation())
    files.write(b"new")
    files.close()

    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_symbolic_link_is_not_followed(path, tmp_path):
    target = tmp_path / "target"
    target.write_bytes(b"somebody's")
    path.symlink_to(target)

    with pytest.raises(PortcallError, match="symbolic link"):
        CaptureFiles(str(path), Rotation())

    assert target.read_bytes() == b"somebody's"


def test_a_file_with_a_second_name_is_not_written_to(path, tmp_path):
    other = tmp_path / "other"
    other.write_bytes(b"somebody's")
    path.hardlink_to(other)

    with pytest.raises(PortcallError, match="several names"):
        CaptureFiles(str(path), Rotation())

    assert other.read_bytes() == b"somebody's"


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(PortcallError, match="no such folder"):
        CaptureFiles(str(tmp_path / "missing" / "taken.pcapng"), Rotation())


def test_files_of_a_rotation_have_time_and_number_in_their_names(path, tmp_path):
    files = CaptureFiles(str(path), Rotation(most_bytes=1 << 16))
    files.begin_next()
    files.close()

    first, second = names_in(tmp_path)
    assert re.fullmatch(r"taken-\d{8}T\d{6}Z-00001\.pcapng", first)
    assert re.fullmatch(r"taken-\d{8}T\d{6}Z-00002\.pcapng", second)


def test_a_rotation_overwrites_nothing(path, tmp_path):
    files = CaptureFiles(str(path), Rotation(most_bytes=1 << 16))
    files.write(b"of the first run")
    files.close()

    again = CaptureFiles(str(path), Rotation(most_bytes=1 << 16))
    again.write(b"of the second")
    again.close()

    contents = [(tmp_path / name).read_bytes() for name in names_in(tmp_path)]
    assert sorted(contents) == [b"of the first run", b"of the second"]


def test_only_the_last_files_of_this_run_are_kept(path, tmp_path):
    (tmp_path / "taken-20200101T000000Z-00001.pcapng").write_bytes(b"of another run")
    files = CaptureFiles(str(path), Rotation(most_bytes=1 << 16, keep=2))

    for number in range(4):
        files.write(b"%d" % number)
        files.begin_next()
    files.close()

    assert [(tmp_path / name).read_bytes() for name in names_in(tmp_path)] == [b"of another run", b"3", b""]


def test_what_has_taken_a_kept_files_name_stays(path, tmp_path):
    files = CaptureFiles(str(path), Rotation(most_bytes=1 << 16, keep=1))
    (name,) = names_in(tmp_path)
    (tmp_path / name).unlink()
    (tmp_path / name).write_bytes(b"somebody's")

    files.begin_next()
    files.close()

    assert (tmp_path / name).read_bytes() == b"somebody's"


def test_a_full_disk_leaves_a_file_that_ends_after_a_whole_block(path):
    resource = pytest.importorskip("resource")
    files = CaptureFiles(str(path), Rotation())
    files.write(b"whole" * 100)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            files.write(bytes(4096))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        files.close()

    assert path.read_bytes() == b"whole" * 100
