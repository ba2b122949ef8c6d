"""``portcall ports``, ``conns`` and ``who`` beside ``ss`` and ``lsof``: sockets in every reachable state. Root only.

Two network namespaces of its own with a cable between them; what one sends is dropped by a blackhole route when a state
needs a loss.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import socket
import struct
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from portcall.system.network_namespaces import find_namespace, inside

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="network namespaces need root on Linux"),
    pytest.mark.skipif(
        not shutil.which("ss") or not shutil.which("lsof"),
        reason="compares with ss and lsof: sudo apt install iproute2 lsof",
    ),
]
HERE, THERE, MANY = (f"portcall-{name}-{os.getpid()}" for name in ("here", "there", "many"))
NEAR, FAR, BLACKHOLE = "10.98.0.1", "10.98.0.2", "10.98.0.77"
NOBODY = 65534
DEADLINE_S = 180
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
REACHABLE_STATES = {
    "ESTAB", "SYN-SENT", "SYN-RECV", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "LAST-ACK", "CLOSING", "TIME-WAIT"
}  # fmt: skip
OTHER_USER = f"""
import ctypes, encodings.idna, os, socket, sys  # the second one before its file is out of reach
os.setgid({NOBODY}); os.setuid({NOBODY})
ctypes.CDLL(None).prctl(4, 1)  # PR_SET_DUMPABLE: its own user may look at it, as after a login
tcp = socket.create_server(("127.0.0.1", 0))
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("0.0.0.0", 0))
client = socket.create_connection(("{NEAR}", int(sys.argv[1])))
print(tcp.getsockname()[1], udp.getsockname()[1], flush=True)
sys.stdin.read()
"""
AS_NOBODY = f"""
import contextlib, io, os, sys
from portcall.cli import main
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    main(sys.argv[1:])
os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
sys.exit(main(sys.argv[1:]))
"""
"""The command without rights. It ran once before it gave them up: its modules may lie where only root can read."""


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True)


def portcall(*words, program=("-m", "portcall"), namespace=HERE):
    """(exit status, stdout, stderr) of the command run in the namespace."""
    command = ["ip", "netns", "exec", namespace, sys.executable, *program, *words]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def rows_of(*words, **how):
    _, printed, _ = portcall(*words, "--format", "jsonl", **how)
    return [json.loads(line) for line in printed.splitlines()]


def classic(*words):
    command = ["ip", "netns", "exec", HERE, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()


@dataclass
class Scene:
    """What is open in HERE."""

    tcp_port: int
    other_user_pid: int
    other_user_ports: tuple[int, int]


@pytest.fixture(scope="module")
def scene():
    with ExitStack() as stack:
        for name in (HERE, THERE):
            ip("netns", "add", name)
            stack.callback(ip, "netns", "del", name)
        ip("-n", HERE, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", THERE)
        for name, address in ((HERE, NEAR), (THERE, FAR)):
            ip("-n", name, "address", "add", f"{address}/24", "dev", "cable")
            ip("-n", name, "link", "set", "cable", "up")
            ip("-n", name, "link", "set", "lo", "up")
        ip("-n", HERE, "neighbour", "add", BLACKHOLE, "lladdr", "02:00:00:00:00:77", "dev", "cable")
        yield opened(stack)


def opened(stack):
    """Every kind of socket, held by this process until the stack ends, and some of another user."""

    def here(action):
        return inside(find_namespace(HERE), action)

    def listen(address, family=socket.AF_INET, where=HERE, **options):
        return stack.enter_context(
            inside(find_namespace(where), lambda: socket.create_server((address, 0), family=family, **options))
        )

    def connect(listener, address, where=HERE):
        end = (address, listener.getsockname()[1])
        client = stack.enter_context(inside(find_namespace(where), lambda: socket.create_connection(end)))
        return client, stack.enter_context(listener.accept()[0])

    any4, loopback4 = listen("0.0.0.0"), listen("127.0.0.1")
    loopback6, any6 = listen("::1", socket.AF_INET6), listen("::", socket.AF_INET6)
    dual = listen("::", socket.AF_INET6, dualstack_ipv6=True)
    listen(NEAR)
    far = listen(FAR, where=THERE)

    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        for bound in (address, "" if family == socket.AF_INET else "::"):
            server = stack.enter_context(here(lambda family=family: socket.socket(family, socket.SOCK_DGRAM)))
            server.bind((bound, 0))
            talker = stack.enter_context(here(lambda family=family: socket.socket(family, socket.SOCK_DGRAM)))
            talker.connect((address, server.getsockname()[1]))
    only_loopback = stack.enter_context(here(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)))
    only_loopback.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo\0")
    only_loopback.bind(("", 0))

    for listener, address in (
        (any4, "127.0.0.1"),
        (loopback6, "::1"),
        (any6, "::1"),
        (dual, "127.0.0.1"),
        (dual, "::1"),
    ):
        client, _ = connect(listener, address)
        client.sendall(b"x")
    connect(far, FAR)
    connect(any4, NEAR, where=THERE)

    closing = connect(far, FAR)
    one_sided = connect(loopback4, "127.0.0.1")  # FIN-WAIT-2 and CLOSE-WAIT
    one_sided[0].shutdown(socket.SHUT_WR)
    over = connect(loopback4, "127.0.0.1")  # TIME-WAIT
    for end in over:
        end.close()
    last = connect(far, FAR)  # LAST-ACK: the far end says its FIN before nothing passes any more
    last[1].shutdown(socket.SHUT_WR)
    assert last[0].recv(1) == b""
    waiting = connect(far, FAR)  # FIN-WAIT-1

    unanswered = stack.enter_context(here(lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM)))
    unanswered.settimeout(0)
    unanswered.connect_ex((BLACKHOLE, 80))
    send_syn(NEAR, any4.getsockname()[1])

    process = stack.enter_context(
        here(
            lambda: subprocess.Popen(
                [sys.executable, "-c", OTHER_USER, str(any4.getsockname()[1])],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )
        )
    )  # fmt: skip
    stack.callback(process.stdin.close)
    others = tuple(map(int, process.stdout.readline().split()))

    ip("-n", HERE, "route", "add", "blackhole", f"{FAR}/32")
    for end in (closing, last, waiting):
        end[0].shutdown(socket.SHUT_WR)
    closing[1].shutdown(socket.SHUT_WR)
    wait_for(REACHABLE_STATES)
    return Scene(any4.getsockname()[1], process.pid, others)


def send_syn(address, port):
    """A SYN from an address that never answers, so that the listener's half of the handshake stays open."""
    pseudo = socket.inet_aton(BLACKHOLE) + socket.inet_aton(address) + struct.pack("!BBH", 0, socket.IPPROTO_TCP, 20)

    def segment(checksum):
        return struct.pack("!HHIIBBHHH", 4000, port, 1, 0, 5 << 4, 0x02, 65535, checksum, 0)

    words = struct.unpack("!16H", pseudo + segment(0))
    total = sum(words)
    total = (total & 0xFFFF) + (total >> 16)
    checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    header = struct.pack(
        "!BBHHHBBH4s4s",
        0x45,
        0,
        40,
        1,
        0,
        64,
        socket.IPPROTO_TCP,
        0,
        socket.inet_aton(BLACKHOLE),
        socket.inet_aton(address),
    )
    with inside(
        find_namespace(THERE), lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    ) as raw:
        raw.sendto(header + segment(checksum), (address, 0))


def wait_for(states):
    deadline = time.monotonic() + DEADLINE_S
    while missing := states - {row["state"] for row in rows_of("conns")}:
        assert time.monotonic() < deadline, f"never reached: {missing}"


END = re.compile(r"(?P<address>\*|\[.*?\]|[\d.]+)(?:%(?P<interface>\w+))?:(?P<port>\d+|\*)")


def end_of(text):
    """(address, port, interface) as ss writes an end; its ``*`` is ``::`` that takes IPv4 too."""
    match = END.fullmatch(text)
    address = match["address"].strip("[]").removeprefix("::ffff:")
    return address, None if match["port"] == "*" else int(match["port"]), match["interface"]


def parsed(line):
    protocol, state, _, _, local, remote, *users = line.split()
    pids = frozenset(map(int, re.findall(r"pid=(\d+)", " ".join(users))))
    return protocol, state, end_of(local), end_of(remote)[:2], pids


def test_ports_lists_what_ss_lists_row_by_row(scene):
    def as_ss(row):
        is_dual = row["address"] == "::" and "IPv4 and IPv6" in row["exposed_to"]
        address = "*" if is_dual else row["address"]
        peer = address if address == "*" else "::" if ":" in address else "0.0.0.0"
        end = address, row["port"], row["interface"]
        return row["protocol"], row["state"], end, (peer, None), frozenset(row["pids"])

    told = Counter(map(as_ss, rows_of("ports")))

    assert told == Counter(map(parsed, classic("ss", "-H", "-tulpn")))
    assert {row[4] for row in told} == {frozenset({os.getpid()}), frozenset({scene.other_user_pid})}


@pytest.mark.usefixtures("scene")
def test_conns_lists_what_ss_lists_row_by_row():
    def as_ss(row):
        local = row["local_ip"], row["local_port"], row["interface"]
        return row["protocol"], row["state"], local, (row["remote_ip"], row["remote_port"]), frozenset(row["pids"])

    told = Counter(map(as_ss, rows_of("conns")))

    assert told == Counter(map(parsed, classic("ss", "-H", "-tunp", "state", "connected")))
    assert {row[1] for row in told} == REACHABLE_STATES


def test_who_lists_the_rows_of_lsof_with_that_local_port(scene):
    def as_lsof(row):
        local = row["local_ip"], row["local_port"]
        remote = (row["remote_ip"], row["remote_port"]) if row["remote_ip"] else None
        return [(pid, row["protocol"], local, remote) for pid in row["pids"]]

    told = [one for row in rows_of("who", str(scene.tcp_port)) if row["relation"] == "local" for one in as_lsof(row)]

    assert Counter(told) == Counter(one for one in lsof(scene.tcp_port) if one[2][1] == scene.tcp_port)
    assert len(told) == 3  # the listener, and what it accepted from here and from there


def lsof(port):
    """(pid, protocol, local, remote) of each socket that lsof has with that port, its wildcard as 0.0.0.0."""
    pid, protocol = 0, ""
    for field in classic("lsof", "-nP", "-i", f":{port}", "-FpPn"):
        kind, text = field[0], field[1:]
        if kind == "p":
            pid = int(text)
        elif kind == "P":
            protocol = text.lower()
        elif kind == "n":
            local, *remote = [end_of(end)[:2] for end in text.split("->")]
            address, number = local
            yield pid, protocol, ("0.0.0.0" if address == "*" else address, number), (remote or [None])[0]


def test_another_network_namespace_is_looked_into_by_name(scene):
    ports = {row["port"] for row in rows_of("ports", "--netns", HERE, namespace=THERE)}

    assert scene.tcp_port in ports


def test_every_network_namespace_is_looked_into_at_once(scene):
    rows = rows_of("ports", "--netns", "all", namespace=THERE)

    assert HERE in {row["namespace"] for row in rows if row["port"] == scene.tcp_port}


def test_a_half_open_handshake_is_nobodys_and_was_opened_by_the_other_end(scene):
    (row,) = rows_of("conns", "--state", "syn-recv")

    assert (row["holding"], row["direction"], row["opener_evidence"]) == ("nobody", "in", "state")
    assert (row["remote_ip"], row["local_port"]) == (BLACKHOLE, scene.tcp_port)


@pytest.mark.usefixtures("scene")
def test_a_socket_bound_to_loopback_by_interface_stays_on_this_machine():
    exposures = {row["exposed_to"] for row in rows_of("ports", "--where", "interface=lo")}

    assert exposures == {"this machine only"}


@pytest.mark.usefixtures("scene")
def test_an_address_tells_the_network_that_it_is_on():
    (row,) = rows_of("ports", "--where", f"address={NEAR}")

    assert (row["exposed_to"], row["outside"]) == ("one network: 10.98.0.0/24 on cable", "yes")


def test_the_other_users_name_is_told(scene):
    (row,) = rows_of("who", f"127.0.0.1:{scene.other_user_ports[0]}")

    assert (row["user"], row["pid"]) == ("nobody", scene.other_user_pid)


@pytest.mark.usefixtures("scene")
def test_without_root_sockets_of_others_are_counted_and_their_processes_hidden():
    status, printed, sent = portcall("ports", "--format", "jsonl", program=("-c", AS_NOBODY))

    holding = Counter(json.loads(line)["holding"] for line in printed.splitlines())
    assert (status, holding["process"]) == (0, 2)
    assert (
        f"{holding['hidden']} of {holding.total()} sockets belong to processes that this user may not look at" in sent
    )


def test_without_root_who_names_the_user_and_says_what_would_tell_more(scene):
    status, printed, sent = portcall("who", f"{scene.tcp_port}/tcp", program=("-c", AS_NOBODY))

    assert status == 0
    assert "(hidden), user root" in printed
    assert "run it as root" in sent  # who is not the command has no command line to tell


@pytest.mark.usefixtures("scene")
def test_without_root_a_process_that_is_not_found_may_be_hidden():
    status, _, sent = portcall("who", "no-such-program", program=("-c", AS_NOBODY))

    assert status == 1
    assert "run it as root" in sent  # who is not the command has no command line to tell


@pytest.mark.slow
@pytest.mark.usefixtures("scene")
@pytest.mark.parametrize("words", [("who", "1"), ("explain", "110"), ("explain", "192.0.2.1:5-192.0.2.2:443")])
def test_without_root_nothing_is_said_of_hidden_processes_that_have_nothing_to_do_with_the_question(words):
    _, _, sent = portcall(*words, program=("-c", AS_NOBODY))

    assert "processes of others" not in sent


def test_without_root_explain_says_that_the_process_behind_a_port_is_hidden(scene):
    _, _, sent = portcall("explain", f"{scene.tcp_port}", program=("-c", AS_NOBODY))

    assert "note: processes of others: " in sent


def test_ten_thousand_sockets_are_listed_in_seconds_of_processor_time():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 10_500:
        pytest.skip("needs 10 000 open files: ulimit -Hn")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with ExitStack() as stack:
        ip("netns", "add", MANY)
        stack.callback(ip, "netns", "del", MANY)
        ip("-n", MANY, "link", "set", "lo", "up")
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, before)
        inside(find_namespace(MANY), lambda: open_pairs(5000, stack))

        used_s = resource.getrusage(resource.RUSAGE_CHILDREN)
        _, printed, _ = portcall("conns", namespace=MANY)
        spent_s = resource.getrusage(resource.RUSAGE_CHILDREN)

    assert printed.startswith("10 000 conversations, 10 000 of them established")
    # Less than one where nobody else works (benchmarks/many_sockets.py); what takes time per pair takes far more.
    assert spent_s.ru_utime + spent_s.ru_stime - used_s.ru_utime - used_s.ru_stime < 3


def open_pairs(count, stack):
    """So many connections on loopback, both ends held until the stack ends."""
    listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=count))
    for _ in range(count):
        stack.enter_context(socket.create_connection(listener.getsockname()))
        stack.enter_context(listener.accept()[0])
