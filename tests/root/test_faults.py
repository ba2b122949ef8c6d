"""What becomes of a running ``live`` when something goes wrong around it: docs/faults.md has the whole table."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from namespaces import ip
from recorded_captures import read_capture
from root.test_live_command import (
    ANSWER,
    ASK,
    ENVIRONMENT,
    Live,
    converse,
    ids_held_by,
    of_port,
    still_there,
    wait_until,
)

pytestmark = [
    pytest.mark.root,
    pytest.mark.usefixtures("alone_on_loopback"),
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="live capture on Linux needs root"),
]
FLOWS = ("--by", "flow", "--format", "json")
CONTROL_GROUPS = Path("/sys/fs/cgroup/memory")
PIPE_BYTES = 1 << 20
SOCKETS = 60_000
"""More than 8 MiB of events tell of."""


@pytest.fixture
def wire():
    """An interface, of which this network has both ends."""
    ip("link", "add", "wire0", "type", "veth", "peer", "name", "wire1")
    for name in ("wire0", "wire1"):
        ip("link", "set", name, "up")
    assert carries()
    yield "wire0"
    subprocess.run(["ip", "link", "del", "wire0"], check=False, capture_output=True)  # a test may have done so


def carries():
    """Whether both ends came to let frames through, which the kernel sees to some time after they are up."""
    shown = ["ip", "-oneline", "link", "show", "type", "veth"]
    return wait_until(
        lambda: subprocess.run(shown, capture_output=True, text=True, check=True).stdout.count("state UP") == 2
    )


def send_frames(interface, count=5):
    """Frames with a type of the experimental kind, in at the interface's other end; gives how many."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind((interface.replace("0", "1"), 0))
        for _ in range(count):
            sender.send(b"\xff" * 6 + b"sender" + b"\x88\xb5" + bytes(46))
    return count


def listening(*options, **how):
    live = Live(*options, **how)
    live.wait_for_line()
    return live


def reasons(report):
    return [told["reason"] for told in report["degradations"]]


def packets_told(live, count):
    """Wait for a line that counts so many packets."""
    while not re.search(rf"\b{count} packets", live.wait_for_line()):
        pass


@pytest.mark.parametrize("source", ["ring", "scapy"])
def test_an_interface_that_is_deleted_is_said_and_what_it_brought_counts(wire, source):
    live = listening("-i", wire, "--source", source, "--filter", "ether proto 0x88b5", "--format", "json")
    sent = send_frames(wire)
    packets_told(live, sent)
    ip("link", "del", wire)
    while "note: interfaces: wire0 went" not in live.wait_for_line():
        pass
    status, printed = live.end(signal.SIGINT)

    report = json.loads(printed)
    assert (status, report["coverage"]["frames"]) == (130, sent)
    assert any(reason.startswith("wire0 went") for reason in reasons(report))
    assert "Traceback" not in "".join(live.sent)


@pytest.mark.parametrize("source", ["ring", "scapy"])
def test_an_interface_that_is_down_for_a_moment_counts_again(wire, source):
    live = listening("-i", wire, "--source", source, "--filter", "ether proto 0x88b5", "--format", "json")
    sent = send_frames(wire)
    packets_told(live, sent)
    ip("link", "set", wire, "down")
    ip("link", "set", wire, "up")
    assert carries()
    sent += send_frames(wire)
    packets_told(live, sent)
    status, printed = live.end(signal.SIGINT)

    assert (status, json.loads(printed)["coverage"]["frames"]) == (130, sent)


def test_where_the_kernel_refuses_programs_the_next_back_end_tells_owners():
    less = "-bpf,-perfmon,-sys_admin"
    live = listening("-i", "lo", *FLOWS, prefix=["setpriv", f"--bounding-set={less}", f"--inh-caps={less}"])
    port, _, _ = converse(ANSWER, ASK)
    status, printed = live.end(signal.SIGINT)

    report = json.loads(printed)
    assert (status, len(of_port(report["rows"], port))) == (130, 1)
    assert report["source"].endswith(("netlink)", "psutil)"))
    (why,) = [reason for reason in reasons(report) if reason.startswith("no ebpf: ")]
    assert "not permitted" in why.lower()


def test_events_of_sockets_that_came_while_it_stood_still_and_had_no_room_are_counted():
    """8 MiB of events; as many packets are counted as passed."""
    live = listening("-i", "lo", "--filter", "udp", "--ring-size", "64MiB", "--format", "json")
    live.process.send_signal(signal.SIGSTOP)
    send_from_new_sockets(SOCKETS)
    live.process.send_signal(signal.SIGCONT)
    status, printed = live.end(signal.SIGINT)

    report = json.loads(printed)
    assert (status, report["coverage"]["frames"] + report["coverage"]["dropped_by_kernel"]) == (130, SOCKETS)
    assert any("reports were lost: some ends have no owner" in reason for reason in reasons(report))


def send_from_new_sockets(count):
    """A datagram from each; gives how many."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        for _ in range(count):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.sendto(b"x", receiver.getsockname())
    return count


@contextmanager
def little_memory(name, most_bytes):
    group = CONTROL_GROUPS / f"portcall-{os.getpid()}-{name}"
    group.mkdir()
    try:
        (group / "memory.limit_in_bytes").write_text(str(most_bytes))
        yield group
    finally:
        group.rmdir()


@pytest.mark.skipif(not (CONTROL_GROUPS / "memory.limit_in_bytes").exists(), reason="needs the memory control group")
def test_what_the_kernel_kills_for_want_of_memory_leaves_nothing_behind():
    """That it was killed is the shell's to say: 'Killed'."""
    with little_memory("killed", 1 << 30) as group:
        enter = ["sh", "-c", f'echo $$ > {group}/cgroup.procs; exec "$@"', "sh"]
        live = listening("-i", "lo", "--format", "json", prefix=enter)
        held = ids_held_by(live.pid)
        helpers = Path(f"/proc/{live.pid}/task/{live.pid}/children").read_text().split()
        used_bytes = int((group / "memory.usage_in_bytes").read_text())
        (group / "memory.limit_in_bytes").write_text(str(used_bytes + (2 << 20)))
        assert wait_until(lambda: send_from_new_sockets(500) and live.process.poll() is not None)
        status, printed = live.end()
        assert wait_until(lambda: not [pid for pid in helpers if is_running(pid)])
        assert wait_until(lambda: not (group / "cgroup.procs").read_text())

    assert (status, printed) == (-signal.SIGKILL, "")
    assert {kind for kind, _ in held} == {"prog", "map", "link"}
    assert wait_until(lambda: not still_there(held))


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@contextmanager
def endless_chatter():
    """A process that sends datagrams of 1 kB to itself as fast as it may."""
    script = (
        "import socket\n"
        "one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "one.bind(('127.0.0.1', 0))\n"
        "while True:\n"
        "    one.sendto(bytes(1000), one.getsockname())\n"
        "    one.recv(2000)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script]) as chatter:
        try:
            yield chatter
        finally:
            chatter.kill()


@contextmanager
def recording_to_a_pipe(tmp_path):
    """``live -w -`` and the end of its pipe, while datagrams pass; its report goes to a file."""
    words = ["live", "-i", "lo", "-w", "-", "-o", str(tmp_path / "report.json")]
    with (
        endless_chatter(),
        subprocess.Popen(
            [sys.executable, "-m", "portcall", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT
        ) as live,
    ):
        try:
            yield live
        finally:
            live.kill()


def test_a_reader_that_goes_ends_a_recording_and_the_report_is_written(tmp_path):
    with recording_to_a_pipe(tmp_path) as live:
        live.stdout.read(PIPE_BYTES)
        live.stdout.close()
        live.stderr.read()
        status = live.wait(60)

    report = json.loads((tmp_path / "report.json").read_text())
    (reason,) = [reason for reason in reasons(report) if "stdout takes no more: broken pipe; " in reason]
    written, lost = (
        int(words.split()[-1]) for words in (reason.partition(" packets")[0], reason.partition(" that")[0])
    )
    assert (status, written + lost) == (141, report["coverage"]["frames"])


def test_a_reader_that_stands_still_is_waited_for_no_longer_than_the_end(tmp_path):
    with recording_to_a_pipe(tmp_path) as live:
        live.stdout.read(PIPE_BYTES)
        assert wait_until(lambda: waits_for_its_reader(live.pid))
        live.send_signal(signal.SIGINT)
        live.stderr.read()
        status = live.wait(60)

    report = json.loads((tmp_path / "report.json").read_text())
    (told,) = [told for told in report["degradations"] if told["feature"] == "recording"]
    assert status == 3
    assert "stdout takes no more: nobody reads it; " in told["reason"]
    assert told["remedy"] == "read on to its end, or record to a file"


def test_a_reader_that_stands_still_is_told_of_while_it_does_and_in_the_report(tmp_path):
    with recording_to_a_pipe(tmp_path) as live:
        live.stdout.read(PIPE_BYTES)
        said = next(line for line in live.stderr if b"nobody reads" in line)
        draining = Thread(target=live.stdout.read)
        draining.start()
        assert wait_until(lambda: not waits_for_its_reader(live.pid))
        live.send_signal(signal.SIGINT)
        live.stderr.read()
        draining.join()
        status = live.wait(60)

    report = json.loads((tmp_path / "report.json").read_text())
    (told,) = [told for told in report["degradations"] if told["feature"] == "recording"]
    assert status == 130
    assert said.startswith(b"portcall: nobody reads stdout: nothing is counted until somebody does")
    assert told["reason"].startswith("nobody read stdout for ")


def waits_for_its_reader(pid):
    """Whether it is in poll(2), and of one file alone."""
    words = Path(f"/proc/{pid}/syscall").read_text().split()
    return words[0] == "7" and int(words[2], 16) == 1


def test_a_home_that_is_read_only_is_said_before_anything_is_counted(tmp_path):
    mounted = f'mount -t tmpfs -o mode=700 none {tmp_path} && mount -o remount,ro {tmp_path} && exec "$@"'
    live = Live(
        "-i", "lo", "--history", "--duration", "60",
        prefix=["unshare", "-m", "sh", "-c", mounted, "sh"],
        environment={"XDG_STATE_HOME": str(tmp_path)},
    )  # fmt: skip
    status, printed = live.end()

    assert (status, printed, len(live.sent)) == (1, "", 1)
    assert live.sent[0].startswith(f"portcall: {tmp_path}/portcall/history.sqlite: ")
    assert "read-only file system" in live.sent[0]


@pytest.mark.parametrize("words", [["live", "-i", "lo"], ["ports"], ["conns"], ["who", "22"], ["explain", "443"]])
def test_without_proc_what_needs_it_says_so_in_one_line(words):
    hidden = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh"]
    ran = subprocess.run(
        [*hidden, sys.executable, "-m", "portcall", *words],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == (
        "portcall: /proc/self/ns/net: no such file or directory; sockets and processes are only found in /proc: "
        "mount -t proc proc /proc. 'portcall read' needs none\n"
    )


def test_without_proc_captures_are_read():
    capture = Path(__file__).parents[2] / "captures" / "dns.pcap"
    hidden = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh"]
    ran = subprocess.run(
        [*hidden, sys.executable, "-m", "portcall", "read", capture, "--format", "json"],
        env=ENVIRONMENT, capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert json.loads(ran.stdout)["coverage"]["frames"] == 59


@contextmanager
def small_disk(folder, size="64k"):
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("name", ["%s.json", "rows.jsonl"])
def test_intervals_that_a_full_disk_does_not_take_are_printed_and_the_next_finds_room_again(tmp_path, name):
    with small_disk(tmp_path / "disk") as disk:
        live = listening("-i", "lo", "--every", "1", "--by", "flow", "-o", str(disk / name))
        filler = disk / "full"
        filler.write_bytes(b"")
        fill(filler)
        first = converse(ANSWER, ASK)[0]
        while "no space left on device; so its rows are on stdout instead" not in live.wait_for_line():
            pass
        filler.unlink()
        second = converse(ANSWER, ASK)[0]
        status, printed = live.end(signal.SIGTERM)
        left = [path for path in disk.iterdir() if path.stat().st_size]
        kept = "".join(path.read_text() for path in left)

    assert status == 1
    assert f'_port":{first}' in printed.replace(" ", "")
    assert f'_port":{second}' in kept.replace(" ", "")
    assert [path.name for path in left if path.name.startswith(".")] == []


def fill(path):
    with path.open("ab", buffering=0) as stream:
        while True:
            try:
                stream.write(bytes(4096))
            except OSError:
                return


def test_a_history_whose_disk_is_full_says_so_at_once_and_the_report_comes(tmp_path):
    with small_disk(tmp_path / "disk", "300k") as disk:
        live = listening("-i", "lo", "--history", str(disk / "h.sqlite"), *FLOWS)
        fill(disk / "full")
        port, _, _ = converse(ANSWER, ASK)
        status, printed = live.end(signal.SIGTERM)
        (disk / "full").unlink()
        asked = subprocess.run(
            [sys.executable, "-m", "portcall", "history", str(disk / "h.sqlite"), "--format", "json"],
            env=ENVIRONMENT, capture_output=True, text=True, check=True,
        )  # fmt: skip

    assert len(of_port(json.loads(printed)["rows"], port)) == 1
    assert any("database or disk is full" in line for line in live.sent)
    assert status == 1
    assert json.loads(asked.stdout)["rows"] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_however_it_ends_it_leaves_no_program_socket_process_or_file(tmp_path, number):
    before = sockets_of_packets()
    live = listening("-i", "lo", "--owners", "ebpf", "-w", str(tmp_path / "taken.pcapng"), "--format", "json")
    held = ids_held_by(live.pid)
    children = Path(f"/proc/{live.pid}/task/{live.pid}/children").read_text().split()
    during = sockets_of_packets()
    live.end(number)

    assert during > before
    assert wait_until(lambda: sockets_of_packets() == before)
    assert wait_until(lambda: not still_there(held))
    assert wait_until(lambda: not [pid for pid in children if is_running(pid)])
    assert [path.name for path in tmp_path.iterdir()] == ["taken.pcapng"]
    read_capture((tmp_path / "taken.pcapng").read_bytes())


def sockets_of_packets():
    """How many packet sockets there are in this network; each has a line."""
    return len(Path("/proc/thread-self/net/packet").read_text().splitlines())
