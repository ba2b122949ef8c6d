"""The same lake by Sail, and where pyspark is installed with Java by Spark, whose workers are killed at work."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from lake_rows import one_machines, written
from portcall.engines.range_reading import RangeOptions
from rotated_captures import IDLE_NS, write_rotated

pytest.importorskip("pyspark")
sessions = pytest.importorskip("portcall.engines.sessions")
from portcall.engines.spark import PcapDataSource, write_flows  # noqa: E402 - where it can be

CAPTURES = Path(__file__).parents[2] / "captures"
OPTIONS = RangeOptions(idle_ns=IDLE_NS, buckets=4)
AS_OPTIONS = {"idle": IDLE_NS / 1e9, "buckets": 4}
HAS_SAIL = importlib.util.find_spec("pysail") is not None
HAS_SPARK = importlib.util.find_spec("py4j") is not None and shutil.which("java") is not None
BOUNDS = "--driver-memory 1g --conf spark.executor.memory=600m --conf spark.sql.shuffle.partitions=4 pyspark-shell"
EXECUTOR = "CoarseGrainedExecutorBackend"

pytestmark = pytest.mark.filterwarnings("ignore")  # what pyspark and pandas say of each other

of_sail = pytest.mark.skipif(not HAS_SAIL, reason="pysail is not installed: pip install 'portcall[sail]'")
of_spark = pytest.mark.skipif(not HAS_SPARK, reason="Spark is not here: pip install 'portcall[spark]', and Java 17")


@pytest.fixture(scope="module")
def rotated(tmp_path_factory):
    return write_rotated(tmp_path_factory.mktemp("rotated"))


@pytest.fixture(scope="module")
def sail():
    with sessions.session("sail") as session:
        session.dataSource.register(PcapDataSource)
        yield session


@of_sail
@pytest.mark.parametrize("range_bytes", [15_000, pytest.param(0, marks=pytest.mark.slow)])
def test_rows_by_sail_are_those_of_one_machine(sail, rotated, tmp_path, range_bytes):
    done = write_flows(sail, rotated, str(tmp_path), range_bytes=range_bytes, **AS_OPTIONS)

    assert written(tmp_path) == one_machines(rotated, OPTIONS)
    assert done.left_early > 0


MANY_PARTS = """
import sys
from portcall.engines import sessions
from portcall.engines.spark import PcapDataSource, write_flows

out, idle, *paths = sys.argv[1:]
with sessions.session("sail") as session:
    session.dataSource.register(PcapDataSource)
    write_flows(session, paths, out, range_bytes=3000, buckets=64, idle=float(idle))
"""


@of_sail
def test_many_parts_of_many_ranges_end(rotated, tmp_path):
    """In a process of its own, which can be ended: Sail waited for ever where a range gave a batch for each part."""
    words = [sys.executable, "-c", MANY_PARTS, str(tmp_path), str(IDLE_NS / 1e9), *rotated]

    subprocess.run(words, timeout=60, check=True, capture_output=True)

    assert written(tmp_path) == one_machines(rotated, OPTIONS)


@of_sail
def test_packets_are_those_of_the_capture(sail):
    rows = sail.read.format("pcap").options(mode="packets", range_bytes="20000").load(str(CAPTURES / "office.pcapng"))

    found = rows.selectExpr("count(*) as frames", "sum(bytes) as bytes", "count(source_ip) as ip").collect()[0]
    assert (found["frames"], found["bytes"], found["ip"]) == (345, 120_072, 343)


@of_sail
@pytest.mark.parametrize(("mode", "by"), [("flows", "flow"), ("queries", "query")])
def test_rows_of_the_source_are_those_of_read(sail, mode, by):
    import portcall

    rows = sail.read.format("pcap").option("mode", mode).load(str(CAPTURES / "office.pcapng")).collect()

    assert len(rows) == len(portcall.read([str(CAPTURES / "office.pcapng")], by=by).to_dicts())


@of_sail
def test_an_option_that_says_nothing_is_an_error_that_names_it(sail):
    with pytest.raises(Exception, match="mode: pakets is none of flows, packets, queries"):
        sail.read.format("pcap").option("mode", "pakets").load(str(CAPTURES / "dns.pcap")).collect()


class Killer(threading.Thread):
    """Kills one of the executors as soon as a task has left such a file."""

    def __init__(self, folder, pattern):
        super().__init__(daemon=True)
        self._folder, self._pattern, self._end = folder, pattern, threading.Event()
        self.killed = None

    def run(self):
        while self.killed is None and not self._end.wait(0.01):
            if any(self._folder.glob(self._pattern)):
                self.killed = self._kill()

    def _kill(self):
        for process in psutil.Process().children(recursive=True):
            try:
                if any(EXECUTOR in word for word in process.cmdline()):
                    process.send_signal(signal.SIGKILL)
                    return process.pid
            except psutil.Error:
                continue
        return None

    def stop(self):
        self._end.set()
        self.join()


@of_spark
@pytest.mark.slow
@pytest.mark.skipif("PORTCALL_DEEPER" not in os.environ, reason="Spark takes minutes: make deep")
@pytest.mark.parametrize(
    "pattern", ["_work/ranges/*.parquet", "sensor=*/open-*.parquet"], ids=["while it reads", "while it reduces"]
)
def test_rows_are_exact_though_an_executor_is_killed(rotated, tmp_path, monkeypatch, pattern):
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", BOUNDS)
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    killer = Killer(tmp_path, pattern)

    with sessions.session("spark", "local-cluster[2,1,600]") as session:
        killer.start()
        write_flows(session, rotated, str(tmp_path), range_bytes=20_000, **AS_OPTIONS)
        killer.stop()

    assert killer.killed
    assert not psutil.pid_exists(killer.killed) or psutil.Process(killer.killed).status() == psutil.STATUS_ZOMBIE
    assert written(tmp_path) == one_machines(rotated, OPTIONS)
