"""However a command is ended, what it counted is reported: real processes, real signals, a terminal that closes."""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

import portcall

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc says what a process waits for")
CAPTURE = Path(__file__).parents[1] / "captures" / "dns.pcap"
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
COMMAND = [sys.executable, "-m", "portcall"]
DEADLINE_S = 180
FROM = "import os, sys; os.dup2(int(sys.argv[1]), 0); os.execv(sys.argv[2], sys.argv[2:])"
"""Becomes the command behind a descriptor, which is its stdin."""
ENDINGS = [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]


@contextlib.contextmanager
def running(*words, ignored="", **how):
    """The command; signals are as on a terminal unless ``ignored`` names some, as nohup does."""
    process = subprocess.Popen(
        ["sh", "-c", f"trap '' {ignored}; exec \"$@\"" if ignored else 'exec "$@"', "sh", *COMMAND, *words],
        env=ENVIRONMENT,
        **{"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **how},
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def wait_until(is_so):
    ends_s = time.monotonic() + DEADLINE_S
    while not is_so():
        assert time.monotonic() < ends_s, "it never came to be so"


def has_read_all(process):
    """Whether the pipe is empty and the process waits for more of it."""
    waiting = struct.unpack("i", fcntl.ioctl(process.stdin, termios.FIONREAD, b"\0" * 4))[0]
    state = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]
    return not waiting and state == "S"


@contextlib.contextmanager
def reading_an_endless_pipe(*words, content=None, **how):
    with running("read", "-", *words, **how) as process:
        process.stdin.write(content or CAPTURE.read_bytes())
        process.stdin.flush()
        wait_until(lambda: has_read_all(process))
        yield process


def frames_of(printed):
    return json.loads(printed)["coverage"]["frames"]


def all_frames():
    return portcall.read(str(CAPTURE)).coverage.frames


@pytest.mark.parametrize(("number", "status"), ENDINGS)
def test_decompressing_an_endless_pipe_in_a_thread_ends_and_reports(number, status):
    """The thread waits for the pipe, the command for the thread."""
    capture = CAPTURE.read_bytes()
    times = 2 * (1 << 20) // (len(capture) - 24)
    content = gzip.compress(capture[:24] + capture[24:] * times, 1)[:-20]  # it may come to no end

    with reading_an_endless_pipe("--format", "json", content=content) as process:
        process.send_signal(number)
        printed, said = process.communicate(timeout=DEADLINE_S)

    assert process.returncode == status
    assert frames_of(printed) > 0
    assert b"interrupted: this is what was counted until then" in said


@pytest.mark.parametrize(("number", "status"), ENDINGS)
def test_reading_an_endless_pipe_reports_what_was_counted(number, status):
    with reading_an_endless_pipe("--format", "json") as process:
        process.send_signal(number)
        printed, sent = process.communicate(timeout=DEADLINE_S)

    assert process.returncode == status
    assert frames_of(printed) == all_frames()
    assert sent == b"portcall: interrupted: this is what was counted until then\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_output_file_is_written_whatever_signal_comes_and_however_often(number, tmp_path):
    output = tmp_path / "report.json"

    with reading_an_endless_pipe("-o", str(output)) as process:
        for _ in range(20):
            process.send_signal(number)
        process.communicate(timeout=DEADLINE_S)

    assert frames_of(output.read_bytes()) == all_frames()


@pytest.mark.skipif(not shutil.which("tcpdump"), reason="needs tcpdump")
def test_a_writer_that_is_killed_in_the_middle_leaves_what_came_before(tmp_path):
    """tcpdump writes a whole buffer at a time, which may end within a record."""
    capture, report = tmp_path / "long.pcap", tmp_path / "report.json"
    content = CAPTURE.read_bytes()
    capture.write_bytes(content[:24] + content[24:] * 100)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    words = ["read", "-", "-o", str(report)]
    with running(*words, stdin=subprocess.PIPE) as process:
        with subprocess.Popen(
            ["tcpdump", "-r", str(pipe), "-w", "-"], stdout=process.stdin, stderr=subprocess.DEVNULL
        ) as tcpdump:
            process.stdin.close()
            process.stdin = None
            with pipe.open("wb", buffering=0) as feed:
                feed.write(capture.read_bytes()[: 100 * len(content) // 2])  # and no more, so that it waits
                wait_until(lambda: has_slept(process))
                tcpdump.kill()
        _, said = process.communicate(timeout=DEADLINE_S)

    assert 0 < frames_of(report.read_bytes()) < 100 * all_frames()
    assert (process.returncode, said) in [(0, b""), (3, said)]
    assert said == b"" or b"the file ends inside a record. The frames before it count" in said


def has_slept(process):
    """Whether it has read something, and waits for more."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    read = int(Path(f"/proc/{process.pid}/io").read_text().split("rchar: ")[1].split()[0])
    return "State:\tS" in status and read > (1 << 20)


def test_nohup_is_respected():
    with reading_an_endless_pipe("--format", "json", ignored="HUP") as process:
        process.send_signal(signal.SIGHUP)
        process.stdin.write(CAPTURE.read_bytes()[24:])
        printed, _ = process.communicate(timeout=DEADLINE_S)

    assert (process.returncode, frames_of(printed)) == (0, 2 * all_frames())


def test_a_second_ctrl_c_ends_it_while_it_reports(tmp_path):
    fifo = tmp_path / "nobody-reads-this"
    os.mkfifo(fifo)

    with reading_an_endless_pipe("--format", "json", "-o", str(fifo)) as process:
        process.send_signal(signal.SIGINT)
        wait_until(lambda: not inspects(process, signal.SIGTERM))  # it reports
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=DEADLINE_S)

    assert process.returncode == 130


@pytest.mark.parametrize(("number", "status"), ENDINGS)
@pytest.mark.parametrize("words", [("ports", "--watch", "--interval", "60"), ("read", "-")])
def test_what_only_waits_ends_without_a_word(words, number, status):
    with running(*words) as process:
        wait_until(lambda: inspects(process, signal.SIGTERM))
        process.send_signal(number)
        _, sent = process.communicate(timeout=DEADLINE_S)

    assert process.returncode == status
    assert b"Traceback" not in sent


def inspects(process, number):
    """Whether the process has a handler for the signal."""
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) & (1 << (number - 1)))
    return False


def test_a_broken_stderr_loses_no_report_on_stdout():
    reader, writer = os.pipe()
    os.close(reader)

    with running("read", str(CAPTURE), "/does/not/exist.pcap", "--format", "json", stderr=writer) as process:
        os.close(writer)
        printed, _ = process.communicate(timeout=DEADLINE_S)

    assert (process.returncode, frames_of(printed)) == (3, all_frames())


def test_a_closed_terminal_loses_no_output_file(tmp_path):
    output = tmp_path / "report.json"
    terminal, slave = os.openpty()
    source, feed = os.pipe()
    process = subprocess.Popen(
        ["setsid", "--ctty", sys.executable, "-c", FROM, str(source), *COMMAND, "read", "-", "-o", str(output)],
        env=ENVIRONMENT,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        pass_fds=[source],
    )
    os.close(slave)
    with os.fdopen(feed, "wb") as process.stdin:
        process.stdin.write(CAPTURE.read_bytes())
        process.stdin.flush()
        wait_until(lambda: has_read_all(process))
        os.close(terminal)
        process.wait(DEADLINE_S)
    os.close(source)

    assert process.returncode == 128 + signal.SIGHUP
    assert frames_of(output.read_bytes()) == all_frames()


@pytest.mark.parametrize("module", ["portcall.cli", "argparse", "portcall.commands.output", "numpy"])
def test_ctrl_c_while_it_is_still_imported_is_no_traceback(module, tmp_path):
    script = tmp_path / "portcall"
    script.write_text(
        "import builtins, os, signal, sys\n"
        f"sys.path.extend({[folder for folder in sys.path if folder]!r})\n"
        "first = builtins.__import__\n"
        "def interrupted(name, *rest):\n"
        f"    if name == {module!r}:\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "    return first(name, *rest)\n"
        "builtins.__import__ = interrupted\n"
        "from portcall.__main__ import run\n"
        "run()\n"
    )

    ran = subprocess.run(
        [sys.executable, script, "read", str(CAPTURE)],
        env={"PATH": os.defpath},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ran.returncode, ran.stderr) == (130, "")
