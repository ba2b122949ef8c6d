"""``portcall live`` as people run it: real processes talk on loopback, and the report says which."""

from __future__ import annotations

import ctypes
import json
import os
import platform
import queue
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from namespaces import ip, namespace
from portcall.system.kernel_calls import NUMBERS
from portcall.system.remedies import is_private_interpreter

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,  # half a minute together
    pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="live capture on Linux needs root"),
]
WORKLOAD = Path(os.environ.get("PORTCALL_ATTRIBUTION", Path(__file__).parents[2].parent / "shared" / "attribution"))
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
DEADLINE_S = 180
NOBODY = 65534
REQUEST, REPLY = 70_000, 30_000
SERVE = f"""
import socket
with socket.create_server(("127.0.0.1", 0)) as server:
    print(server.getsockname()[1], flush=True)
    with server.accept()[0] as connection:
        while connection.recv(65536):
            pass
        connection.sendall(bytes({REPLY}))
"""
CALL = f"""
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as connection:
    connection.sendall(bytes({REQUEST}))
    connection.shutdown(socket.SHUT_WR)
    while connection.recv(65536):
        pass
"""
ANSWER = """
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
    server.bind(("127.0.0.1", 0))
    print(server.getsockname()[1], flush=True)
    for _ in range(3):
        content, peer = server.recvfrom(2048)
        server.sendto(content * 2, peer)
"""
ASK = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
    for _ in range(3):
        client.sendto(bytes(100), ("127.0.0.1", int(sys.argv[1])))
        client.recv(2048)
"""
PRELOADED = """
import importlib, pkgutil, sys
import portcall
for module in pkgutil.walk_packages(portcall.__path__, "portcall."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
from portcall.cli import main
sys.exit(main(sys.argv[1:]))
"""
"""The command, with all its modules imported before it gives up rights: they may lie where only root can read."""
BPF_GET_NEXT_ID = {"prog": 11, "map": 12, "link": 31}  # linux/bpf.h: BPF_PROG_GET_NEXT_ID and so on


class Live:
    """A running ``portcall live``; lines of its stderr come with a deadline."""

    def __init__(self, *options, program=("-m", "portcall"), environment=(), prefix=()):
        self.process = subprocess.Popen(
            [*prefix, sys.executable, *program, "live", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**ENVIRONMENT, **dict(environment)},
            text=True,
        )
        self.sent: list[str] = []
        self._lines: queue.Queue[str] = queue.Queue()
        self._printed: list[str] = []
        self._readers = [threading.Thread(target=self._read_sent), threading.Thread(target=self._read_printed)]
        for reader in self._readers:
            reader.start()

    @property
    def pid(self):
        return self.process.pid

    def wait_for_line(self):
        """The next line of stderr: with the first one it listens."""
        line = self._lines.get(timeout=DEADLINE_S)
        assert line, "it ended: " + "".join(self.sent)
        return line

    def end(self, signal_number=None):
        """Exit status, stdout."""
        if signal_number is not None:
            self.process.send_signal(signal_number)
        status = self.process.wait(DEADLINE_S)
        for reader in self._readers:
            reader.join(DEADLINE_S)
        return status, "".join(self._printed)

    def rows(self, signal_number=signal.SIGINT):
        _, printed = self.end(signal_number)
        return [json.loads(line) for line in printed.splitlines()]

    def _read_sent(self):
        with self.process.stderr as stream:
            for line in stream:
                self.sent.append(line)
                self._lines.put(line)
        self._lines.put("")

    def _read_printed(self):
        with self.process.stdout as stream:
            self._printed.extend(stream)


@contextmanager
def live(*options, **how):
    running = Live(*options, **how)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.kill()
        running.end()


def flows(*options, **how):
    """A live command that prints flows of loopback, already listening."""
    return listening("-i", "lo", "--by", "flow", "--format", "jsonl", *options, **how)


@contextmanager
def listening(*options, **how):
    with live(*options, **how) as running:
        running.wait_for_line()
        yield running


def start(script, *arguments):
    return subprocess.Popen([sys.executable, "-c", script, *map(str, arguments)], stdout=subprocess.PIPE, text=True)


def converse(server_script, client_script):
    """(port, pid of the server, pid of the client) of a conversation that is over."""
    server = start(server_script)
    port = int(server.stdout.readline())
    client = start(client_script, port)
    assert client.wait(DEADLINE_S) == server.wait(DEADLINE_S) == 0
    server.stdout.close()
    client.stdout.close()
    return port, server.pid, client.pid


def of_port(rows, port):
    return [row for row in rows if port in (row["client_port"], row["server_port"])]


def wait_until(is_so, deadline_s=DEADLINE_S):
    """Whether it came to be so; asked again and again, without pause."""
    ends_s = time.monotonic() + deadline_s
    while not is_so():
        if time.monotonic() > ends_s:
            return False
    return True


def kernel_ids(kind):
    """Numbers of all programs, maps or links of the kernel."""
    libc, found, number = ctypes.CDLL(None, use_errno=True), set(), 0
    while True:
        attribute = ctypes.create_string_buffer(struct.pack("=III", number, 0, 0), 144)
        if libc.syscall(NUMBERS[platform.machine()]["bpf"], BPF_GET_NEXT_ID[kind], attribute, 144) < 0:
            return found
        number = struct.unpack_from("=I", attribute.raw, 4)[0]
        found.add(number)


def ids_held_by(pid):
    """(kind, number) of what the process holds open of the kernel's programs, maps and links."""
    held = set()
    for entry in Path(f"/proc/{pid}/fdinfo").iterdir():
        for line in entry.read_text().splitlines():
            name, _, number = line.partition(":")
            if name.removesuffix("_id") in BPF_GET_NEXT_ID and name.endswith("_id"):
                held.add((name.removesuffix("_id"), int(number)))
    return held


def still_there(ids):
    return {(kind, number) for kind in BPF_GET_NEXT_ID for number in kernel_ids(kind)} & ids


@pytest.mark.parametrize(
    ("server", "client", "protocol", "payload"),
    [(SERVE, CALL, "tcp", (REQUEST, REPLY)), (ANSWER, ASK, "udp", (300, 600))],
    ids=["tcp", "udp"],
)
def test_both_ends_of_a_conversation_are_named_with_their_payload(server, client, protocol, payload):
    with flows() as running:
        port, server_pid, client_pid = converse(server, client)
        (row,) = of_port(running.rows(), port)

    # Two ports of UDP that are both ephemeral do not tell which end serves.
    here, there = ("server", "client") if row["server_port"] == port else ("client", "server")
    assert (row["protocol"], row[f"{here}_pid"], row[f"{there}_pid"]) == (protocol, server_pid, client_pid)
    assert (row[f"payload_to_{here}"], row[f"payload_to_{there}"]) == payload


def test_by_process_has_a_row_for_each_of_them_with_its_direction():
    with listening("-i", "lo", "--by", "process", "--format", "jsonl") as running:
        _, server_pid, client_pid = converse(SERVE, CALL)
        rows = {row["pid"]: row for row in running.rows()}

    assert rows[client_pid]["bytes_out"] == rows[server_pid]["bytes_in"] > REQUEST
    assert rows[client_pid]["bytes_in"] == rows[server_pid]["bytes_out"] > REPLY


def test_a_command_is_followed_with_its_children_and_nobody_else():
    server = start(SERVE)
    port = int(server.stdout.readline())
    with socket.create_server(("127.0.0.1", 0)) as gate:  # the command's last child waits there
        gate_port = gate.getsockname()[1]
        command = (
            "sh",
            "-c",
            '"$0" -c "$1" "$2"; "$0" -c "$1" "$3"; :',
            sys.executable,
            CALL,
            str(port),
            str(gate_port),
        )
        with flows("--", *command) as running:
            server.communicate(timeout=DEADLINE_S)
            stranger_port, _, _ = converse(ANSWER, ASK)
            with gate.accept()[0] as connection:
                while connection.recv(65536):
                    pass
            status, printed = running.end()

    rows = {row["server_port"]: row for row in map(json.loads, printed.splitlines())}
    assert status == 0
    assert set(rows) == {port, gate_port} != {stranger_port}
    assert rows[port]["client_pid"] != rows[gate_port]["client_pid"]
    assert {row["server_pid"] for row in rows.values()} == {None}


def test_it_ends_with_the_command_and_prints_its_traffic():
    server = start(SERVE)
    port = int(server.stdout.readline())

    with live("-i", "lo", "--by", "flow", "--format", "jsonl", "--", sys.executable, "-c", CALL, str(port)) as running:
        status, printed = running.end()
    server.communicate(timeout=DEADLINE_S)

    (row,) = map(json.loads, printed.splitlines())
    assert (status, row["server_pid"], row["payload_to_server"]) == (0, None, REQUEST)


def test_what_a_command_sends_is_split_by_time():
    server = start(SERVE)
    port = int(server.stdout.readline())
    asked = ("-i", "lo", "--by", "process", "--bucket", "1ms", "--format", "json")

    with live(*asked, "--", sys.executable, "-c", CALL, str(port)) as running:
        _, printed = running.end()
    server.communicate(timeout=DEADLINE_S)

    report = json.loads(printed)
    rows = report["rows"]
    assert report["bucket_width_ns"] == 10**6
    assert [row["bucket_ns"] for row in rows] == sorted({row["first_ns"] // 10**6 * 10**6 for row in rows})
    assert sum(row["bytes_out"] + row["bytes_in"] for row in rows) == report["coverage"]["bytes"]


def test_only_the_ends_of_the_command_are_credited():
    server = start(SERVE)
    port = int(server.stdout.readline())

    with live(
        "-i", "lo", "--by", "process", "--format", "json", "--", sys.executable, "-c", CALL, str(port)
    ) as running:
        _, printed = running.end()
    server.communicate(timeout=DEADLINE_S)

    (row,) = json.loads(printed)["rows"]
    assert row["bytes_out"] > REQUEST
    assert json.loads(printed)["coverage"]["bytes_credited_twice"] == 0


@pytest.mark.parametrize(("command", "expected"), [("exit 7", 7), ("kill -TERM $$", 128 + signal.SIGTERM)])
def test_the_exit_status_of_the_command_is_passed_on(command, expected):
    with live("-i", "lo", "--format", "json", "--", "sh", "-c", command) as running:
        status, _ = running.end()

    assert status == expected


def test_a_command_that_does_not_exist_is_one_sentence():
    with live("-i", "lo", "--", "/does/not/exist") as running:
        status, printed = running.end()

    assert (status, printed) == (1, "")
    assert "".join(running.sent) == "portcall: /does/not/exist: No such file or directory\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_ending_signal_prints_the_totals_and_is_said_by_the_exit_status(number):
    with listening("-i", "lo", "--by", "process", "--format", "json") as running:
        _, _, client_pid = converse(SERVE, CALL)
        status, printed = running.end(number)

    assert status == 130
    assert client_pid in [row["pid"] for row in json.loads(printed)["rows"]]
    assert "Traceback" not in "".join(running.sent)


def test_an_interrupt_ends_it_where_a_script_started_it_in_the_background():
    with listening("-i", "lo", "--format", "json", prefix=["sh", "-c", 'trap "" INT; exec "$0" "$@"']) as running:
        status, printed = running.end(signal.SIGINT)

    assert status == 130
    assert json.loads(printed)["rows"] is not None


def test_a_duration_ends_it_by_itself():
    began_s = time.monotonic()

    with live("-i", "lo", "--duration", "0.5", "--format", "json") as running:
        status, printed = running.end()

    assert status == 0
    assert 0.5 <= time.monotonic() - began_s < DEADLINE_S
    assert json.loads(printed)["coverage"]["dropped_by_kernel"] == 0


@pytest.mark.skipif(not shutil.which("tcpdump"), reason="tcpdump is not installed")
def test_the_same_traffic_is_counted_as_in_a_capture_of_it(tmp_path):
    capture = tmp_path / "lo.pcap"
    tcpdump = subprocess.Popen(
        ["tcpdump", "-i", "lo", "--time-stamp-precision=nano", "-U", "-B", "65536", "-w", str(capture)],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert any("listening on" in line for line in iter(tcpdump.stderr.readline, ""))

    with flows() as running:
        ports = [converse(*scripts)[0] for scripts in ((SERVE, CALL), (ANSWER, ASK))]
        seen = running.rows()
    read = [sys.executable, "-m", "portcall", "read", str(capture), "--by", "flow", "--format", "jsonl"]

    def recorded():
        printed = subprocess.run(read, env=ENVIRONMENT, capture_output=True, text=True, check=False).stdout
        return [json.loads(line) for line in printed.splitlines()]

    try:
        for port in ports:
            (live_row,) = of_port(seen, port)
            assert wait_until(lambda port=port, row=live_row: _counts(of_port(recorded(), port)) == [_count(row)])
            (read_row,) = of_port(recorded(), port)
            slack_ns = 1_000_000 if live_row["protocol"] == "tcp" else 0
            for name in ("first_ns", "last_ns"):
                assert abs(live_row[name] - read_row[name]) <= slack_ns
    finally:
        tcpdump.terminate()
        tcpdump.communicate(timeout=DEADLINE_S)


def _counts(rows):
    return [_count(row) for row in rows]


def _count(row):
    return {name: row[name] for name in row if name.startswith(("packets_", "bytes_", "payload_", "tcp_flags_"))}


def test_nothing_of_it_stays_in_the_kernel_when_it_is_killed():
    with flows() as running:
        held = ids_held_by(running.pid)
        there = still_there(held)
        running.end(signal.SIGKILL)

    assert {kind for kind, _ in held} == {"prog", "map", "link"}
    assert there == held
    assert wait_until(lambda: not still_there(held))


@pytest.mark.skipif(not shutil.which("setpriv"), reason="setpriv is not installed")
def test_without_rights_it_says_in_one_sentence_what_to_do():
    reading = "-all,+dac_read_search"  # to reach the interpreter wherever it is
    nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]

    with live("-i", "lo", prefix=[*nobody, f"--inh-caps={reading}", f"--ambient-caps={reading}"]) as running:
        status, printed = running.end()

    sent = "".join(running.sent)
    assert (status, printed, sent.count("\n")) == (1, "", 1)
    assert sent.startswith("portcall: ")
    assert "sudo /" in sent  # its PATH is another one
    assert ("setcap" in sent) == is_private_interpreter()
    assert "portcall read" in sent


def test_it_becomes_the_user_who_called_sudo_before_it_sees_a_packet():
    sudo = {"SUDO_UID": str(NOBODY), "SUDO_GID": str(NOBODY), "SUDO_USER": "nobody"}

    with flows(program=("-c", PRELOADED), environment=sudo) as running:
        status = Path(f"/proc/{running.pid}/status").read_text()
        port, server_pid, client_pid = converse(SERVE, CALL)
        rows = of_port(running.rows(), port)

    known = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert [known[name].split() for name in ("Uid", "Gid")] == [[str(NOBODY)] * 4] * 2
    assert int(known["CapEff"], 16) == int(known["CapPrm"], 16) == 0
    assert [(row["client_pid"], row["server_pid"]) for row in rows] == [(client_pid, server_pid)]


@pytest.mark.skipif(not (WORKLOAD / "workload.py").exists(), reason="no workload: set PORTCALL_ATTRIBUTION")
@pytest.mark.skipif(not shutil.which("cc"), reason="the workload needs a C compiler")
def test_every_socket_end_of_the_workload_is_in_a_flow_with_its_owner_and_payload(tmp_path):
    truth, found = tmp_path / "truth.jsonl", tmp_path / "flows.jsonl"
    load = [sys.executable, str(WORKLOAD / "workload.py"), str(truth), "--scale", "0.3", "--auto"]

    with flows("-o", str(found)) as running:
        subprocess.run(load, stdout=subprocess.DEVNULL, check=True, timeout=60)
        running.wait_for_line()
        running.end(signal.SIGINT)
    score = subprocess.run(
        [sys.executable, str(WORKLOAD / "score.py"), str(truth), str(found)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert score.returncode == 0, score.stdout + "".join(running.sent[-3:])


def run_in(name, script, *arguments):
    command = ["ip", "netns", "exec", name, sys.executable, "-c", script, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_a_conversation_in_another_namespace_is_seen_with_its_owner():
    with (
        namespace("a") as name,
        listening("--netns", name, "-i", "lo", "--by", "flow", "--format", "jsonl") as running,
    ):
        port, pid = map(int, run_in(name, SELF).split())
        converse(ANSWER, ASK)
        rows = running.rows()

    (row,) = rows
    assert (row["server_port"], row["client_pid"], row["server_pid"]) == (port, pid, pid)
    assert (row["interface"], row["namespace"]) == ("lo", name)


def has_listener(name):
    """Whether a packet socket there takes all protocols (ETH_P_ALL)."""
    lines = run_in(name, "print(open('/proc/self/net/packet').read())").splitlines()
    return any(line.split()[3:4] == ["0003"] for line in lines)


def test_a_namespace_that_comes_later_is_listened_to_until_it_is_gone():
    sudo = {"SUDO_UID": str(NOBODY), "SUDO_GID": str(NOBODY), "SUDO_USER": "nobody"}

    with flows("--netns", "all", program=("-c", PRELOADED), environment=sudo) as running, namespace("other") as other:
        with namespace("later") as name:
            ip("-n", other, "link", "add", "wire0", "type", "veth", "peer", "name", "wire0", "netns", name)
            assert wait_until(lambda: has_listener(name))
            port, pid = map(int, run_in(name, SELF).split())
        show = ["ip", "-n", other, "link", "show", "wire0"]  # it goes with the namespace of its other end
        assert wait_until(lambda: subprocess.run(show, capture_output=True, check=False).returncode != 0)
        rows = [row for row in of_port(running.rows(), port) if pid in (row["client_pid"], row["server_pid"])]

    # Others may have the same port elsewhere: this process is told with its namespace, once.
    assert [(row["client_pid"], row["server_pid"], row["namespace"]) for row in rows] == [(pid, pid, name)]


def test_a_namespace_that_is_made_anew_by_its_name_is_listened_to_again():
    with (
        namespace("again") as name,
        listening("--netns", name, "-i", "lo", "--by", "flow", "--format", "json") as running,
    ):
        first, _ = map(int, run_in(name, SELF).split())
        ip("netns", "del", name)
        ip("netns", "add", name)
        ip("-n", name, "link", "set", "lo", "up")
        assert wait_until(lambda: has_listener(name))
        second, pid = map(int, run_in(name, SELF).split())
        _, printed = running.end(signal.SIGINT)

    report = json.loads(printed)
    rows = [row for row in report["rows"] if row["server_port"] in (first, second)]
    assert sorted(row["server_port"] for row in rows) == sorted((first, second))
    assert {row["namespace"] for row in rows} == {name}
    assert [(row["client_pid"], row["server_pid"]) for row in of_port(rows, second)] == [(pid, pid)]
    (told,) = [note["reason"] for note in report["degradations"] if note["feature"] == "network namespaces"]
    assert told.startswith(f"{name} was made anew, and counts again since ")


def test_nothing_but_the_end_is_heard_by_the_part_that_keeps_its_rights():
    with flows("--netns", "all") as running:
        children = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
        (keeper,) = [child for child in children if b"_helper" in Path(f"/proc/{child}/cmdline").read_bytes()]
        running.end(signal.SIGKILL)

        assert wait_until(lambda: not Path(f"/proc/{keeper}").exists())


def test_what_passes_a_bridge_and_its_ports_counts_once_and_it_is_said_where():
    with namespace("host") as host, namespace("guest") as guest:
        ip("-n", host, "link", "add", "br0", "type", "bridge")
        ip("-n", host, "link", "add", "port0", "type", "veth", "peer", "name", "eth0", "netns", guest)
        ip("-n", host, "link", "set", "port0", "master", "br0", "up")
        for name, interface, address in ((host, "br0", "10.77.1.1/24"), (guest, "eth0", "10.77.1.2/24")):
            ip("-n", name, "address", "add", address, "dev", interface)
            ip("-n", name, "link", "set", interface, "up")
        with listening("--netns", host, "-i", "any", "--by", "flow", "--format", "json") as running:
            server = subprocess.Popen(
                ["ip", "netns", "exec", guest, sys.executable, "-c", SERVE.replace("127.0.0.1", "10.77.1.2")],
                stdout=subprocess.PIPE,
                text=True,
            )
            port = server.stdout.readline().strip()
            run_in(host, CALL.replace("127.0.0.1", "10.77.1.2"), port)
            server.communicate(timeout=DEADLINE_S)
            report = json.loads(running.end(signal.SIGINT)[1])

    (row,) = of_port(report["rows"], int(port))
    assert (row["payload_to_server"], row["payload_to_client"]) == (REQUEST, REPLY)
    assert row["interface"] == "br0"
    assert row["client_process"].startswith("python")
    assert any("port0" in note["reason"] for note in report["degradations"])
    out, back = ("bytes_to_server", "bytes_to_client")
    assert sum(each[out] + each[back] for each in report["rows"]) == report["coverage"]["bytes"]


SELF = """
import os, socket
with socket.create_server(("127.0.0.1", 0)) as server:
    with socket.create_connection(server.getsockname()) as client, server.accept()[0] as connection:
        client.sendall(b"x")
        connection.recv(1)
        print(server.getsockname()[1], os.getpid())
"""
"""One process that talks to itself, and says where and who."""


def test_a_closed_terminal_loses_neither_the_report_on_stdout_nor_the_output_file(tmp_path):
    terminal, slave = os.openpty()
    output = tmp_path / "flows.jsonl"
    command = [sys.executable, "-m", "portcall", "live", "-i", "lo", "--by", "flow", "-o", str(output)]

    process = subprocess.Popen(["setsid", "--ctty", *command], env=ENVIRONMENT, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    os.read(terminal, 1)  # it draws, so it listens
    port, _, _ = converse(SERVE, CALL)
    os.close(terminal)

    assert process.wait(DEADLINE_S) == 130
    assert len(of_port([json.loads(line) for line in output.read_text().splitlines()], port)) == 1


def test_a_broken_stderr_loses_no_report_on_stdout():
    reader, writer = os.pipe()
    command = [sys.executable, "-m", "portcall", "live", "-i", "lo", "--format", "json", "--duration", "2"]

    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=writer)
    os.close(writer)
    os.read(reader, 1)
    os.close(reader)
    printed, _ = process.communicate(timeout=DEADLINE_S)

    assert process.returncode == 0
    assert json.loads(printed)["coverage"]["frames"] >= 0


def test_an_output_that_the_user_who_called_sudo_may_not_write_ends_it_at_once(tmp_path):
    sudo = {"SUDO_UID": str(NOBODY), "SUDO_GID": str(NOBODY), "SUDO_USER": "nobody"}
    tmp_path.chmod(0o700)

    with live("-i", "lo", "-o", str(tmp_path / "a.json"), program=("-c", PRELOADED), environment=sudo) as running:
        status, printed = running.end()

    assert (status, printed) == (1, "")
    assert "".join(running.sent) == f"portcall: -o {tmp_path}/a.json: cannot be written: permission denied\n"
