"""Whose packets are, for every way to send and receive: what programs say they sent against what the report says.

One ``live`` run watches a network namespace, while each script of ``socket_scripts`` runs in it once and talks to a far
host in another one. Every process must be credited, in the rows of its own ends, with just the bytes that it counted.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import pytest

from namespaces import ip, namespace
from socket_scripts import COMMON, FAR_HOST, LACKING, SCRIPTS

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="namespaces of Linux need root"),
]
BACK_END = os.environ.get("PORTCALL_OWNERS", "ebpf")
"""Others fail where they see less: docs/attribution.md says where."""
DEADLINE_S = 180
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
FAR = "10.78.0.2", "fd78::2"
NEAR = "10.78.0.1", "fd78::1"


class Done(NamedTuple):
    """What became of a script: its processes' (sent, received), or what it lacks, or its traceback."""

    counted: dict[int, tuple[int, int]]
    lacks: str = ""
    error: str = ""


@pytest.fixture(scope="module")
def watched():
    """(Done by script, payload as (sent, received) by pid) as ``live`` saw it."""
    with ExitStack() as stack:
        near, far = (stack.enter_context(namespace(name)) for name in ("kinds-near", "kinds-far"))
        connect(near, far)
        server = stack.enter_context(running(far, FAR_HOST))
        assert server.stdout.readline() == "up\n"
        command = [sys.executable, "-m", "portcall", "live", "--netns", near, "--by", "flow", "--format", "jsonl"]
        command += ["--owners", BACK_END]
        live = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
        stack.callback(end, live)
        assert "packets" in live.stderr.readline()
        done = {name: run(near, script) for name, script in SCRIPTS.items()}
        live.send_signal(signal.SIGINT)
        printed, _ = live.communicate(timeout=DEADLINE_S)
        rows = [json.loads(line) for line in printed.splitlines()]
    return done, credited(rows), rows


def connect(near, far):
    ip("-n", near, "link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", far)
    for name, addresses in ((near, NEAR), (far, FAR)):
        ip("netns", "exec", name, "sysctl", "-q", "-w", "net.ipv4.ping_group_range=0 2147483647")
        ip("-n", name, "link", "set", "wire", "up")
        ip("-n", name, "addr", "add", f"{addresses[0]}/24", "dev", "wire")
        ip("-n", name, "addr", "add", f"{addresses[1]}/64", "dev", "wire", "nodad")


@contextmanager
def running(name, script):
    command = ["ip", "netns", "exec", name, sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def end(process):
    if process.poll() is None:
        process.kill()
        process.communicate()


def run(name, script):
    command = ["ip", "netns", "exec", name, sys.executable, "-c", COMMON + script, *FAR]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    if done.returncode == LACKING:
        return Done({}, done.stdout.strip())
    if done.returncode:
        return Done({}, error=done.stderr)
    told = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
    return Done({pid: (sent, received) for pid, sent, received in told})


def credited(rows):
    sent, received = Counter(), Counter()
    for row in rows:
        for end_, out, in_ in (("client", "to_server", "to_client"), ("server", "to_client", "to_server")):
            sent[row[f"{end_}_pid"]] += row[f"payload_{out}"]
            received[row[f"{end_}_pid"]] += row[f"payload_{in_}"]
    return {pid: (sent[pid], received[pid]) for pid in sent}


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_process_is_credited_with_just_what_it_sent_and_received(watched, name):
    done, seen, _ = watched
    if done[name].lacks:
        pytest.skip(f"{name}: {done[name].lacks}")

    assert done[name].counted, done[name].error
    assert {pid: seen.get(pid) for pid in done[name].counted} == done[name].counted


def test_nothing_that_passed_is_ambiguous(watched):
    _, _, rows = watched

    assert [row for row in rows if row["unattributed_reason"] == "ambiguous"] == []


def test_a_process_in_a_container_is_named_with_it(watched):
    done, _, rows = watched
    (pid,) = done["a container"].counted or (None,)
    if pid is None:
        pytest.skip(done["a container"].lacks)

    assert {row["client_container"] for row in rows if row["client_pid"] == pid} == {"5e" * 6}


def test_pings_at_once_have_rows_of_their_own(watched):
    done, _, rows = watched

    pids = [row["client_pid"] for row in rows if row["protocol"] == "icmp"]
    assert [pids.count(pid) for pid in done["two pings at once"].counted] == [1, 1]


def test_every_pinged_host_is_the_kernels_own_end_where_it_is_this_one():
    """On loopback both ends of an echo are one address."""
    with namespace("kinds-self") as name:
        command = [sys.executable, "-m", "portcall", "live", "--netns", name, "--by", "flow", "--format", "jsonl"]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
        ) as live:
            try:
                assert "packets" in live.stderr.readline()
                ping = ["ip", "netns", "exec", name, sys.executable, "-c"]
                script = COMMON + SCRIPTS["ping by a raw socket"]
                pinger = subprocess.run(
                    [*ping, script, "127.0.0.1", "::1"], stdout=subprocess.PIPE, text=True, check=True
                )
                live.send_signal(signal.SIGINT)
                printed, _ = live.communicate(timeout=DEADLINE_S)
            finally:
                live.kill()
    (row,) = [row for row in map(json.loads, printed.splitlines()) if row["protocol"] == "icmp"]

    assert (row["client_pid"], row["server_process"]) == (int(pinger.stdout.split()[0]), "[kernel]")
    assert row["packets_to_server"] == 6
