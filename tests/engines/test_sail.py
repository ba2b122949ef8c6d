"""The same lake by Sail."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lake_rows import one_machines, written
from portcall.engines.range_reading import RangeOptions
from rotated_captures import IDLE_NS, write_rotated, write_uneven

pytest.importorskip("pysail", reason="pysail is not installed: pip install 'portcall[sail]'")
sessions = pytest.importorskip("portcall.engines.sessions")
from portcall.engines.spark import PcapDataSource, write_flows  # noqa: E402 - where it can be

CAPTURES = Path(__file__).parents[2] / "captures"
OPTIONS = RangeOptions(idle_ns=IDLE_NS, buckets=4)
AS_OPTIONS = {"idle": IDLE_NS / 1e9, "buckets": 4}
pytestmark = pytest.mark.filterwarnings("ignore")  # what pyspark and pandas say of each other


@pytest.fixture(scope="module")
def rotated(tmp_path_factory):
    return write_rotated(tmp_path_factory.mktemp("rotated"))


@pytest.fixture(scope="module")
def uneven(tmp_path_factory):
    return write_uneven(tmp_path_factory.mktemp("uneven"))


@pytest.fixture(scope="module")
def sail():
    with sessions.session("sail") as session:
        session.dataSource.register(PcapDataSource)
        yield session


@pytest.mark.parametrize("range_bytes", [15_000, pytest.param(0, marks=pytest.mark.slow)])
def test_rows_by_sail_are_those_of_one_machine(sail, rotated, tmp_path, range_bytes):
    done = write_flows(sail, rotated, str(tmp_path), range_bytes=range_bytes, **AS_OPTIONS)

    assert written(tmp_path) == one_machines(rotated, OPTIONS)
    assert done.left_early > 0


@pytest.mark.parametrize("range_bytes", [20_000, pytest.param(0, marks=pytest.mark.slow)])
def test_so_they_are_where_one_file_is_50_times_as_large_as_the_others(sail, uneven, tmp_path, range_bytes):
    done = write_flows(sail, uneven, str(tmp_path), range_bytes=range_bytes, **AS_OPTIONS)

    assert written(tmp_path) == one_machines(uneven, OPTIONS)
    assert (done.ranges > 20) == (range_bytes > 0)


MANY_PARTS = """
import sys
from portcall.engines import sessions
from portcall.engines.spark import PcapDataSource, write_flows

out, idle, *paths = sys.argv[1:]
with sessions.session("sail") as session:
    session.dataSource.register(PcapDataSource)
    write_flows(session, paths, out, range_bytes=3000, buckets=64, idle=float(idle))
"""


def test_many_parts_of_many_ranges_end(rotated, tmp_path):
    """In a process of its own, which can be ended: Sail waited for ever where a range gave a batch for each part."""
    words = [sys.executable, "-c", MANY_PARTS, str(tmp_path), str(IDLE_NS / 1e9), *rotated]

    subprocess.run(words, timeout=60, check=True, capture_output=True)

    assert written(tmp_path) == one_machines(rotated, OPTIONS)


def test_packets_are_those_of_the_capture(sail):
    rows = sail.read.format("pcap").options(mode="packets", range_bytes="20000").load(str(CAPTURES / "office.pcapng"))

    found = rows.selectExpr("count(*) as frames", "sum(bytes) as bytes", "count(source_ip) as ip").collect()[0]
    assert (found["frames"], found["bytes"], found["ip"]) == (345, 120_072, 343)


@pytest.mark.parametrize(("mode", "by"), [("flows", "flow"), ("queries", "query")])
def test_rows_of_the_source_are_those_of_read(sail, mode, by):
    import portcall

    rows = sail.read.format("pcap").option("mode", mode).load(str(CAPTURES / "office.pcapng")).collect()

    assert len(rows) == len(portcall.read([str(CAPTURES / "office.pcapng")], by=by).to_dicts())


def test_an_option_that_says_nothing_is_an_error_that_names_it(sail):
    with pytest.raises(Exception, match="mode: pakets is none of flows, packets, queries"):
        sail.read.format("pcap").option("mode", "pakets").load(str(CAPTURES / "dns.pcap")).collect()
