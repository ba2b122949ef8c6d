"""Back ends on this kernel: real sockets on loopback, real processes. Root only."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
import pytest

from odd_processes import KINDS, odd_server
from portcall.owners import open_here, open_owners
from portcall.owners.ebpf import EbpfOwners, syscalls
from portcall.owners.ebpf.assembler import R0, R1, Assembler
from portcall.owners.ebpf.syscalls import AttachPoint, BpfError, ProgramKind
from portcall.owners.processes import user_name
from portcall.ownership.socket_timeline import SocketTimeline
from portcall.records.ownership import ECHO_ASKED
from portcall.records.sightings import FLOW_END
from portcall.system import kernel_calls

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="back ends of Linux need root"),
]

LEAN = {
    "net_dev_queue",
    *("sock_send_length", "sock_recv_length", "sched_process_exec", "sched_process_fork", "sched_process_exit"),
    *("sock_create", "post_bind4", "post_bind6", "sockops", "skb_egress", "skb_ingress", "sock_release"),
}
CLIENT = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as s:
    print(s.getsockname()[1], flush=True)
    s.sendall(b"x")
    s.recv(1)
"""


@pytest.fixture(params=["ebpf", "ebpf-cgroup", "ebpf-tracing"])
def owners(request):
    owners = open_owners(request.param)
    yield owners
    owners.close()


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def whose(owners, local, remote, protocol=socket.IPPROTO_TCP, since_ns=0):
    timeline = SocketTimeline(owners.name, user_name)
    end = np.zeros(1, FLOW_END)
    end["protocol"], end["ip_version"] = protocol, 4
    for name, (address, port) in (("local", local), ("remote", remote)):
        end[name][0, 12:] = list(socket.inet_aton(address))
        end[f"{name}_port"] = port
    end["first_ns"], end["last_ns"] = since_ns or time.time_ns(), time.time_ns()
    timeline.update(owners.drain(end))
    return timeline.find(end)[0]


def test_the_thirteen_lean_programs_run():
    owners = EbpfOwners()
    programs = set(owners.programs)
    owners.close()

    assert programs == LEAN


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["ebpf", "ebpf-cgroup", "ebpf-tracing", "netlink", "psutil"])
def test_a_process_is_known_whichever_of_its_threads_has_the_socket(name, kind):
    with (
        odd_server(kind) as (pid, port),
        closing(open_here(name)) as owners,
        socket.create_connection(("127.0.0.1", port)) as client,
    ):
        client.sendall(b"x")
        client.recv(1)

        match = whose(owners, ("127.0.0.1", port), client.getsockname())

    assert (match.owner and match.owner.pid) == pid


PING = """
import socket, struct, sys, time
with socket.socket(socket.AF_INET, socket.SOCK_RAW, 1) as s:
    print("open", flush=True)
    sys.stdin.readline()
    s.sendto(bytes((8, 0, 0xf7, 0xff - 7, 0, 7, 0, 0)), ("127.0.0.1", 0))
    print("sent", flush=True)
    sys.stdin.readline()
"""


@pytest.mark.parametrize("is_older", [True, False])
@pytest.mark.parametrize("name", ["ebpf", "ebpf-cgroup", "ebpf-tracing", "netlink", "psutil"])
def test_a_raw_socket_that_pings_is_known_older_or_younger_than_the_back_end(name, is_older):
    with ExitStack() as stack:
        owners = None if is_older else stack.enter_context(closing(open_here(name)))
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        pinger = stack.enter_context(subprocess.Popen([sys.executable, "-c", PING], **pipes))
        pinger.stdout.readline()
        owners = owners or stack.enter_context(closing(open_here(name)))
        pinger.stdin.write("\n")
        pinger.stdin.flush()
        pinger.stdout.readline()

        match = whose(owners, ("127.0.0.1", 7), ("127.0.0.1", ECHO_ASKED), socket.IPPROTO_ICMP)
        pinger.communicate()

    assert (match.owner and match.owner.pid) == pinger.pid


def test_a_process_that_has_ended_is_named_with_its_command_line(owners, listener):
    port = listener.getsockname()[1]

    client = subprocess.Popen([sys.executable, "-c", CLIENT, str(port)], stdout=subprocess.PIPE, text=True)
    connection, peer = listener.accept()
    with connection:
        connection.sendall(connection.recv(1))
    client.communicate()
    match = whose(owners, peer, ("127.0.0.1", port))

    assert match.owner.pid == client.pid
    assert match.owner.program.cmdline[-1] == str(port)
    assert match.owner.parents[0][0] == os.getpid()


def test_what_an_interpreter_runs_is_known_however_much_stands_before_it(owners, listener, tmp_path):
    port = listener.getsockname()[1]
    script = tmp_path / "client.py"
    script.write_text(CLIENT)

    options = ["-W", "ignore:" + "x" * 1000]  # more than the kernel's report of a program has room for
    client = subprocess.Popen([sys.executable, *options, script, str(port)], stdout=subprocess.PIPE, text=True)
    connection, peer = listener.accept()
    with connection:
        match = whose(owners, peer, ("127.0.0.1", port))
        connection.sendall(connection.recv(1))
    client.communicate()

    assert match.owner.program.script == "client.py"


def test_an_accepted_connection_is_the_acceptors(owners, listener):
    with socket.create_connection(listener.getsockname()) as client:
        connection, peer = listener.accept()
        client.sendall(b"x")
        connection.recv(1)

        match = whose(owners, connection.getsockname(), peer)
        connection.close()

    assert match.owner.pid == os.getpid()


def test_a_datagram_socket_without_connection_is_its_users(owners):
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        server.bind(("127.0.0.1", 0))
        client.sendto(b"x", server.getsockname())
        _, (_, port) = server.recvfrom(1)

        match = whose(owners, ("127.0.0.1", port), server.getsockname(), socket.IPPROTO_UDP)

    assert match.owner.pid == os.getpid()


def test_sockets_that_are_older_than_the_programs_are_known():
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        owners = open_owners("ebpf")
        match = whose(owners, client.getsockname(), listener.getsockname())
        owners.close()

    assert (match.owner.pid, match.quality.value) == (os.getpid(), "exact")


def test_an_answer_of_the_kernel_is_the_kernels():
    owners = open_owners("ebpf")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(b"x", ("127.0.0.1", 9))  # nobody is there, so the kernel says so by ICMP
    match = whose(owners, ("127.0.0.1", 0), ("127.0.0.1", 0), socket.IPPROTO_ICMP)
    owners.close()

    assert match.reason == "kernel"


def test_events_go_on_after_the_rights_are_given_up(listener):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:  # rights do not come back, so another process gives them up
        owners = open_owners("ebpf")
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        with socket.create_connection(listener.getsockname()) as client:
            client.sendall(b"x")
            match = whose(owners, client.getsockname(), listener.getsockname())
        os.write(writing, str(match.owner and match.owner.pid).encode())
        os._exit(0)
    connection, _ = listener.accept()
    os.close(writing)
    told = os.read(reading, 100)
    os.waitpid(child, 0)
    os.close(reading)
    connection.close()

    assert told == str(child).encode()


def test_nothing_stays_in_the_kernel_after_a_kill():
    program = "from portcall.owners import open_owners; open_owners('ebpf'); print('open', flush=True); input()"
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ}
    )
    process.stdout.readline()
    during = programs_of(process.pid)

    process.send_signal(signal.SIGKILL)
    process.communicate()

    assert len(during) == 13
    assert wait_until_gone(during)


def test_a_refused_program_brings_the_verifiers_words():
    unreadable = Assembler().load(8, R0, R1, 4096).exit(0).build()

    with pytest.raises(BpfError, match="invalid bpf_context access"):
        syscalls.load_program(
            ProgramKind.CGROUP_SOCK, unreadable, name="bad", attach_point=AttachPoint.CGROUP_INET_SOCK_CREATE
        )


def programs_of(pid):
    """Numbers of the programs that a process holds."""
    numbers = set()
    for info in Path(f"/proc/{pid}/fdinfo").iterdir():
        numbers |= {int(line.split()[1]) for line in info.read_text().splitlines() if line.startswith("prog_id:")}
    return numbers


def wait_until_gone(numbers):
    """Whether the kernel has freed these programs within two seconds: it does so after a grace period of its own."""
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        if not numbers & existing_programs():
            return True
    return False


def existing_programs():
    found, number = set(), 0
    while True:
        try:
            number = next_program(number)
        except BpfError:
            return found
        found.add(number)


def next_program(number):
    """BPF_PROG_GET_NEXT_ID, 11: the kernel writes the answer behind the question."""
    import ctypes
    import struct

    attribute = ctypes.create_string_buffer(struct.pack("=III", number, 0, 0), 144)
    libc = ctypes.CDLL(None, use_errno=True)
    machine_number = kernel_calls.NUMBERS[os.uname().machine]["bpf"]
    if libc.syscall(ctypes.c_long(machine_number), ctypes.c_long(11), attribute, ctypes.c_ulong(144)) < 0:
        raise BpfError(ctypes.get_errno(), "no more")
    return struct.unpack_from("=I", attribute, 4)[0]
