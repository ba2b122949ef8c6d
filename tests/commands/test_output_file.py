"""``-o``: what cannot be written is said before anything is read, and what was counted is never lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import pytest

from portcall.cli import main
from portcall.commands.output_file import UnwritableOutputError, try_folder, try_output

CAPTURE = Path(__file__).parents[2] / "captures" / "dns.pcap"
NOBODY = 65534
AS_A_USER = f"""
import importlib, os, pkgutil, sys
import portcall
for module in pkgutil.walk_packages(portcall.__path__, "portcall."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid({NOBODY})
    os.setuid({NOBODY})
from portcall.cli import main
sys.exit(main(sys.argv[1:]))
"""
"""The command of somebody without root's rights; its modules may lie where only root can read."""
needs_root = pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root mounts")


def as_a_user(*words):
    return subprocess.run(
        [sys.executable, "-c", AS_A_USER, *map(str, words)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def closed_folder(tmp_path_factory):
    """A folder that nobody but its owner may enter, and its owner may not either, with a capture."""
    folder = tmp_path_factory.mktemp("closed")
    (folder / "there.pcap").write_bytes(CAPTURE.read_bytes())
    folder.chmod(0o000)
    yield folder
    folder.chmod(0o700)


@pytest.fixture
def open_capture():
    """A capture in a folder that everybody may enter; pytest's own folders, and often TMPDIR, are its user's alone."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:  # the standard has it open to everybody
        capture = Path(name) / "dns.pcap"
        capture.write_bytes(CAPTURE.read_bytes())
        capture.parent.chmod(0o755)
        yield capture


@pytest.mark.parametrize("word", ["there.pcap", "missing.pcap", "*.pcap"])
def test_a_capture_that_may_not_be_read_is_one_line(closed_folder, word):
    ran = as_a_user("read", closed_folder / word)

    assert ran.returncode in (1, 3)
    assert ran.stderr.count("\n") == 1, ran.stderr
    assert str(closed_folder) in ran.stderr


@pytest.mark.parametrize("command", ["read", "ports", "conns", "explain"])
def test_an_output_that_may_not_be_written_is_one_line_before_anything_is_read(closed_folder, command):
    subject = {"read": ["/does/not/exist.pcap"], "explain": ["443"]}.get(command, [])

    ran = as_a_user(command, *subject, "-o", closed_folder / "out.json")

    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == f"portcall: -o {closed_folder}/out.json: cannot be written: permission denied\n"


def test_a_file_in_a_folder_that_may_not_be_changed_is_written_in_place(open_capture):
    output = open_capture.parent / "out.json"
    output.write_text("before")
    output.chmod(0o666)

    ran = as_a_user("read", open_capture, "-o", output)

    assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr
    assert json.loads(output.read_text())["coverage"]["frames"]


def test_trying_leaves_nothing_behind_and_changes_nothing(tmp_path):
    there = tmp_path / "there.json"
    there.write_text("before")

    for name in ("there.json", "new.json"):
        try_output(str(tmp_path / name))

    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("there.json", "before")]


@pytest.mark.parametrize("name", ["folder", "a" * 300])
def test_what_can_be_no_file_is_refused_at_once(tmp_path, name):
    (tmp_path / "folder").mkdir()

    with pytest.raises(UnwritableOutputError):
        try_output(str(tmp_path / name))


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")

    try_output(str(tmp_path / "pipe.json"))


def test_a_name_as_long_as_names_may_be_is_written(tmp_path):
    output = tmp_path / ("a" * 250 + ".json")

    assert main(["read", str(CAPTURE), "-o", str(output)]) == 0
    assert json.loads(output.read_text())["coverage"]["frames"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere these are devices")
@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "-"])
def test_stdout_by_another_name_is_written_to_where_it_stands(tmp_path, name):
    (tmp_path / "kept").write_bytes(b"before\n")
    words = [sys.executable, "-m", "portcall", "read", str(CAPTURE), "--format", "csv"]
    run = partial(subprocess.run, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, check=True, cwd=tmp_path)
    plain = run(words, stdout=subprocess.PIPE).stdout

    piped = run([*words, "-o", name], stdout=subprocess.PIPE).stdout
    with (tmp_path / "kept").open("ab") as appended:
        run([*words, "-o", name], stdout=appended)

    assert piped == plain
    assert (tmp_path / "kept").read_bytes() == b"before\n" + plain
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is a device")
def test_a_pipe_without_a_name_is_written_and_only_where_it_can_be():
    for_reading, for_writing = os.pipe()
    try:
        with pytest.raises(UnwritableOutputError, match="for reading alone"):
            try_output(f"/dev/fd/{for_reading}")
        with pytest.raises(UnwritableOutputError, match="this is a file"):
            try_folder(f"/dev/fd/{for_writing}")

        assert main(["read", str(CAPTURE), "--format", "json", "-o", f"/dev/fd/{for_writing}"]) == 0

        assert json.loads(os.read(for_reading, 1 << 16))["coverage"]["frames"]
    finally:
        os.close(for_reading)
        os.close(for_writing)


@needs_root
@pytest.mark.root
def test_of_a_full_disk_the_report_comes_on_stdout(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], check=True)
    try:
        (disk / "full").write_bytes(bytes(64 << 10))
        ran = subprocess.run(
            [sys.executable, "-m", "portcall", "read", CAPTURE, "--by", "flow", "-o", disk / "out.json"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=False,
        )
        left = [path.name for path in disk.iterdir()]
    finally:
        subprocess.run(["umount", disk], check=True)

    assert ran.returncode == 1
    assert ran.stderr.endswith("cannot be written: no space left on device; so it is on stdout instead\n")
    assert ran.stderr.count("\n") == 1
    assert json.loads(ran.stdout)["coverage"]["frames"]
    assert left == ["full"]
