"""``read --follow``, ``--checkpoint`` and ``--every`` as commands: real files that grow, real signals, real kills."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

import portcall
from capture_bytes import pcap_header, pcap_record
from frame_bytes import ethernet, ipv4, udp
from portcall.cli import main

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc says which signals a process hears")
CAPTURE = Path(__file__).parents[2] / "captures" / "dns.pcap"
CONTENT = CAPTURE.read_bytes()
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
DEADLINE_S = 180
BEGINS_S = 1_700_000_000  # a multiple of 100


def wait_until(is_so):
    ends_s = time.monotonic() + DEADLINE_S
    while not is_so():
        assert time.monotonic() < ends_s, "it never came to be so"


def hears(process, number):
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) & (1 << (number - 1)))
    return False


@contextlib.contextmanager
def following(*words, **how):
    """The command, once it follows."""
    process = subprocess.Popen(
        [sys.executable, "-m", "portcall", "read", *map(str, words), "--follow"],
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        **{"stderr": subprocess.PIPE, **how},
    )
    try:
        wait_until(lambda: hears(process, signal.SIGUSR1) or process.poll() is not None)
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def ended(process, number=signal.SIGTERM):
    process.send_signal(number)
    printed, said = process.communicate(timeout=DEADLINE_S)
    return process.returncode, printed.decode(), (said or b"").decode()


def frames_of(printed):
    return json.loads(printed)["coverage"]["frames"]


def counts(process, output, frames):
    """Whether the report that is asked for now covers so many frames."""
    before = output.stat().st_ino if output.exists() else 0
    process.send_signal(signal.SIGUSR1)
    wait_until(lambda: (output.exists() and output.stat().st_ino != before) or process.poll() is not None)
    return frames_of(output.read_bytes()) >= frames


def append(path, content):
    with path.open("ab") as stream:
        stream.write(content)


def all_frames():
    return portcall.read(str(CAPTURE)).coverage.frames


def second(number, frames=3):
    """Records of one second."""
    content = ethernet(0x0800, ipv4(udp()))
    return b"".join(pcap_record(content, seconds=BEGINS_S + number, fraction=i) for i in range(frames))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def test_a_file_that_grows_is_counted_as_it_grows_and_sigterm_ends_a_service_well(folder, tmp_path):
    output = tmp_path / "now.json"
    (folder / "a.pcap").write_bytes(CONTENT[:700])

    with following(folder, "-o", output) as process:
        wait_until(lambda: counts(process, output, 5))
        append(folder / "a.pcap", CONTENT[700:])
        wait_until(lambda: counts(process, output, all_frames()))
        status, _, said = ended(process)

    assert (status, said) == (0, "")
    assert frames_of(output.read_bytes()) == all_frames()


def test_a_report_is_printed_for_people_on_sigusr1(folder, tmp_path):
    (folder / "a.pcap").write_bytes(CONTENT)
    with (tmp_path / "said").open("wb") as stderr, following(folder, "--format", "json", stderr=stderr) as process:
        process.send_signal(signal.SIGUSR1)
        wait_until(lambda: b"packets" in (tmp_path / "said").read_bytes())
        _, printed, _ = ended(process)

    assert frames_of(printed) == all_frames()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGHUP, 129), (signal.SIGTERM, 0)])
def test_every_ending_reports_what_is_there(folder, number, status):
    (folder / "a.pcap").write_bytes(CONTENT)

    with following(folder, "--format", "json") as process:
        assert ended(process, number)[0] == status


def test_a_run_that_is_killed_again_and_again_counts_each_frame_once(folder, tmp_path):
    checkpoint, output = tmp_path / "checkpoint", tmp_path / "now.json"
    words = (folder, "--checkpoint", checkpoint, "--by", "flow", "-o", output)
    cuts = [0, 500, 3000, len(CONTENT)]
    for start, stop in pairwise(cuts):
        append(folder / "a.pcap", CONTENT[start:stop])
        with following(*words) as process:
            before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
            wait_until(lambda: checkpoint.exists() and checkpoint.stat().st_mtime_ns != before)  # noqa: B023
            process.kill()

    with following(*words) as process:
        status, _, said = ended(process)

    assert status == 0
    assert "bytes hold all that was counted" in said
    assert json.loads(output.read_bytes())["rows"] == portcall.read(str(CAPTURE), by="flow").to_dicts()
    assert stat.S_IMODE(checkpoint.stat().st_mode) == 0o600


def test_reading_goes_on_from_a_checkpoint_without_following_too(tmp_path):
    output = tmp_path / "report.json"
    words = ["read", str(CAPTURE), "--checkpoint", str(tmp_path / "checkpoint"), "-o", str(output)]

    first, second_time = ((main(words), frames_of(output.read_bytes())) for _ in range(2))

    assert first == second_time == (0, all_frames())


def intervals(folder):
    return {path.name: frames_of(path.read_bytes()) for path in sorted(folder.iterdir())}


def test_each_interval_has_a_file_named_after_its_beginning_in_utc(folder, tmp_path):
    (tmp_path / "out").mkdir()
    (folder / "a.pcap").write_bytes(pcap_header() + second(1) + second(9, 2) + second(10) + second(35, 1))

    with following(folder, "--every", 10, "-o", tmp_path / "out" / "r-%H%M%S.json") as process:
        wait_until(lambda: len(intervals_done(tmp_path / "out")) == 2)
        status, printed, _ = ended(process)

    assert (status, printed) == (0, "")
    assert intervals(tmp_path / "out") == {"r-221320.json": 5, "r-221330.json": 3, "r-221350.json": 1}


def intervals_done(folder):
    return [path for path in folder.iterdir() if not path.name.startswith(".")]


def test_a_name_that_is_taken_is_never_written_over(folder, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "r-22.json").write_text("mine")
    (folder / "a.pcap").write_bytes(pcap_header() + second(1) + second(11))

    with following(folder, "--every", 10, "-o", tmp_path / "out" / "r-%H.json") as process:
        wait_until(lambda: len(intervals_done(tmp_path / "out")) == 2)
        ended(process)

    assert (tmp_path / "out" / "r-22.json").read_text() == "mine"
    (tmp_path / "out" / "r-22.json").unlink()
    assert intervals(tmp_path / "out") == {"r-22-2.json": 3, "r-22-3.json": 3}


def test_sighup_begins_a_new_file(folder, tmp_path):
    (tmp_path / "out").mkdir()
    (folder / "a.pcap").write_bytes(pcap_header() + second(1))

    with following(folder, "--every", 1000, "-o", tmp_path / "out" / "r.%S.csv") as process:
        for _ in range(2):
            files = len(intervals_done(tmp_path / "out"))
            append(folder / "a.pcap", second(2))
            wait_until(lambda: (process.send_signal(signal.SIGHUP), len(intervals_done(tmp_path / "out")) > files)[1])  # noqa: B023
        assert ended(process)[0] == 0

    assert {path.name for path in intervals_done(tmp_path / "out")} >= {"r.20.csv", "r.20-2.csv"}


def test_rows_are_appended_where_the_name_has_no_time_and_cut_back_after_a_kill(folder, tmp_path):
    output, checkpoint = tmp_path / "rows.csv", tmp_path / "checkpoint"
    words = (folder, "--every", 10, "--checkpoint", checkpoint, "-o", output)
    (folder / "a.pcap").write_bytes(pcap_header() + second(1) + second(11) + second(21))
    with following(*words) as process:
        wait_until(lambda: output.exists() and output.read_text().count("\n") == 3)
        process.kill()
    append(output, b"half a row that was written when it was kill")
    append(folder / "a.pcap", second(31))

    with following(*words) as process:
        ended(process)

    header, *rows = output.read_text().splitlines()
    assert header.startswith("app,")
    assert len(rows) == 4
    assert len({row.split(",")[0] for row in rows}) == 1


def test_without_a_file_each_interval_is_printed(folder):
    (folder / "a.pcap").write_bytes(pcap_header() + second(1) + second(11))

    with following(folder, "--every", 10) as process:
        _, printed, _ = ended(process)

    assert "2023-11-14 22:13:20 UTC" in printed
    assert "2023-11-14 22:13:30 UTC" in printed


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--every", "5"], "add --follow"),
        (["--follow", "--explain", "dns"], "leave out --follow"),
        (["--follow", "--dissect", "--by", "flow"], "leave out --follow"),
        (["--checkpoint", "c", "--format", "zeek"], "leave out --checkpoint"),
        (["--follow", "--every", "5", "-o", "r.parquet"], "put a time into the name"),
        (["--follow", "--every", "5", "--format", "zeek"], "leave out --every"),
        (["--follow", "--where", "nonsense"], "--where"),
        (["--follow", "--local", "nonsense"], "nonsense"),
    ],
)
def test_options_that_contradict_each_other_are_refused(words, why, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert main(["read", str(CAPTURE), *words]) == 2
    assert why in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options", [[], ["--follow"]])
def test_a_checkpoint_without_room_is_refused_before_anything_is_counted(tmp_path, options):
    """A real limit of 0 bytes stands in for a full disk."""
    limited = "import resource, sys; from portcall.cli import main; "
    limited += "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); sys.exit(main(sys.argv[1:]))"
    words = [sys.executable, "-c", limited, "read", CAPTURE, "--checkpoint", tmp_path / "state", *options]
    ran = subprocess.run(words, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=DEADLINE_S)

    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == f"portcall: --checkpoint {tmp_path}/state: cannot be written: file too large\n"
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_is_no_input_for_a_checkpoint(capsys, tmp_path):
    assert main(["read", "-", "--checkpoint", str(tmp_path / "c")]) == 2
    assert "cannot be read again" in capsys.readouterr().err
