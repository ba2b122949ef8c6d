"""``live`` while the clock is set by hours: every packet counts once, with its owner, and reports keep coming.

The clock of a machine is nobody's to set in a test. So the real command runs, on real packets and real reports of
sockets, with a clock of its own that jumps, by which frames and the time of day are moved alike.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from confined_program import ISOLATED
from namespaces import namespace
from portcall.archive.period_sums import PeriodSums
from root.test_live_every import send, wait_until

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="live capture on Linux needs root"),
]
JUMPS_S = {"forward and back": (7200, -10_800), "back and forward": (-10_800, 7200)}
"""Added to the clock once the file for it is there."""
DATAGRAMS = 20
SET = """
import os, sys, time
folder, first, second = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
real_ns = time.time_ns

def moved_ns():
    jumps = (first if os.path.exists(folder + "/1") else 0) + (second if os.path.exists(folder + "/2") else 0)
    return jumps * 10**9

time.time_ns = lambda: real_ns() + moved_ns()
time.time = lambda: time.time_ns() / 1e9
from portcall.sources.devices import namespace_ring
before = namespace_ring.NamespaceRing.batches

def batches(self):
    for batch in before(self):
        frames = batch.frames.copy()
        frames["ts_ns"] += moved_ns()
        yield batch._replace(frames=frames)

namespace_ring.NamespaceRing.batches = batches
from portcall.cli import run
sys.argv = ["portcall", *sys.argv[4:]]
run()
"""


def reports(folder):
    return [json.loads(path.read_bytes()) for path in folder.glob("[!.]*.json")]


@pytest.mark.parametrize("jumps_s", JUMPS_S.values(), ids=JUMPS_S)
def test_a_clock_that_is_set_while_it_is_live_loses_no_packet_no_owner_and_no_report(tmp_path, jumps_s):
    tmp_path.chmod(0o700)
    history = tmp_path / "history.sqlite"
    words = (
        "live",
        "-i",
        "lo",
        "--filter",
        "udp",
        "--every",
        2,
        "--by",
        "process",
        "-o",
        tmp_path / "r-%d-%H%M%S.json",
    )
    pids = []
    with namespace("clock") as space:
        command = ["ip", "netns", "exec", space, *ISOLATED, SET, tmp_path, *jumps_s, *words, "--history", history]
        with subprocess.Popen(
            list(map(str, command)),
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            said = [process.stderr.readline() for _ in range(2)]
            while_running = []
            for jump in ("1", "2", None):
                wanted = len(reports(tmp_path)) + 2
                before_s = time.monotonic()
                pids.append(send(space, DATAGRAMS))
                wait_until(
                    lambda wanted=wanted: pids.append(send(space, DATAGRAMS)) or len(reports(tmp_path)) >= wanted
                )
                while_running.append(time.monotonic() - before_s)
                if jump:
                    (tmp_path / jump).touch()
            process.send_signal(15)
            _, complaints = process.communicate(timeout=60)

    made = reports(tmp_path)
    assert process.returncode == 0, (said, complaints)
    assert max(while_running) < 30
    assert sum(report["coverage"]["frames"] for report in made) == DATAGRAMS * len(pids)
    assert sum(report["coverage"]["dropped_by_kernel"] for report in made) == 0
    found = {row["pid"] for report in made for row in report["rows"]} - {None}
    assert found <= set(pids)
    assert len(found) >= len(pids) - 2 * len(jumps_s)  # who was read after the clock was moved here, and sent before
    with PeriodSums(history) as kept:
        octets = kept._connection.execute("SELECT SUM(packets_out) FROM ten_seconds").fetchone()
    assert octets[0] == DATAGRAMS * len(pids)
