"""``portcall live --history``: real traffic, and a file that has all of it."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from namespaces import namespace
from root.test_live_every import DEADLINE_S, SEND, live_in, wait_until

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="live capture on Linux needs root"),
]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
NOBODY = 65534
DATAGRAMS = 200
COUNTS = ("flows", "packets_out", "packets_in", "bytes_out", "bytes_in", "payload_out", "payload_in")
KILLS = 3


@pytest.fixture
def folder(tmp_path):
    tmp_path.chmod(0o700)
    return tmp_path


def send(space, datagrams=DATAGRAMS):
    subprocess.run(["ip", "netns", "exec", space, sys.executable, "-c", SEND, str(datagrams)], check=True)


def ended(process):
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=DEADLINE_S)
    return process.returncode, said


def kept(path, *words):
    ran = subprocess.run(
        [sys.executable, "-m", "portcall", "history", str(path), "--format", "json", *words],
        env=ENVIRONMENT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(ran.stdout)


def summed(report, by):
    """All that adds up, by name and reason."""
    found = {}
    for row in report["rows"]:
        of_row = found.setdefault((row[by], row["unattributed_reason"]), [0] * len(COUNTS))
        for place, name in enumerate(COUNTS):
            of_row[place] += row[name]
    return found


@pytest.mark.parametrize("by", ["app", "process", "host", "user"])
def test_what_is_kept_adds_up_to_the_report_of_the_same_time(folder, by):
    with (
        namespace("kept") as space,
        live_in(space, "--by", by, "--history", folder / "h.sqlite", "-o", folder / "live.json") as live,
    ):
        send(space)
        assert ended(live)[0] == 0

    report, past = json.loads((folder / "live.json").read_text()), kept(folder / "h.sqlite", "--by", by)
    assert report["coverage"]["frames"] >= DATAGRAMS
    assert summed(past, by) == summed(report, by)
    for name in ("frames", "bytes", "bytes_credited_twice", "bytes_attributed"):
        assert past["coverage"][name] == report["coverage"][name]


def test_reports_of_intervals_and_the_history_have_the_same_bytes(folder):
    with (
        namespace("both") as space,
        live_in(space, "--every", 1, "-o", folder / "traffic-%s.json", "--history", folder / "h.sqlite") as live,
    ):
        send(space)
        wait_until(lambda: list(folder.glob("traffic-*.json")))
        send(space)
        assert ended(live)[0] == 0

    reports = [json.loads(path.read_text()) for path in folder.glob("traffic-*.json")]
    assert len(reports) > 1
    assert kept(folder / "h.sqlite")["coverage"]["bytes"] == sum(one["coverage"]["bytes"] for one in reports)


def test_only_the_command_that_is_followed_is_kept(folder):
    with namespace("followed") as space:
        inside = ["ip", "netns", "exec", space, sys.executable]
        other = subprocess.Popen([*inside, "-c", SEND, "2000"])
        words = ["-i", "lo", "--history", folder / "h.sqlite", "--", sys.executable, "-c", SEND, str(DATAGRAMS)]
        subprocess.run(
            [*inside, "-m", "portcall", "live", *map(str, words)], env=ENVIRONMENT, capture_output=True, check=True
        )
        assert other.wait(DEADLINE_S) == 0

    assert kept(folder / "h.sqlite")["coverage"]["frames"] == DATAGRAMS


def test_under_sudo_the_file_is_the_users_own():
    folder = Path("/tmp") / f"portcall-{os.getpid()}-state"  # noqa: S108 - nobody may enter pytest's own folders
    folder.mkdir(mode=0o700)
    os.chown(folder, NOBODY, NOBODY)
    path = folder / "portcall" / "history.sqlite"
    environment = {**ENVIRONMENT, "SUDO_UID": str(NOBODY), "SUDO_GID": str(NOBODY), "XDG_STATE_HOME": str(folder)}
    try:
        with namespace("sudo") as space:
            live = ["ip", "netns", "exec", space, sys.executable, "-m", "portcall", "live", "-i", "lo"]
            subprocess.run([*live, "--history", "--duration", "0.5"], env=environment, capture_output=True, check=True)
        owners = {(one.stat().st_uid, one.stat().st_mode & 0o777) for one in path.parent.iterdir()}
        assert owners == {(NOBODY, 0o600)}
        assert path.parent.stat().st_mode & 0o777 == 0o700
    finally:
        shutil.rmtree(folder)


def test_a_run_that_is_killed_loses_no_more_than_the_open_window(folder):
    """``benchmarks/history.py kills`` does it fifty times, at moments over several windows."""
    path = folder / "h.sqlite"
    with namespace("killed") as space:
        for kill in range(KILLS):
            with live_in(space, "--history", path) as live:
                send(space, 20)
                if not kill:  # the first window is over within ten seconds
                    wait_until(lambda: sqlite3.connect(path).execute("SELECT count(*) FROM ten_seconds").fetchone()[0])
                before = kept(path)["coverage"]["frames"]
                live.kill()
                live.wait()
            assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert kept(path)["coverage"]["frames"] >= before > 0


@pytest.mark.parametrize("user", [0, 61234])
def test_without_a_name_it_is_in_the_home_of_root_or_of_who_called_sudo(user):
    """Both homes have mode 0700; they are told by another /etc/passwd, in a mount namespace of its own."""
    home = Path("/tmp") / f"portcall-{os.getpid()}-home-{user}"  # noqa: S108 - as above
    home.mkdir(mode=0o700)
    os.chown(home, user, user)
    users = home.with_name(f"{home.name}-passwd")
    others = [line for line in Path("/etc/passwd").read_text().splitlines() if not line.startswith("root:")]
    roots = str(home) if user == 0 else "/root"
    users.write_text("\n".join([f"root:x:0:0::{roots}:", f"kept:x:{user or 61234}:61234::{home}:", *others, ""]))
    sudo = {"SUDO_UID": str(user), "SUDO_GID": str(user), "SUDO_USER": "kept"} if user else {}
    environment = {name: value for name, value in ENVIRONMENT.items() if name != "XDG_STATE_HOME"} | sudo
    portcall = shlex.join([sys.executable, "-m", "portcall"])
    send_some = shlex.join([sys.executable, "-c", SEND, "5"])
    script = f"""
        set -e
        mount --bind {users} /etc/passwd
        ip link set lo up
        while :; do {send_some}; done &
        {portcall} live -i lo --history --duration 1 >&2
        kill $!
        {portcall} history --format json
        {portcall} history --forget all
    """
    try:
        words = ["unshare", "--net", "--mount", "sh", "-c", script]
        ran = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
        assert (ran.returncode, "forgotten:" in ran.stderr) == (0, True), ran.stderr
        assert json.loads(ran.stdout)["coverage"]["frames"] > 0
        folder = home / ".local" / "state" / "portcall"
        assert {(one.stat().st_uid, one.stat().st_mode & 0o777) for one in folder.iterdir()} == {(user, 0o600)}
    finally:
        shutil.rmtree(home)
        users.unlink()
