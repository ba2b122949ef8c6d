"""``portcall live --every``: real traffic, and files of intervals that have all of it."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from namespaces import namespace
from portcall.runs.live import LiveTracker
from portcall.runs.live_run import LiveOptions, LiveRun

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="live capture on Linux needs root"),
]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
DEADLINE_S = 120
DATAGRAMS = 50
SEND = """
import socket, sys
sender, receiver = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
receiver.bind(("127.0.0.1", 0))
for _ in range(int(sys.argv[1])):
    sender.sendto(b"x" * 100, receiver.getsockname())
    receiver.recv(200)
"""


def wait_until(is_so):
    ends_s = time.monotonic() + DEADLINE_S
    while not is_so():
        assert time.monotonic() < ends_s, "it never came to be so"


@contextlib.contextmanager
def live_in(name, *words):
    """The command in a namespace, listening; its input and output are no terminal."""
    process = subprocess.Popen(
        ["ip", "netns", "exec", name, sys.executable, "-m", "portcall", "live", "-i", "lo", *map(str, words)],
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        process.said = process.stderr.readline()
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def space():
    with namespace("every") as name:
        yield name


def send(name, count=DATAGRAMS):
    process = subprocess.Popen(["ip", "netns", "exec", name, sys.executable, "-c", SEND, str(count)])
    assert process.wait(DEADLINE_S) == 0
    return process.pid


def reports(folder):
    paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    return [json.loads(path.read_bytes()) for path in paths]


def told_of(process, packets):
    """The first line of the report, asked for until all packets are in it: the kernel hands them over in blocks."""
    ends_s = time.monotonic() + DEADLINE_S
    process.send_signal(signal.SIGUSR1)
    for line in process.stderr:
        if f"{packets} packets" in line:
            return line
        assert time.monotonic() < ends_s, "they were never told of"
        if " packets" in line:
            process.send_signal(signal.SIGUSR1)
    return ""


def ended(process, number=signal.SIGTERM):
    process.send_signal(number)
    process.communicate(timeout=DEADLINE_S)
    return process.returncode


def test_the_files_of_all_intervals_have_all_packets_and_all_owners(space, tmp_path):
    with live_in(space, "--every", 2, "--by", "process", "-o", tmp_path / "r-%H%M%S.json") as process:
        pids = []
        while len(reports(tmp_path)) < 2:
            pids.append(send(space))
        status = ended(process)

    made = reports(tmp_path)
    assert (status, "reports of each 2 s" in process.said) == (0, True)
    assert sum(report["coverage"]["frames"] for report in made) == DATAGRAMS * len(pids)
    assert {row["pid"] for report in made for row in report["rows"]} == set(pids)
    assert all(report["coverage"]["dropped_by_kernel"] == 0 for report in made)


def test_sighup_begins_a_new_file_and_sigusr1_tells_at_once(space, tmp_path):
    with live_in(space, "--every", 1000, "--by", "process", "-o", tmp_path / "r-%S.json") as process:
        send(space)
        told = told_of(process, DATAGRAMS)
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: len(reports(tmp_path)) == 1)
        send(space)
        status = ended(process)

    assert status == 0
    assert f"{DATAGRAMS} packets" in told
    assert [report["coverage"]["frames"] for report in reports(tmp_path)] == [DATAGRAMS, DATAGRAMS]


def test_nothing_of_an_interval_stays_when_it_was_reported():
    """The first one did, as long as the command ran."""

    def send_until_counted():
        sender.sendto(b"x", ("127.0.0.1", 9))
        return run.tracker.frames > 0

    gc.collect()
    before = [one for one in gc.get_objects() if isinstance(one, LiveTracker)]
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
        LiveRun(LiveOptions(interface=["lo"], owners="psutil")) as run,
    ):
        intervals = run.in_intervals(1000 * 10**9)
        run.watch(send_until_counted)
        run.settle()
        counted = [ended.tracker.frames for ended in intervals.finish()]
        kept = [one for one in gc.get_objects() if isinstance(one, LiveTracker) and one not in before]

    assert counted[0] > 0
    assert kept == [run.tracker]
    assert run.tracker.frames == 0


@pytest.mark.parametrize("words", [["--metrics", "0"], ["-w", "x.pcapng"], ["--", "true"]], ids=lambda words: words[0])
def test_what_is_about_the_whole_run_does_not_go_with_intervals(space, words):
    with live_in(space, "--every", 2, *words) as process:
        process.wait(DEADLINE_S)

    assert process.returncode == 2
    assert "leave out one of them" in process.said
