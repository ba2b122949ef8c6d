"""``portcall check`` where firewalls and routes say no: asker ─ router ─ host, three namespaces of the test's own.

nft rules at the host and on the router refuse in every way that they know; ``nc -zv`` is asked the same where it can
tell. What one run learnt of all ports is looked at by many tests.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack

import pytest

PROGRAMS = {"ip": "iproute2", "nft": "nftables", "nc": "netcat-openbsd"}
MISSING = [package for program, package in PROGRAMS.items() if not shutil.which(program)]
pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,  # a quarter of a minute together
    pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="network namespaces need root"),
    pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}: sudo apt install {' '.join(MISSING)}"),
]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
ASKER, ROUTER, HOST = (f"portcall-check-{os.getpid()}-{name}" for name in ("asker", "router", "host"))
ADDRESS = {4: "10.91.2.2", 6: "fd91:2::2"}
AT_ROUTER = {4: "10.91.1.1", 6: "fd91:1::1"}
TIMEOUT_S = 1
OPEN, DROPPED = 8000, 8001
SETUP = f"""
-n {ASKER} link add up0 type veth peer name down0 netns {ROUTER}
-n {HOST} link add up0 type veth peer name down1 netns {ROUTER}
-n {ASKER} addr add 10.91.1.2/24 dev up0
-n {ASKER} addr add fd91:1::2/64 dev up0 nodad
-n {ROUTER} addr add 10.91.1.1/24 dev down0
-n {ROUTER} addr add fd91:1::1/64 dev down0 nodad
-n {ROUTER} addr add 10.91.2.1/24 dev down1
-n {ROUTER} addr add fd91:2::1/64 dev down1 nodad
-n {HOST} addr add 10.91.2.2/24 dev up0
-n {HOST} addr add fd91:2::2/64 dev up0 nodad
-n {ASKER} link set lo up
-n {HOST} link set lo up
-n {ASKER} link set up0 up
-n {ROUTER} link set down0 up
-n {ROUTER} link set down1 up
-n {HOST} link set up0 up
-n {ASKER} route add default via 10.91.1.1
-n {ASKER} route add default via fd91:1::1
-n {HOST} route add default via 10.91.2.1
-n {HOST} route add default via fd91:2::1
-n {ROUTER} route add unreachable 10.91.3.0/24
-n {ROUTER} route add unreachable fd91:3::/64
-n {ROUTER} route add prohibit 10.91.4.0/24
-n {ROUTER} route add prohibit fd91:4::/64
-n {ROUTER} route add blackhole 10.91.5.0/24
-n {ASKER} route add unreachable 10.92.1.0/24
-n {ASKER} route add prohibit 10.92.2.0/24
-n {ASKER} route add blackhole 10.92.3.0/24
-n {ASKER} route add unreachable fd92:1::/64
-n {ASKER} route add prohibit fd92:2::/64
-n {ASKER} route add blackhole fd92:3::/64
"""
SYSCTL = [  # set in each namespace before it has interfaces, which take the defaults over
    "net.ipv6.conf.default.accept_dad=0",
    "net.ipv4.ip_forward=1",
    "net.ipv6.conf.all.forwarding=1",
    "net.ipv4.icmp_ratelimit=0",
    "net.ipv6.icmp.ratelimit=0",
]
QUICK_NEIGHBOURS = [
    f"net.{ip}.neigh.up0.{name}" for ip in ("ipv4", "ipv6") for name in ("retrans_time_ms=100", "mcast_solicit=2")
]
AT_HOST = """
table inet refusals {
    chain input {
        type filter hook input priority 0
        meta l4proto { tcp, udp } th dport 8001 drop
        meta l4proto { tcp, udp } th dport 8002 reject
        tcp dport 8003 reject with tcp reset
        meta nfproto ipv4 meta l4proto { tcp, udp } th dport 8004 reject with icmp type host-prohibited
        meta nfproto ipv6 meta l4proto { tcp, udp } th dport 8004 reject with icmpv6 type addr-unreachable
        meta l4proto { tcp, udp } th dport 8005 reject with icmpx type admin-prohibited
        meta l4proto { tcp, udp } th dport 8006 reject with icmpx type no-route
    }
}
"""
ON_ROUTER = """
table inet refusals {
    chain forward {
        type filter hook forward priority 0
        meta l4proto { tcp, udp } th dport 8007 reject with icmpx type admin-prohibited
        meta l4proto { tcp, udp } th dport 8008 reject
        meta l4proto { tcp, udp } th dport 8009 drop
    }
}
"""
AT_ASKER = """
table inet refusals {
    chain output {
        type filter hook output priority 0
        meta l4proto { tcp, udp } th dport 8010 drop
        meta l4proto { tcp, udp } th dport 8011 reject with icmpx type admin-prohibited
    }
}
"""
PORTS = range(8000, 8013)
UDP_ANSWERS = 8012
LISTEN = f"""
import selectors, socket
watched = selectors.DefaultSelector()
for family, any_address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
    for port in {[*PORTS[:-2]]}:
        kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM) if port != 8011 else ()
        for kind in kinds:
            listener = socket.socket(family, kind)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind((any_address, port))
            if kind == socket.SOCK_STREAM:
                listener.listen(64)
            globals()[f"kept_{{family}}_{{kind}}_{{port}}"] = listener
    server = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    server.bind((any_address, {UDP_ANSWERS}))
    watched.register(server, selectors.EVENT_READ)
print("ready", flush=True)
while True:
    for key, _ in watched.select():
        data, asker = key.fileobj.recvfrom(2048)
        key.fileobj.sendto(b"here", asker)
"""


def inside(namespace: str, *command: str) -> list[str]:
    return ["ip", "netns", "exec", namespace, *command]


def run(command: list[str], text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, input=text, env=ENVIRONMENT, capture_output=True, text=True, check=False)


def check(*arguments: object) -> list[dict]:
    shown = run(inside(ASKER, sys.executable, "-m", "portcall", "check", *map(str, arguments), "--format", "json"))
    assert shown.returncode in (0, 1), shown.stderr
    return json.loads(shown.stdout)["rows"]


@pytest.fixture(scope="module")
def network():
    """The three namespaces, with rules, and listeners on every port of the host but one."""
    with ExitStack() as stack:
        for namespace in (ASKER, ROUTER, HOST):
            assert run(["ip", "netns", "add", namespace]).stderr == ""
            stack.callback(run, ["ip", "netns", "delete", namespace])
            assert run(inside(namespace, "sysctl", "-q", *SYSCTL)).stderr == ""
        for line in SETUP.strip().splitlines():
            made = run(["ip", *line.split()])
            assert made.returncode == 0, f"{line}: {made.stderr}"
        assert run(inside(ASKER, "sysctl", "-q", *QUICK_NEIGHBOURS)).stderr == ""
        for namespace, rules in ((HOST, AT_HOST), (ROUTER, ON_ROUTER), (ASKER, AT_ASKER)):
            assert run(inside(namespace, "nft", "-f", "-"), rules).stderr == ""
        listeners = stack.enter_context(
            subprocess.Popen(inside(HOST, sys.executable, "-c", LISTEN), stdout=subprocess.PIPE)
        )
        stack.callback(listeners.terminate)
        assert listeners.stdout.readline() == b"ready\n"
        for address in ADDRESS.values():  # interfaces take a moment to come up
            deadline_s = time.monotonic() + 10
            while run(inside(ASKER, "nc", "-z", "-w", "1", address, str(OPEN))).returncode:
                assert time.monotonic() < deadline_s, f"{address} cannot be reached"
        yield


@pytest.fixture(scope="module")
def learnt(network):  # noqa: ARG001 - it must be there
    """(IP version, protocol, port) → row, of all ports of the host."""
    spans = f"{PORTS[0]}-{PORTS[-1]}"
    rows = [
        row
        for address in ADDRESS.values()
        for row in check(address, f"{spans}/tcp", f"{spans}/udp", "--timeout", TIMEOUT_S)
    ]
    return {(row["ip_version"], row["protocol"], row["port"]): row for row in rows}


BOTH = pytest.mark.parametrize("version", [4, 6])


@BOTH
@pytest.mark.parametrize(
    ("protocol", "port", "verdict", "reason"),
    [
        ("tcp", OPEN, "open", "accepted"),
        ("tcp", UDP_ANSWERS, "closed", "refused"),
        ("tcp", DROPPED, "filtered", "no answer"),
        ("tcp", 8003, "closed", "refused"),  # a reset is a reset, whoever sends it
        ("tcp", 8009, "filtered", "no answer"),
        ("tcp", 8010, "filtered", "no answer"),
        ("udp", UDP_ANSWERS, "open", "answered"),
        ("udp", OPEN, "open-or-filtered", "no answer"),
        ("udp", DROPPED, "open-or-filtered", "no answer"),
        ("udp", 8009, "open-or-filtered", "no answer"),
        ("udp", 8010, "filtered", "a firewall of this machine refuses to send it"),
    ],
)
def test_without_an_icmp_error_the_verdict_is(learnt, version, protocol, port, verdict, reason):
    row = learnt[version, protocol, port]

    assert (row["verdict"], row["reason"], row["icmp_type"], row["said_by"]) == (verdict, reason, None, None)


@pytest.mark.parametrize(
    ("version", "port", "icmp", "reason"),
    [
        (4, 8002, (3, 3), "port unreachable"),
        (4, 8004, (3, 10), "host prohibited"),
        (4, 8005, (3, 13), "administratively prohibited"),
        (4, 8006, (3, 0), "network unreachable"),
        (6, 8002, (1, 4), "port unreachable"),
        (6, 8004, (1, 3), "address unreachable"),
        (6, 8005, (1, 1), "administratively prohibited"),
        (6, 8006, (1, 0), "no route"),
    ],
)
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_firewall_at_the_host_is_told_by_its_icmp_error(learnt, protocol, version, port, icmp, reason):
    row = learnt[version, protocol, port]

    # UDP has no other way to say that nobody is there, so there it is taken for the host's own word.
    is_hosts_word = protocol == "udp" and reason == "port unreachable"
    assert row["verdict"] == ("closed" if is_hosts_word else "filtered")
    assert (row["icmp_type"], row["icmp_code"], row["reason"], row["said_by"]) == (*icmp, reason, ADDRESS[version])


@BOTH
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize(("port", "reason"), [(8007, "administratively prohibited"), (8008, "port unreachable")])
def test_a_firewall_on_the_way_is_named_by_its_address(learnt, version, protocol, port, reason):
    row = learnt[version, protocol, port]

    assert (row["verdict"], row["reason"], row["said_by"]) == ("filtered", reason, AT_ROUTER[version])


@BOTH
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_firewall_of_this_machine_that_rejects_is_named_too(learnt, version, protocol):
    row = learnt[version, protocol, 8011]

    assert (row["verdict"], row["reason"]) == ("filtered", "administratively prohibited")


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize(
    ("address", "verdict", "reason"),
    [
        ("10.92.1.1", "no-route", "a route of this machine says unreachable"),
        ("10.92.2.1", "filtered", "a route of this machine says prohibited"),
        ("10.92.3.1", "no-route", "a route of this machine drops it (blackhole)"),
        ("fd92:1::1", "no-route", "a route of this machine says unreachable"),
        ("fd92:2::1", "filtered", "a route of this machine says prohibited"),
        ("fd92:3::1", "no-route", "a route of this machine drops it (blackhole)"),
    ],
)
def test_routes_of_this_machine_are_told_from_firewalls(address, verdict, reason):
    rows = check(address, "9/tcp", "9/udp", "--timeout", "0.3")

    assert [(row["verdict"], row["reason"], row["said_by"]) for row in rows] == [(verdict, reason, None)] * 2


@pytest.mark.usefixtures("network")
def test_a_router_that_drops_silently_is_a_timeout():
    rows = check("10.91.5.1", "9/tcp", "9/udp", "--timeout", "0.3")

    assert [row["verdict"] for row in rows] == ["filtered", "open-or-filtered"]


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize(
    ("address", "version", "reason"),
    [
        ("10.91.3.1", 4, "host unreachable"),
        ("10.91.4.1", 4, "administratively prohibited"),
        ("fd91:3::1", 6, "no route"),
        ("fd91:4::1", 6, "administratively prohibited"),
    ],
)
def test_routes_of_a_router_are_told_with_its_address(address, version, reason):
    (row,) = check(address, 9, "--timeout", TIMEOUT_S)

    assert (row["verdict"], row["reason"], row["said_by"]) == ("filtered", reason, AT_ROUTER[version])


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize("address", ["10.91.1.99", "fd91:1::99"])
def test_an_address_of_this_network_that_nobody_has_is_no_route(address):
    rows = check(address, "9/tcp", "9/udp", "--timeout", "20")

    told = [(row["verdict"], row["reason"]) for row in rows]
    assert told == [("no-route", "nobody on this network has that address")] * 2


def test_without_any_route_there_is_no_route():
    rows = json.loads(
        run(
            ["unshare", "-n", sys.executable, "-m", "portcall", "check", "192.0.2.1", "9", "9/udp", "--format", "json"]
        ).stdout
    )["rows"]

    assert [(row["verdict"], row["reason"]) for row in rows] == [("no-route", "this machine has no route to it")] * 2


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_question_that_only_meets_itself_is_not_taken_for_an_open_port(protocol):
    """The system has one port left to lend, and that is the one that is asked: so the socket connects to itself."""
    asking = f"{sys.executable} -m portcall check 127.0.0.1 40000/{protocol} --format json"
    only_port = "ip link set lo up && sysctl -qw net.ipv4.ip_local_port_range='40000 40000'"

    shown = run(["unshare", "-n", "sh", "-c", f"{only_port} && {asking}"])

    (row,) = json.loads(shown.stdout)["rows"]
    assert row["verdict"] == "closed"


NC_WORDS = {"no answer": "timed out", "refused": "refused", "accepted": "succeeded"}


@BOTH
@pytest.mark.parametrize("port", [OPEN, DROPPED, 8003, 8009, 8010, UDP_ANSWERS])
def test_it_agrees_with_netcat_where_netcat_can_tell(learnt, version, port):
    sent = run(inside(ASKER, "nc", "-zv", "-w", str(TIMEOUT_S), ADDRESS[version], str(port))).stderr

    assert NC_WORDS[learnt[version, "tcp", port]["reason"]] in sent


def test_step_4_of_the_tutorial_a_timeout_is_a_firewall_that_drops(learnt):
    assert learnt[4, "tcp", DROPPED]["verdict"] == "filtered"
