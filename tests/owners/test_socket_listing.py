"""Sockets that exist now: this process opens some, and finds them in the list."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import time
from contextlib import closing

import pytest

from portcall.errors import UsageError
from portcall.owners import psutil_listing
from portcall.owners.socket_listing import list_sockets
from portcall.records.sockets import STATES, Holding
from portcall.system.network_namespaces import Namespace

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")
needs_ipv6 = pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="needs IPv6")


def found(port, state, protocol="tcp", **options):
    """The only socket of this machine on that local port in that state."""
    (one,) = (
        one
        for one in list_sockets(**options).sockets
        if (one.local_port, one.state, one.protocol) == (port, state, protocol)
    )
    return one


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture
def both_ends(listener):
    """A client's socket and the accepted one."""
    with socket.create_connection(listener.getsockname()) as client, closing(listener.accept()[0]) as accepted:
        yield client, accepted


def test_a_listener_is_listed_with_the_process_that_holds_it(listener):
    one = found(listener.getsockname()[1], "LISTEN")

    assert (one.local_ip, one.remote_ip, one.holding) == ("127.0.0.1", None, Holding.PROCESS)
    assert [owner.pid for owner in one.holders] == [os.getpid()]


def test_a_holder_tells_its_parents_up_to_the_first_process(listener):
    (owner,) = found(listener.getsockname()[1], "LISTEN").holders

    assert owner.parents[0][0] == os.getppid()
    assert owner.parents[-1][0] == 1


def test_a_socket_of_several_processes_names_the_oldest_first(listener):
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[listener.fileno()])

    one = found(listener.getsockname()[1], "LISTEN")
    child.communicate()

    assert [owner.pid for owner in one.holders] == [os.getpid(), child.pid]


def test_a_connection_has_two_sockets_with_the_ends_the_other_way_round(both_ends):
    client, accepted = both_ends

    one = found(client.getsockname()[1], "ESTAB")

    assert (one.remote_ip, one.remote_port) == accepted.getsockname()


@linux_only
def test_the_kernel_counts_payload_bytes_both_ways(both_ends):
    client, accepted = both_ends
    client.sendall(b"question")
    accepted.recv(8)
    accepted.sendall(b"an answer")
    client.recv(9)

    one = found(client.getsockname()[1], "ESTAB")

    assert (one.figures.bytes_sent, one.figures.bytes_received) == (8, 9)
    assert one.figures.round_trip_ns > 0


@linux_only
def test_since_when_is_known_while_one_end_has_sent_nothing(listener):
    before_ns = time.time_ns()
    with socket.create_connection(listener.getsockname()) as client:
        after_ns = time.time_ns()
        client.sendall(b"x")
        one = found(client.getsockname()[1], "ESTAB")

    assert before_ns - 20_000_000 <= one.since_ns <= after_ns + 20_000_000  # the kernel counts in ticks of up to 10 ms


@linux_only
def test_since_when_is_not_guessed_once_both_ends_have_sent(both_ends):
    client, accepted = both_ends
    for sender, receiver in (both_ends, reversed(both_ends)):
        sender.sendall(b"x")
        receiver.recv(1)

    assert found(client.getsockname()[1], "ESTAB").since_ns is None
    assert found(client.getsockname()[1], "ESTAB").remote_port == accepted.getsockname()[1]


def test_a_datagram_socket_without_a_peer_is_unconnected_and_with_one_established():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.connect(server.getsockname())

            states = [found(one.getsockname()[1], state, "udp").state for one, state in (
                (server, "UNCONN"), (client, "ESTAB"))]  # fmt: skip

    assert states == ["UNCONN", "ESTAB"]


@linux_only
def test_udp_lite_is_listed_beside_udp():
    try:
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 136)
    except OSError as error:
        pytest.skip(f"no UDP-Lite here: {error}")
    with one:
        one.bind(("127.0.0.1", 0))

        listed = found(one.getsockname()[1], "UNCONN", "udplite")

    assert [owner.pid for owner in listed.holders] == [os.getpid()]


@linux_only
@needs_ipv6
@pytest.mark.parametrize("dual", [True, False])
def test_a_listener_at_any_ipv6_address_tells_whether_it_takes_ipv4_too(dual):
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=dual) as listener:
        one = found(listener.getsockname()[1], "LISTEN")

    assert (one.local_ip, one.takes_ipv4_too) == ("::", dual)


@linux_only
@needs_ipv6
def test_ipv4_through_an_ipv6_socket_is_plain_ipv4():
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)), closing(listener.accept()[0]):
            one = found(port, "ESTAB")

    assert (one.ip_version, one.local_ip, one.remote_ip) == (6, "127.0.0.1", "127.0.0.1")


@linux_only
def test_a_connection_that_was_not_accepted_yet_is_nobodys(listener):
    with socket.create_connection(listener.getsockname()):
        one = found(listener.getsockname()[1], "ESTAB")

    assert (one.holding, one.holders) == (Holding.NOBODY, ())


@linux_only
@pytest.mark.usefixtures("both_ends")
def test_only_listening_sockets_can_be_asked_for():
    assert {one.state for one in list_sockets(only_listening=True).sockets} <= {"LISTEN", "UNCONN"}


def test_every_state_that_is_listed_is_explained():
    assert {one.state for one in list_sockets().sockets} <= set(STATES)


def test_networks_name_the_interface_of_loopback():
    (networks,) = list_sockets().networks.values()

    assert any(str(one.address) == "127.0.0.1/8" for one in networks)


def test_a_namespace_that_does_not_exist_is_a_usage_error():
    with pytest.raises(UsageError):
        list_sockets(["no such namespace"])


@pytest.mark.usefixtures("both_ends")
def test_psutil_lists_the_same_sockets_of_this_process():
    def mine(listing):
        return {
            (one.protocol, one.state, one.local_ip, one.local_port, one.remote_ip, one.remote_port)
            for one in listing.sockets
            if os.getpid() in [owner.pid for owner in one.holders]
        }

    assert mine(psutil_listing.list_portably()) == mine(list_sockets()) != set()


def test_psutil_names_the_same_owner(listener):
    port = listener.getsockname()[1]
    (one,) = (one for one in psutil_listing.list_portably().sockets if one.local_port == port)
    (owner,) = found(port, "LISTEN").holders

    (other,) = one.holders
    assert (other.pid, other.user, other.program.cmdline, other.parents) == (
        owner.pid, owner.user, owner.program.cmdline, owner.parents
    )  # fmt: skip


@linux_only
def test_without_the_kernels_list_psutil_lists_and_a_note_says_what_is_missing(monkeypatch, listener):
    def refuse(*_):
        raise OSError(errno.EPROTONOSUPPORT, "Protocol not supported")

    monkeypatch.setattr("portcall.owners.kernel_sockets.SocketList", refuse)

    told = list_sockets()

    assert listener.getsockname()[1] in {one.local_port for one in told.sockets}
    assert "Protocol not supported" in told.degradations[-1].reason


@linux_only
def test_a_namespace_that_may_not_be_entered_is_said_with_one_remedy(monkeypatch):
    def refuse(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    other = Namespace(1, "blue", "/run/netns/blue")
    monkeypatch.setattr("portcall.system.network_namespaces._enter", refuse)
    monkeypatch.setattr("portcall.owners.socket_listing.choose_namespaces", lambda _: [other])

    note = list_sockets(["all"]).degradations[-1]

    assert note.reason == (
        "1 of 1 network namespaces cannot be looked into: "
        "cannot enter the network namespace 'blue': operation not permitted"
    )
    assert note.remedy


@linux_only
@pytest.mark.parametrize("words", [["explain", "PORT"], ["explain"], ["who", "PORT"], ["conns"], ["ports"]])
def test_a_command_looks_once_for_sockets_and_once_for_who_has_them(words, listener):
    port = str(listener.getsockname()[1])
    words = [port if word == "PORT" else word for word in words]

    looked = subprocess.run(
        [sys.executable, "-c", LOOKS, *words], capture_output=True, text=True, check=True
    ).stderr.splitlines()

    folders = [folder for folder in looked if folder.startswith("/proc/")]
    assert any(folder.startswith(f"/proc/{os.getpid()}/") for folder in folders)
    assert len(folders) == len(set(folders))
    assert looked.count("sock_diag") == 1


LOOKS = """
import socket, sys
SOCK_DIAG = 4

def say(event, arguments):
    if event == "os.scandir" and str(arguments[0]).endswith("/fd"):
        print(arguments[0], file=sys.stderr)
    if event == "socket.__new__" and arguments[1] == socket.AF_NETLINK and arguments[3] == SOCK_DIAG:
        print("sock_diag", file=sys.stderr)

sys.addaudithook(say)
from portcall import cli
cli.main(sys.argv[1:])
"""
