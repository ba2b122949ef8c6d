"""The same lake by Apache Spark, in a process of its own; its workers are killed while they read and reduce.

Spark itself is in build/spark, which ``tests/run`` makes (``tools/spark_environment.py``). Here is what takes a minute;
what has executors of its own takes minutes more, and runs for ``make deep``.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from lake_rows import one_machines, written
from portcall.engines.range_reading import RangeOptions
from rotated_captures import IDLE_NS, write_rotated, write_uneven

SPARK = Path(__file__).parents[2] / "build" / "spark" / "bin" / "python"
OPTIONS = RangeOptions(idle_ns=IDLE_NS)
SCRIPT = """
import sys
from portcall.engines import sessions
from portcall.engines.spark import write_flows

master, out, range_bytes, idle, *paths = sys.argv[1:]
with sessions.session("spark", master) as session:
    write_flows(session, paths, out, range_bytes=int(range_bytes), idle=float(idle), buckets=4)
"""
EXECUTOR = "CoarseGrainedExecutorBackend"
TWO_EXECUTORS = "local-cluster[2,1,600]"
LONGEST_S = 400

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("java"), reason="Spark needs Java 17: apt install default-jre-headless"),
    pytest.mark.skipif(not SPARK.exists(), reason="Spark is not here: python tools/spark_environment.py"),
]
takes_minutes = pytest.mark.skipif("PORTCALL_DEEPER" not in os.environ, reason="Spark takes minutes: make deep")


@pytest.fixture(scope="module")
def rotated(tmp_path_factory):
    return write_rotated(tmp_path_factory.mktemp("rotated"))


def _command(process):
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


class Job:
    """A lake that Spark reads; all processes that it has begun are known in the end."""

    def __init__(self, paths, out, master, range_bytes, events):
        settings = {
            "spark.executor.memory": "600m",
            "spark.sql.shuffle.partitions": 4,
            "spark.eventLog.enabled": "true",
            "spark.eventLog.dir": events.as_uri(),
            "spark.eventLog.rolling.enabled": "false",
            "spark.eventLog.compress": "false",
        }
        events.mkdir()
        self._events, self._all = events, set()
        told = " ".join(f"--conf {name}={value}" for name, value in settings.items())
        others = {name: value for name, value in os.environ.items() if not name.startswith("SPARK_")}  # as Sail leaves
        environment = {**others, "PYSPARK_SUBMIT_ARGS": f"--driver-memory 1g {told} pyspark-shell"}
        words = [SPARK, "-c", SCRIPT, master, out, range_bytes, IDLE_NS / 1e9, *paths]
        self._process = subprocess.Popen(
            list(map(str, words)), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._ended = threading.Event()
        self._watching = threading.Thread(target=self._watch, daemon=True)
        self._watching.start()

    def _watch(self):
        while not self._ended.wait(0.2):
            self._all.update(self.children())

    def children(self, named=""):
        """Its processes now, whose command has this in it."""
        found = []
        with suppress(psutil.Error):
            found = psutil.Process(self._process.pid).children(recursive=True)
        return [one for one in found if named in _command(one)]

    def wait_for(self, folder, pattern):
        """Until a task has left such a file; False where it ends without."""
        while self._process.poll() is None:
            if any(folder.glob(pattern)):
                return True
            self._ended.wait(0.01)
        return False

    def end(self):
        """Its exit status and what it said; none of its processes is left."""
        try:
            _, said = self._process.communicate(timeout=LONGEST_S)
        finally:
            self._ended.set()
            self._watching.join()
        _, left = psutil.wait_procs(self._all, timeout=20)
        assert left == []
        return self._process.returncode, said

    def kill(self):
        """All that is left of it."""
        self._ended.set()
        for process in [*self._all, *self.children(), self._process]:
            with suppress(psutil.Error):
                process.kill()
        self._process.wait()

    def task_ends(self):
        """What became of each attempt at a task, as Spark has written it."""
        (log,) = self._events.iterdir()
        events = [json.loads(line) for line in log.read_text().splitlines()]
        return [one["Task End Reason"]["Reason"] for one in events if one["Event"] == "SparkListenerTaskEnd"]


@pytest.fixture
def start():
    """Starts jobs, none of which outlives the test."""
    jobs = []
    yield lambda *asked: jobs.append(Job(*asked)) or jobs[-1]
    for job in jobs:
        job.kill()


def test_rows_by_spark_are_those_of_one_machine(start, rotated, tmp_path):
    job = start(rotated, tmp_path / "flows", "local[2]", 60_000, tmp_path / "events")

    status, said = job.end()

    assert status == 0, said
    assert set(job.task_ends()) == {"Success"}
    assert written(tmp_path / "flows") == one_machines(rotated, OPTIONS)


@takes_minutes
@pytest.mark.parametrize("range_bytes", [5_000, 60_000, 0])
@pytest.mark.parametrize("write", [write_rotated, write_uneven], ids=["rotated", "one is 50 times as large"])
def test_so_they_are_by_two_executors(start, write, tmp_path, range_bytes):
    (tmp_path / "captures").mkdir()
    captures = write(tmp_path / "captures")
    job = start(captures, tmp_path / "flows", TWO_EXECUTORS, range_bytes, tmp_path / "events")

    status, said = job.end()

    assert status == 0, said
    assert written(tmp_path / "flows") == one_machines(captures, OPTIONS)


@takes_minutes
@pytest.mark.parametrize(
    "pattern", ["_work/ranges/*.parquet", "sensor=*/open-*.parquet"], ids=["while it reads", "while it reduces"]
)
def test_rows_are_exact_though_an_executor_is_killed(start, tmp_path, pattern):
    captures = write_uneven(tmp_path / "captures")
    job = start(captures, tmp_path / "flows", TWO_EXECUTORS, 30_000, tmp_path / "events")

    assert job.wait_for(tmp_path / "flows", pattern)
    job.children(EXECUTOR)[0].send_signal(signal.SIGKILL)
    status, said = job.end()

    assert status == 0, said
    assert "ExecutorLostFailure" in job.task_ends()
    assert written(tmp_path / "flows") == one_machines(captures, OPTIONS)
