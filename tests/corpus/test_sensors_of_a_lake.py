"""Every capture as a sensor of its own in one lake, cut into small ranges: its rows are those of one machine."""

from __future__ import annotations

import duckdb

from engine_here import EngineHere
from examples import DEEPER
from lake_rows import comparable, one_machines
from portcall.engines.lake import LakeOptions, write_flows
from portcall.engines.range_reading import RangeOptions

ONE_OF = 1 if DEEPER > 1 else 48
RANGE_BYTES = 50_000


def test_rows_of_a_lake_of_many_sensors_are_those_of_each_capture(corpus, tmp_path):
    lake, out = tmp_path / "lake", tmp_path / "flows"
    paths = {}
    for number, entry in enumerate(corpus.entries[::ONE_OF]):
        sensor = f"{number:04}"
        (lake / sensor).mkdir(parents=True)
        (lake / sensor / entry.name).symlink_to(entry.path)
        paths[sensor] = str(lake / sensor / entry.name)
    options = RangeOptions(buckets=4)

    write_flows(EngineHere(), list(paths.values()), str(out), LakeOptions(options, RANGE_BYTES, "folder"))

    found = {sensor: [] for sensor in paths}
    rows = duckdb.sql(f"from read_parquet('{out}/sensor=*/*.parquet', hive_partitioning=false)")
    for row in rows.fetchall():
        told = dict(zip(rows.columns, row, strict=True))
        found[told.pop("sensor")].append(told)
    assert len(paths) > 10
    for sensor, path in paths.items():
        assert comparable(found[sensor]) == one_machines([path], options), path
