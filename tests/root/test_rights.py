"""The table of docs/security.md, row by row: each process is started, and its status in /proc is what the page says."""

from __future__ import annotations

import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from archive.kept_windows import MONDAY_S, key, stored
from portcall.system.confinement import landlock, seccomp_filter

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root has rights to give up"),
    pytest.mark.skipif(landlock.abi() < 6 or not seccomp_filter.is_known(), reason="this kernel lacks a part"),
]
ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "security.md"
DNS = ROOT / "captures" / "dns.pcap"
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
BY_SUDO = {"SUDO_UID": "1234", "SUDO_GID": "1234", "SUDO_USER": "nobody"}
DEADLINE_S = 60
READ_ANY, TRACE = 1 << 2, 1 << 19
BITS = {"none": 0, "dac_read_search": READ_ANY, "sys_ptrace": TRACE, "sys_admin": 1 << 21}
SERVICE = "+net_raw,+net_admin,+bpf,+perfmon,+sys_ptrace,+setpcap"
AS_SERVICE = (
    "setpriv",
    "--reuid=4321",
    "--regid=4321",
    "--clear-groups",
    f"--inh-caps={SERVICE}",
    f"--ambient-caps={SERVICE}",
)
AS_USER = ("setpriv", "--reuid=4321", "--regid=4321", "--clear-groups")
LIVE = ("live", "-i", "lo", "--format", "json")
LOOKING = {
    "ports": ("ports", "--watch"),
    "ports --netns": ("ports", "--watch", "--netns", "all"),
    "explain": ("explain", "--quiz"),
}
NEEDS = {"tshark": "tshark", "--dissect": "tshark"}


def rows():
    _, _, rest = PAGE.read_text().partition("## Processes")
    lines = re.findall(r"^\| (.*) \|$", rest.partition("\nWhen:")[0], re.MULTILINE)[1:]
    return [[cell.strip() for cell in line.split("|")] for line in lines if not line.startswith("---")]


def status_of(pid):
    """Its status, but for the thread's number; {} where it is no more."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return {}
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def family(pid):
    """It and all below it."""
    found = [pid]
    for one in found:
        try:
            found += map(int, Path(f"/proc/{one}/task/{one}/children").read_text().split())
        except OSError:
            continue
    return found


def words_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def is_meant(pid, name):
    """Whether ps would call it so: by its own name, or by the module that it was begun with."""
    status = status_of(pid)
    if name in ("portcall", "privileged_helper", "namespace_helper"):
        is_helper = "isolation.py" in words_of(pid) and "helper" in words_of(pid)
        is_fork = status.get("Name", "").startswith("portcall ")
        return name in words_of(pid) if is_helper else name == "portcall" and not is_fork
    return status.get("Name") == name


def wait_for(process, name, is_settled):
    """The status of the process of that name, once it is as it will be."""
    ends_s = time.monotonic() + DEADLINE_S
    while time.monotonic() < ends_s:
        for pid in [process.pid] if name == "portcall" else family(process.pid)[1:]:
            status = status_of(pid)
            if status and is_meant(pid, name) and is_settled(status):
                return status
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)  # between two looks
    raise AssertionError(
        f"no {name} among {[(status_of(one).get('Name'), words_of(one)) for one in family(process.pid)]}"
    )


@contextmanager
def started(words, before=(), environment=(), **how):
    process = subprocess.Popen(
        [*before, sys.executable, "-m", "portcall", *map(str, words)],
        env={**ENVIRONMENT, **dict(environment)},
        stdin=subprocess.PIPE,  # where mcp waits for questions
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        **how,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stderr.close()


@pytest.fixture
def pipe(tmp_path):
    """A capture that never comes, so that who reads it waits; everybody may reach it."""
    for one in (tmp_path, *tmp_path.parents[:3]):
        one.chmod(0o755)
    made = tmp_path / "pipe"
    os.mkfifo(made, 0o666)
    made.chmod(0o666)
    return made


@pytest.fixture
def python_for_all():
    """Whether a user without rights can run this Python at all."""
    command = [*AS_SERVICE, sys.executable, "-m", "portcall", "--version"]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, check=False).returncode == 0


def command_of(row, pipe, tmp_path):
    """Words, what stands before them, and the environment of a row."""
    process = row[0]
    if process.startswith(("`read`", "`read ")):
        options = ("--resolve",) if "--resolve" in process else ()
        captures = [pipe]
        if "tshark reads" in process and "--dissect" not in process:
            (tmp_path / "other.snoop").write_bytes(b"snoop\0\0\0")
            captures.append(tmp_path / "other.snoop")
        if "--dissect" in process:
            options = ("--dissect", "--by", "flow")
        return (
            ("read", *captures, *options),
            AS_USER if "a user" in process else (),
            BY_SUDO if "sudo" in process else {},
        )
    if not process.startswith("`live`") and not process.startswith("`live "):
        before = AS_USER if "a user" in process else ()
        return waiting(process.split("`")[1], pipe, tmp_path), before, BY_SUDO if "sudo" in process else {}
    options = ()
    if "-w" in process:
        options = ("-w", tmp_path / "recorded.pcapng")
    for option in ("--owners netlink", "--netns all", "--source scapy"):
        options += tuple(option.split()) if option in process else ()
    options += ("--", "sleep", "60") if "COMMAND" in process else ()
    return (*LIVE, *options), AS_SERVICE if "service" in process else (), BY_SUDO if "sudo" in process else {}


def waiting(command, pipe, tmp_path):
    """The words of a command that waits for what it would parse; a history waits 5 s for who has it to himself."""
    if command == "history":
        path = stored(tmp_path / "history.sqlite", {MONDAY_S: {key("curl"): 1000}})
        _holders.append(sqlite3.connect(path))
        _holders[-1].execute("PRAGMA locking_mode=EXCLUSIVE")
        _holders[-1].execute("BEGIN EXCLUSIVE")
        return (command, path)
    if command in LOOKING:
        return LOOKING[command]
    if command == "check":
        _holders.append(socket.create_server(("127.0.0.1", 0)))  # which says nothing
        return (command, f"127.0.0.1:{_holders[-1].getsockname()[1]}", "--banner", "--timeout", DEADLINE_S)
    output = ("-o", tmp_path / "output.pcapng")
    return (
        command,
        *{"diff": (pipe, DNS), "baseline": (pipe, *output), "annotate": (DNS, pipe, *output), "mcp": (tmp_path,)}[
            command
        ],
    )


_holders = []


@pytest.fixture(autouse=True)
def _let_go():
    yield
    while _holders:
        _holders.pop().close()


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_a_process_has_the_rights_that_the_page_says(row, pipe, tmp_path, python_for_all):
    process, name, user, capabilities, bounded, seccomp, _ = row
    if ("tshark" in process) and not shutil.which("tshark"):
        pytest.skip("needs tshark: apt install tshark")
    words, before, environment = command_of(row, pipe, tmp_path)
    if before and not python_for_all:
        pytest.skip("this Python lies where only root may read")
    filtered = {"yes": "2", "no": "0"}[seccomp]

    with started(words, before, environment) as running:
        status = wait_for(running, name, lambda status: status["Seccomp"] == filtered)

    expected = {"nobody": "65534", "root": "0", "sudo": "1234", "caller": "4321"}[user]
    assert status["Uid"].split()[:3] == [expected] * 3
    kept = {int(status[field], 16) for field in ("CapPrm", "CapEff")}
    if capabilities == "all":
        assert min(kept) > TRACE
    else:
        (bits,) = kept
        allowed = sum(BITS[one] for one in capabilities.split(", "))
        may_have = 0 if words[0] == "live" else READ_ANY  # see the page: where Python is root's alone
        assert bits in {allowed, allowed | may_have}
        assert {int(status[field], 16) for field in ("CapInh", "CapAmb")} == {0}
    assert (int(status["CapBnd"], 16) == 0) == (bounded == "yes")
    assert status["NoNewPrivs"] == ("1" if seccomp == "yes" else "0")


@pytest.mark.skipif(not shutil.which("tshark"), reason="needs tshark: apt install tshark")
@pytest.mark.parametrize(
    ("option", "name", "most_s"), [("tshark reads", "portcall tshark", 3600), ("--dissect", "portcall fields", 300)]
)
def test_who_begins_tshark_is_bound_in_memory_and_time(pipe, tmp_path, option, name, most_s):
    (row,) = [row for row in rows() if option in row[0]]
    words, before, environment = command_of(row, pipe, tmp_path)

    with started(words, before, environment) as running:
        wait_for(running, name, lambda status: status["Seccomp"] == "2")
        (pid,) = [one for one in family(running.pid)[1:] if is_meant(one, name)]
        limits = Path(f"/proc/{pid}/limits").read_text()

    assert re.search(rf"^Max cpu time +{most_s} +{most_s} ", limits, re.MULTILINE)
    assert re.search(rf"^Max address space +{4 << 30} +{4 << 30} ", limits, re.MULTILINE)


def test_every_process_that_answers_an_agent_is_in_the_table(tmp_path):
    names = {row[1] for row in rows()}

    with started(("mcp", tmp_path)) as running:
        wait_for(running, "portcall", lambda status: status["Seccomp"] == "2")
        there = family(running.pid)
        unknown = [words_of(one) for one in there if not any(is_meant(one, name) for name in names)]

    assert len(there) == 2
    assert unknown == []


def test_every_process_of_a_run_is_in_the_table():
    names = {row[1] for row in rows()}
    words = (*LIVE, "--owners", "netlink", "--netns", "all", "--resolve", "--", "sleep", "60")

    with started(words) as running:
        wait_for(running, "portcall", lambda status: status["Seccomp"] == "2")
        there = [one for one in family(running.pid) if "sleep" not in words_of(one).split("\0")[0]]
        unknown = [words_of(one) for one in there if not any(is_meant(one, name) for name in names)]

    assert len(there) >= 5
    assert unknown == []


def test_what_live_counts_with_is_gone_with_it_however_it_ends():
    words = (*LIVE, "--owners", "netlink", "--netns", "all", "--resolve", "--", "sleep", "60")
    with started(words) as running:
        wait_for(running, "portcall", lambda status: status["Seccomp"] == "2")
        all_of_it = family(running.pid)
    ends_s = time.monotonic() + DEADLINE_S
    while any(status_of(one).get("State", "Z")[0] != "Z" for one in all_of_it) and time.monotonic() < ends_s:
        time.sleep(0.02)

    assert [words_of(one) for one in all_of_it if status_of(one).get("State", "Z")[0] != "Z"] == []
