"""The unit file for systemd: it is right by systemd's own measure, and its rights are enough for its command."""

from __future__ import annotations

import configparser
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from namespaces import namespace

UNIT = Path(__file__).parents[2] / "packaging" / "portcall.service"
ENVIRONMENT = {name: os.environ[name] for name in ("PATH",)}  # a service has no other
PORTCALL = [sys.executable, "-P", "-m", "portcall"]
DEADLINE_S = 120
NOBODY = 65534
MOST_EXPOSURE = 3.0  # systemd calls up to 4.9 "OK"
SEND = """
import socket
sender, receiver = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
receiver.bind(("127.0.0.1", 0))
for _ in range(50):
    sender.sendto(b"x" * 100, receiver.getsockname())
    receiver.recv(200)
"""
needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")


@pytest.fixture
def unit():
    """The options of its [Service]; of one that is there several times, the last."""
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str
    parser.read(UNIT)
    return parser["Service"]


@pytest.fixture
def installed(tmp_path):
    """The unit as it is where portcall is installed in another place."""
    program = tmp_path / "portcall"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    path = tmp_path / "portcall.service"
    path.write_text(UNIT.read_text().replace("/usr/bin/portcall", str(program)))
    return path


def words_of(unit, folder):
    """What its ExecStart runs, with the specifiers of systemd filled in."""
    line = re.sub("%(.)", lambda found: {"%": "%", "S": str(folder)}[found[1]], unit["ExecStart"])
    program, *words = shlex.split(line)
    assert program == "/usr/bin/portcall"
    return words


@needs_systemd
def test_systemd_finds_nothing_wrong_with_it(installed):
    ran = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", installed], capture_output=True, text=True, check=False
    )

    assert (ran.returncode, ran.stderr) == (0, "")


@needs_systemd
def test_it_is_little_exposed(installed):
    ran = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", installed], capture_output=True, text=True, check=False
    )

    exposure = re.search(r"Overall exposure level for portcall\.service: ([\d.]+)", ran.stdout)
    assert exposure, ran.stderr
    assert float(exposure[1]) < MOST_EXPOSURE


def test_it_may_do_no_more_than_it_is_given(unit):
    assert unit["CapabilityBoundingSet"] == unit["AmbientCapabilities"]
    assert unit["NoNewPrivileges"] == "yes"


def may_run_python():
    """Whether a user without rights may: not where this Python, or portcall, lies beneath root's own folder."""
    command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *PORTCALL, "--version"]
    return subprocess.run(command, env=ENVIRONMENT, cwd="/", capture_output=True, check=False).returncode == 0


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="rights are given up as root")
def test_its_command_runs_with_its_rights_and_no_others(unit):
    if not may_run_python():
        pytest.skip("this Python lies where only root may read")
    folder = Path("/tmp") / f"portcall-{os.getpid()}-state"  # noqa: S108 - nobody may enter pytest's own folders
    rights = [f"+{name.removeprefix('CAP_').lower()}" for name in unit["AmbientCapabilities"].split()]
    given_up = ["-all", *rights]
    words = words_of(unit, folder)
    (folder / "portcall").mkdir(parents=True)
    os.chown(folder / "portcall", NOBODY, NOBODY)
    interval = words.index("--every") + 1
    with namespace("unit") as space:
        process = subprocess.Popen(
            [
                *("ip", "netns", "exec", space, "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"),
                *(f"--{kind}={','.join(given_up)}" for kind in ("inh-caps", "ambient-caps", "bounding-set")),
                *("--no-new-privs", *PORTCALL),
                *(*words[:interval], "1", *words[interval + 1 :]),
            ],
            env=ENVIRONMENT,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            said = process.stderr.readline()
            sender = subprocess.Popen(["ip", "netns", "exec", space, sys.executable, "-c", SEND])
            assert sender.wait(DEADLINE_S) == 0
            ends_s = time.monotonic() + DEADLINE_S
            while not list((folder / "portcall").glob("traffic-*.jsonl")) and process.poll() is None:
                assert time.monotonic() < ends_s, "no report came"
            process.send_signal(signal.SIGTERM)
            _, rest = process.communicate(timeout=DEADLINE_S)
            reports = sorted((folder / "portcall").glob("traffic-*.jsonl"))
            rows = [json.loads(line) for report in reports for line in report.read_text().splitlines()]
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()
            shutil.rmtree(folder)

    assert process.returncode == 0, said + rest
    assert "ring, owners by ebpf" in said, said + rest
    assert "no sock_" not in rest
    assert {row["pid"] for row in rows} == {sender.pid}
