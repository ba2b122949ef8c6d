"""``portcall live -w`` as people run it: what lands on disk, whatever ends the run."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from examples import examples
from recorded_captures import read_capture
from root.test_live_command import CALL, NOBODY, PRELOADED, SERVE, Live

pytestmark = [
    pytest.mark.root,
    pytest.mark.usefixtures("alone_on_loopback"),
    pytest.mark.slow,  # half a minute together
    pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="live capture on Linux needs root"),
]


@contextmanager
def conversation():
    """A server and a client that talk once on loopback; gives their processes when they have."""
    with subprocess.Popen([sys.executable, "-c", SERVE], stdout=subprocess.PIPE, text=True) as server:
        port = server.stdout.readline().strip()
        with subprocess.Popen([sys.executable, "-c", CALL, port]) as client:
            client.wait(60)
        server.wait(60)
        yield server.pid, client.pid, int(port)


def recorded(path, *options, **wishes):
    """What is recorded of one conversation on loopback, and who had it."""
    live = Live("-i", "lo", "-w", str(path), "-o", os.devnull, "--format", "json", *options, **wishes)
    live.wait_for_line()
    with conversation() as ends:
        pass
    status, _ = live.end(signal.SIGINT)
    assert status == 130
    return ends


def test_every_packet_names_both_processes_of_a_conversation_on_loopback(tmp_path):
    server, client, port = recorded(tmp_path / "taken.pcapng", "--filter", "tcp")

    capture = read_capture((tmp_path / "taken.pcapng").read_bytes())
    ends = {int.from_bytes(packet.captured[34:36], "big"): packet for packet in capture.packets}
    assert [pid for pid, _ in ends[port].processes] == [server, client]
    packets = [packet for packet in capture.packets if client in dict(packet.processes)]
    assert all({pid for pid, _ in packet.processes} == {server, client} for packet in packets)
    assert {client, server} <= {process["pid"] for process in capture.processes}
    assert capture.interfaces[0][2] == b"lo"
    assert capture.interfaces[0][11] == b"\0tcp"
    assert capture.statistics[0][5] == 0


@pytest.mark.skipif(not shutil.which("tshark"), reason="needs tshark")
def test_editcap_and_mergecap_keep_its_packets_and_comments(tmp_path):
    path, edited, merged = (tmp_path / f"{name}.pcapng" for name in ("taken", "edited", "merged"))
    _, client, _ = recorded(path)
    subprocess.run(["editcap", str(path), str(edited)], check=True)
    subprocess.run(["mergecap", "-w", str(merged), str(path), str(edited)], check=True)

    words = ["tshark", "-Y", f'frame.comment contains "PID: {client}"', "-T", "fields", "-e", "frame.number"]
    shown = [
        subprocess.run([*words, "-r", str(one)], capture_output=True, check=True).stdout for one in (edited, merged)
    ]

    assert [len(numbers.splitlines()) for numbers in shown] == [2, 4]


@pytest.mark.skipif(not shutil.which("tshark"), reason="needs tshark")
def test_tshark_reads_it_without_a_warning_and_finds_a_processs_packets(tmp_path):
    path = tmp_path / "taken.pcapng"
    recorded(path)
    name = Path(sys.executable).name

    words = ["tshark", "-r", str(path), "-Y", f'frame.comment contains "Cmd: {name}"', "-T", "fields", "-e", "tcp.port"]
    shown = subprocess.run(words, capture_output=True, text=True, check=True)
    about = subprocess.run(["capinfos", str(path)], capture_output=True, text=True, check=True)

    assert shown.stderr.replace('Running as user "root" and group "root". This could be dangerous.\n', "") == ""
    assert len(shown.stdout.splitlines()) == 2
    assert about.stderr == ""
    assert "portcall" in about.stdout


@pytest.fixture(name="theirs")
def fixture_theirs():
    """A folder of the user who called sudo, where that user may go."""
    with tempfile.TemporaryDirectory() as folder:
        os.chown(folder, NOBODY, NOBODY)
        yield Path(folder)


def test_files_belong_to_the_user_who_called_sudo_also_those_of_a_rotation(theirs):
    asked = {"SUDO_UID": str(NOBODY), "SUDO_GID": str(NOBODY), "SUDO_USER": "nobody"}

    live = Live(
        "-i", "lo", "-w", str(theirs / "taken.pcapng"), "--rotate", "1s", "--duration", "4", "--format", "json",
        program=("-c", PRELOADED), environment=asked,
    )  # fmt: skip
    live.wait_for_line()
    while live.process.poll() is None:
        with conversation():
            pass
    assert live.end()[0] == 0, live.sent

    files = list(theirs.iterdir())
    assert len(files) > 1
    assert {(path.stat().st_uid, stat.S_IMODE(path.stat().st_mode)) for path in files} == {(NOBODY, 0o600)}


def test_a_folder_that_the_user_who_called_sudo_may_not_write_to_is_refused(tmp_path):
    asked = {"SUDO_UID": str(NOBODY), "SUDO_GID": str(NOBODY), "SUDO_USER": "nobody"}

    live = Live(
        "-i",
        "lo",
        "-w",
        str(tmp_path / "taken.pcapng"),
        "--duration",
        "1",
        program=("-c", PRELOADED),
        environment=asked,
    )

    assert live.end()[0] == 1
    assert "-w" in "".join(live.sent)
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_gets_the_capture_and_nothing_else():
    words = [sys.executable, "-m", "portcall", "live", "-i", "lo", "-w", "-", "--duration", "2"]
    with (
        subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as live,
        ThreadPoolExecutor(1) as reader,
    ):
        written = reader.submit(live.stdout.read)  # as others' packets may fill the pipe before it says anything
        live.stderr.readline()
        with conversation() as (_, client, _):
            pass
        live.stderr.read()
        live.wait(60)

    capture = read_capture(written.result())
    assert live.returncode == 0
    assert any(client in dict(packet.processes) for packet in capture.packets)


@pytest.mark.skipif(not shutil.which("tcpdump"), reason="needs tcpdump")
def test_what_tcpdump_captures_is_joined_with_the_owners_that_were_watched(tmp_path):
    taken, owners, output = (str(tmp_path / name) for name in ("taken.pcap", "owners.jsonl", "joined.pcapng"))
    watching = Live("--owners-only", "-o", owners)
    assert "sockets are watched" in watching.wait_for_line()
    words = ["tcpdump", "-i", "lo", "--immediate-mode", "-U", "-w", taken, "-Z", "root", "tcp"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as dump:
        while "listening on" not in dump.stderr.readline():
            pass
        with conversation() as (server, client, port):
            pass
        end_s = time.monotonic() + 60
        while Path(taken).stat().st_size < 1000 and time.monotonic() < end_s:  # bytes of the conversation
            dump.poll()
        dump.send_signal(signal.SIGINT)
        dump.communicate(timeout=60)
    assert watching.end(signal.SIGINT)[0] == 130
    assert stat.S_IMODE(Path(owners).stat().st_mode) == 0o600

    subprocess.run([sys.executable, "-m", "portcall", "annotate", taken, owners, "-o", output], check=True)

    packets = [one for one in read_capture(Path(output).read_bytes()).packets if port in ports_of(one)]
    assert packets
    for one in packets:
        sender, receiver = (client, server) if ports_of(one)[1] == port else (server, client)
        assert [pid for pid, _ in one.processes] == [sender, receiver]


def ports_of(packet):
    return int.from_bytes(packet.captured[34:36], "big"), int.from_bytes(packet.captured[36:38], "big")


@contextmanager
def small_disk(folder, size_bytes):
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_ends_the_run_with_a_whole_capture_and_says_so(tmp_path):
    with small_disk(tmp_path / "disk", 65536) as disk:
        path = disk / "taken.pcapng"
        live = Live("-i", "lo", "-w", str(path), "--duration", "60", "--format", "json")
        live.wait_for_line()
        for _ in range(3):
            with conversation():
                pass
        status, printed = live.end()

        capture = read_capture(path.read_bytes())

    assert status == 3
    assert capture.interfaces or not capture.packets
    assert "no space left" in printed
    assert "whole and readable" in printed


@contextmanager
def chatter():
    """A process that sends a numbered datagram each millisecond to another one, until it is told to stop."""
    stop = threading.Event()
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        server.bind(("127.0.0.1", 0))
        client.connect(server.getsockname())

        def talk():
            while not stop.wait(0.001):
                client.send(time.time_ns().to_bytes(8, "big"))
                server.recv(8)

        thread = threading.Thread(target=talk)
        thread.start()
        try:
            yield client.getsockname()[1]
        finally:
            stop.set()
            thread.join()


def test_a_sudden_end_loses_three_seconds_at_the_most(tmp_path):
    moments = random.Random(7)
    lives, killed_ns, timers = [], {}, []

    def kill(live):
        killed_ns[live.pid] = time.time_ns()
        live.process.kill()

    with chatter() as port:
        for number in range(examples(4)):
            live = Live("-i", "lo", "--filter", f"udp port {port}", "-w", str(tmp_path / f"{number}.pcapng"))
            live.wait_for_line()
            lives.append((live, time.time_ns()))
            timers.append(threading.Timer(moments.uniform(0.1, 6), kill, [live]))
            timers[-1].start()
        for timer in timers:
            timer.join()

    written = 0
    for number, (live, listened_ns) in enumerate(lives):
        assert live.end()[0] == -signal.SIGKILL
        capture = read_capture((tmp_path / f"{number}.pcapng").read_bytes())
        sent_ns = [int.from_bytes(packet.captured[42:50], "big") for packet in capture.packets]
        due_ns = killed_ns[live.pid] - 3_000_000_000
        assert due_ns < listened_ns or max(s for s in sent_ns if s) >= due_ns
        written += len(sent_ns)
    assert written > 1000
