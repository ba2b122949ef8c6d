"""However captures are cut into ranges, the rows that are written are those of one machine."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capture_bytes import NANOSECONDS, block, pcap_header, section
from engine_here import EngineHere
from examples import DEEPER, examples
from lake_rows import one_machines, written
from made_conversations import dialogue
from portcall.engines.lake import LakeOptions, write_flows
from portcall.engines.range_reading import RangeOptions
from portcall.engines.staging import Store
from portcall.engines.tasks import LakeWork
from portcall.errors import PortcallError
from portcall.inspection import server_names
from portcall.inspection.inspection_bounds import InspectionBounds
from portcall.runs import offline
from portcall.runs.partial_bytes import build
from rotated_captures import FILES, IDLE_NS, RAW_IP, START_NS, first_sensor, pcap_of, second_sensor, write_rotated

CAPTURES = Path(__file__).parents[2] / "captures"
BUCKETS = 5
IDLE, FOR_EVER = RangeOptions(idle_ns=IDLE_NS, buckets=BUCKETS), RangeOptions(buckets=BUCKETS)


@pytest.fixture(scope="module")
def rotated(tmp_path_factory):
    return write_rotated(tmp_path_factory.mktemp("rotated"))


def lake(paths, out, options=IDLE, range_bytes=20_000, sensors="one", engine=None):
    return write_flows(engine or EngineHere(), paths, str(out), LakeOptions(options, range_bytes, sensors))


@pytest.mark.parametrize(
    ("sensor", "options", "range_bytes"),
    [
        ("east", IDLE, 20_000),
        ("east", FOR_EVER, 8_000),
        ("", IDLE, 20_000),
        ("", FOR_EVER, 60_000),
        *(
            (sensor, options, size)
            for sensor in ("east", "west", "")
            for options in (IDLE, FOR_EVER)
            for size in (0, 3_000, 40_000)
            if DEEPER > 1
        ),
    ],
)
def test_rows_are_those_of_one_machine(rotated, tmp_path, sensor, options, range_bytes):
    paths = [path for path in rotated if f"/{sensor}" in path]

    done = lake(paths, tmp_path, options, range_bytes)

    assert written(tmp_path) == one_machines(paths, options)
    assert done.rows == len(written(tmp_path))


def test_the_report_is_that_of_read(rotated, tmp_path):
    done = lake(rotated, tmp_path, FOR_EVER)

    expected = offline.read(sorted(rotated)).report
    assert done.report.to_dicts() == expected.to_dicts()
    assert done.report.coverage == expected.coverage
    assert done.report.window_ns == expected.window_ns


def test_what_tasks_had_no_room_for_is_in_the_report(tmp_path, monkeypatch):
    monkeypatch.setattr(server_names, "InspectionBounds", partial(InspectionBounds, most_shard_bytes=2_000))
    path = tmp_path / "one.pcap"
    hellos = [dialogue([b"\x16\x03", b""], 443, client_port=port) for port in range(40001, 40061)]
    packets = [packet for hello in hellos for packet in hello]
    path.write_bytes(pcap_of([(START_NS + at, bytes(packet)) for at, packet in enumerate(packets)]))

    done = lake([str(path)], tmp_path / "out")

    (note,) = [note.reason for note in done.report.degradations if note.feature == "names"]
    assert re.fullmatch(r"there was no room for what [1-9]\d* conversations called their servers", note)


def test_what_cannot_be_read_is_said_and_the_rest_counts(rotated, tmp_path):
    done = lake(rotated, tmp_path)

    assert sorted((Path(one.path).name, one.reason) for one in done.problems) == [
        ("4.pcap", "the file ends inside a record"),
        ("empty.pcap", "the file is empty"),
    ]


def test_captures_of_a_folder_are_of_one_sensor(rotated, tmp_path):
    lake(rotated, tmp_path, sensors="folder")

    for sensor in ("east", "west"):
        of_sensor = [path for path in rotated if f"/{sensor}/" in path]
        here = tmp_path / "only" / sensor
        here.mkdir(parents=True)
        (here / "sensor=x").symlink_to(tmp_path / f"sensor={sensor}")
        assert written(here) == one_machines(of_sensor, IDLE)


def test_conversations_that_are_over_go_through_no_shuffle(rotated, tmp_path):
    east = [path for path in rotated if "/east/" in path]

    done = lake(east, tmp_path, range_bytes=60_000)

    assert done.left_early > 0
    assert lake(east, tmp_path / "other", FOR_EVER, 60_000).left_early == 0


def test_a_job_that_runs_again_reads_nothing_though_tasks_run_twice(rotated, tmp_path):
    west = [path for path in rotated if "/west/" in path]
    first = lake(west, tmp_path, engine=EngineHere(times=2))
    before = written(tmp_path)

    again = lake(west, tmp_path)

    assert (first.ranges_read > 0, again.ranges_read) == (True, 0)
    assert written(tmp_path) == before
    assert again.report.to_dicts() == first.report.to_dicts()


def test_one_more_capture_costs_that_and_the_one_before_it(tmp_path):
    packets = sorted(first_sensor())
    seconds = [START_NS + number * 50 * 10**9 for number in range(10)]
    paths = []
    for number, begin in enumerate(seconds):
        paths.append(tmp_path / f"{number}.pcap")
        paths[-1].write_bytes(pcap_of([one for one in packets if begin <= one[0] < begin + 50 * 10**9]))
    texts, each_alone = [str(path) for path in paths], max(path.stat().st_size for path in paths)
    lake(texts[:-1], tmp_path / "out", range_bytes=each_alone)

    more = lake(texts, tmp_path / "out", range_bytes=each_alone)

    assert (more.ranges, more.ranges_read) == (10, 2)
    assert written(tmp_path / "out") == one_machines(texts, IDLE)


def test_bins_of_time_add_up_over_ranges(rotated, tmp_path):
    options = RangeOptions(bucket="1min", buckets=BUCKETS)
    east = [path for path in rotated if "/east/" in path]

    lake(east, tmp_path, options)

    assert written(tmp_path) == one_machines(east, options)


@pytest.mark.parametrize(
    "name", ["office.pcapng", "dns.pcap", "fragments.pcap", "reuse.pcap", "tunnels.pcap", "ssh.pcap"]
)
@settings(max_examples=examples(2), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(range_bytes=st.integers(1_500, 40_000), idle_ms=st.sampled_from([0, 5, 100]), buckets=st.integers(1, 9))
def test_so_are_those_of_one_file_in_ranges(tmp_path_factory, name, range_bytes, idle_ms, buckets):
    options = RangeOptions(idle_ns=idle_ms * 10**6, buckets=buckets)
    out = tmp_path_factory.mktemp("out")

    lake([str(CAPTURES / name)], out, options, range_bytes)

    assert written(out) == one_machines([CAPTURES / name], options)


def nested(number):
    """A capture whose packets carry captures, so that records seem to begin in the middle of them."""
    inner = pcap_of([(START_NS + at, bytes([0x45]) + bytes(39)) for at in range(30)])[24:]
    carrier = bytes.fromhex("450000000000000040fd0000") + bytes([10, 0, 0, 1, 10, 0, 0, 2])
    return pcap_of([(START_NS + at * 10**6, carrier + inner) for at in range(number)])


def test_a_capture_that_carries_captures_is_read_again_where_ranges_do_not_meet(tmp_path):
    path = tmp_path / "nested.pcap"
    path.write_bytes(nested(120))

    done = lake([str(path)], tmp_path / "out", range_bytes=15_000)

    assert any("seemed a record" in reason for reason in done.repairs)
    assert written(tmp_path / "out") == one_machines([path], IDLE)


def test_sections_that_begin_in_the_middle_are_told_to_those_behind(tmp_path):
    packets = [
        bytes.fromhex("4500001c00000000401100000a0000010a000002") + bytes([0, at, 0, 9, 0, 8, 0, 0])
        for at in range(200)
    ]
    blocks = [
        block(
            6,
            bytes(4)
            + (5 * 10**14 + at).to_bytes(8, "little")[4:]
            + (at + 7).to_bytes(4, "little")
            + 2 * len(packet).to_bytes(4, "little")
            + packet,
        )
        for at, packet in enumerate(packets)
    ]
    interface = block(1, RAW_IP.to_bytes(2, "little") + bytes(6))
    path = tmp_path / "sections.pcapng"
    half = len(blocks) // 2
    path.write_bytes(b"".join([section(), interface, *blocks[:half], section(), interface, *blocks[half:]]))

    done = lake([str(path)], tmp_path / "out", range_bytes=3_000)

    assert done.repairs
    assert written(tmp_path / "out") == one_machines([path], IDLE)


def test_damage_in_one_range_ends_the_capture_as_for_one_machine(tmp_path):
    data = bytearray(pcap_of(sorted(second_sensor())))
    data[len(data) // 2 : len(data) // 2 + 400] = b"\xff" * 400
    path = tmp_path / "damaged.pcap"
    path.write_bytes(data)

    done = lake([str(path)], tmp_path / "out", range_bytes=4_000)

    assert written(tmp_path / "out") == one_machines([path], IDLE)
    assert [one.path for one in done.problems] == [str(path)]


def test_a_worker_of_another_build_is_refused_by_name():
    words = LakeWork("w", "o", RangeOptions(), build()).words()

    with pytest.raises(PortcallError, match=r"this worker has 'portcall .*'portcall 0\.0"):
        LakeWork.of_words({**words, "build": "portcall 0.0"})


def test_a_capture_that_a_worker_does_not_find_ends_the_job(tmp_path):
    class Elsewhere(EngineHere):
        def map(self, work, kind, tasks):
            path.rename(tmp_path / "gone")
            return super().map(work, kind, tasks)

    path = tmp_path / "here.pcap"
    path.write_bytes(pcap_of(second_sensor()))

    with pytest.raises(PortcallError, match="shared file system"):
        lake([str(path)], tmp_path / "out", engine=Elsewhere())


def test_rows_of_an_earlier_job_that_count_no_more_are_gone(rotated, tmp_path):
    lake(rotated, tmp_path)

    lake(rotated[:3], tmp_path)

    assert written(tmp_path) == one_machines(rotated[:3], IDLE)
    assert not [name for name in Store(str(tmp_path)).names() if name.endswith(".unfinished")]


def test_nothing_to_read_is_an_error(tmp_path):
    (tmp_path / "empty.pcap").write_bytes(b"")

    with pytest.raises(PortcallError, match="the file is empty"):
        lake([str(tmp_path / "empty.pcap")], tmp_path / "out")


def test_a_header_without_packets_makes_no_row(tmp_path):
    (tmp_path / "header.pcap").write_bytes(pcap_header(magic=NANOSECONDS, link=RAW_IP))

    assert lake([str(tmp_path / "header.pcap")], tmp_path / "out").rows == 0


def test_captures_are_as_many_as_the_tests_say(rotated):
    assert len(rotated) == 2 * FILES + 2
