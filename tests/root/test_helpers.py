"""Helpers that keep rights may die or fall silent: what is counted is not lost, and the report says since when."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import pytest
from test_live_command import ANSWER, ASK, CALL, SERVE, converse, flows, of_port, wait_until

from portcall.owners import open_owners
from portcall.sources.devices.afpacket import RingSource
from portcall.sources.devices.interface_watch import select_interfaces
from portcall.system.helper_process import PATIENCE_S
from portcall.system.network_namespaces import ALL, own_namespace

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="live capture on Linux needs root"),
]
BEGUN_AS_HELPER = re.compile(rb"isolation\.py\0[^\0]*_helper\0")
TALK = """
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
    one.bind(("127.0.0.1", 0))
    one.sendto(b"x", one.getsockname())
    print(one.getsockname()[1], flush=True)
    input()
"""
"""A process that talks to itself, and stays until it may end."""
SINCE = re.compile(r"since \d\d:\d\d:\d\d: the process that .* has ended")


def helpers_of(pid):
    """Its children that keep rights, beside forks of it; whichever of its threads began them."""
    found = set()
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            with suppress(OSError):  # it has ended
                begun_with = Path(f"/proc/{child}/cmdline").read_bytes()
                found |= {int(child)} if BEGUN_AS_HELPER.search(begun_with) else set()
    return found


def helper_of(pid, before=frozenset()):
    """The one that was not there before: it has its command line a moment after it is there."""
    assert wait_until(lambda: helpers_of(pid) - before)
    (helper,) = helpers_of(pid) - before
    return helper


@pytest.fixture
def helper_here():
    """Finds the helper that the test has begun in this process, whatever other tests have left here."""
    return partial(helper_of, os.getpid(), frozenset(helpers_of(os.getpid())))


def is_gone(pid):
    return not Path(f"/proc/{pid}").exists()


def state_of(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def is_stopped(pid):
    return state_of(pid) == "T"


def is_zombie(pid):
    """Whether it has ended, and nobody has asked how: its parent ended before it."""
    return state_of(pid) == "Z"


def cpu_ticks(pid):
    return sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]))


@pytest.mark.parametrize("owners", ["netlink", "psutil"])
def test_without_the_helper_that_asks_for_owners_counting_goes_on(owners):
    with flows("--owners", owners, "--format", "json") as running:
        os.kill(helper_of(running.pid), signal.SIGKILL)
        running.wait_for_line()
        before = cpu_ticks(running.pid)
        port, _, _ = converse(SERVE, CALL)
        running.wait_for_line()
        spent = cpu_ticks(running.pid) - before
        status, printed = running.end(signal.SIGINT)

    report = json.loads(printed)
    assert (status, len(of_port(report["rows"], port))) == (130, 1)
    (told,) = [told for told in report["degradations"] if SINCE.search(told["reason"])]
    assert (told["feature"], bool(told["remedy"])) == ("owners", True)
    assert "Traceback" not in "".join(running.sent)
    assert spent < 0.5 * os.sysconf("SC_CLK_TCK"), "it wakes for a helper that has gone"


def test_without_the_helper_that_follows_namespaces_counting_goes_on():
    with flows("--netns", "all", "--format", "json") as running:
        os.kill(helper_of(running.pid), signal.SIGKILL)
        running.wait_for_line()
        port, answering, _ = converse(ANSWER, ASK)
        status, printed = running.end(signal.SIGTERM)

    report = json.loads(printed)
    rows = [row for row in of_port(report["rows"], port) if row["server_pid"] == answering]  # not another namespace's
    assert (status, len(rows)) == (130, 1)
    (told,) = [told for told in report["degradations"] if SINCE.search(told["reason"])]
    assert told["feature"] == "later network namespaces"


def fork_of(pid, name):
    """The child that ps calls so."""
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        if Path(f"/proc/{child}/comm").read_text().strip() == name:
            return int(child)
    return None


def end_beside(running, helper):
    """Status and stdout of a command that does not wait for its helper, which ends once it may go on."""
    running.process.send_signal(signal.SIGINT)
    running.process.wait(60)
    with suppress(ProcessLookupError):
        os.kill(helper, signal.SIGCONT)
    return running.end()


@pytest.mark.parametrize(("number", "how"), [(signal.SIGKILL, "has ended"), (signal.SIGSTOP, "does not answer")])
def test_without_who_looks_up_programs_all_counts_and_what_is_unknown_is_said(number, how):
    with flows("--format", "json") as running:
        helper = fork_of(running.pid, "portcall links")
        os.kill(helper, number)
        with subprocess.Popen(
            [sys.executable, "-c", TALK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as talker:
            port = int(talker.stdout.readline())
            while "note: paths of programs: unknown since" not in running.wait_for_line():
                pass
            talker.communicate("\n")
        status, printed = end_beside(running, helper)

    report = json.loads(printed)
    (row,) = of_port(report["rows"], port)
    assert (status, {row["server_pid"], row["client_pid"]}) == (130, {talker.pid})
    (told,) = [told for told in report["degradations"] if told["feature"] == "paths of programs"]
    assert told["reason"].endswith(f"the process that asks for them {how}")
    assert wait_until(lambda: is_gone(helper) or is_zombie(helper))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_without_who_asks_for_reverse_names_the_report_comes_and_says_so(number):
    with flows("--resolve", "--format", "json") as running:
        helper = fork_of(running.pid, "portcall names")
        os.kill(helper, number)
        port, _, _ = converse(ANSWER, ASK)
        status, printed = end_beside(running, helper)

    report = json.loads(printed)
    assert (status, len(of_port(report["rows"], port))) == (130, 1)
    (told,) = [told for told in report["degradations"] if told["feature"] == "reverse DNS"]
    assert "the process that asks for them has ended, or does not answer" in told["reason"]
    assert wait_until(lambda: is_gone(helper) or is_zombie(helper))


def test_a_command_ends_with_who_started_it_and_that_is_said():
    with flows("--format", "json", "--", "sleep", "600") as running:
        assert wait_until(lambda: children_of(fork_of(running.pid, "portcall starts")))
        starter = fork_of(running.pid, "portcall starts")
        (command,) = children_of(starter)
        os.kill(starter, signal.SIGKILL)
        status, printed = running.end()

    assert status == 128 + signal.SIGTERM
    assert [told["feature"] for told in json.loads(printed)["degradations"]] == ["command"]
    assert wait_until(lambda: is_gone(command) or is_zombie(command))


def children_of(pid):
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize("owners", ["netlink", "psutil"])
def test_closing_waits_no_longer_than_a_moment_for_a_helper_that_stands_still(helper_here, owners):
    with closing(open_owners(owners)):
        helper = helper_here()
        os.kill(helper, signal.SIGSTOP)
        assert wait_until(lambda: is_stopped(helper))
        began_s = time.monotonic()

    assert time.monotonic() - began_s < PATIENCE_S + 1
    assert is_gone(helper)


def test_a_source_closes_although_its_helper_stands_still(helper_here):
    with closing(RingSource([select_interfaces(["lo"], own_namespace())], follow=[ALL])):
        helper = helper_here()
        os.kill(helper, signal.SIGSTOP)
        assert wait_until(lambda: is_stopped(helper))

    assert is_gone(helper)


def test_a_helper_that_does_not_answer_is_said_to_and_waited_for_no_more(helper_here):
    with closing(open_owners("psutil")) as opened:
        opened.patience_s = 0.1
        helper = helper_here()
        os.kill(helper, signal.SIGSTOP)
        assert wait_until(lambda: is_stopped(helper))

        assert wait_until(lambda: opened.drain() is not None and opened.fileno() is None)

        assert "does not answer" in opened.degradations[-1].reason


@pytest.mark.parametrize("owners", ["netlink", "psutil"])
def test_helpers_end_without_a_word_when_we_do(helper_here, owners, capfd):
    with closing(open_owners(owners)) as opened:
        helper = helper_here()
        opened.drain()

    assert is_gone(helper)
    assert capfd.readouterr() == ("", "")
