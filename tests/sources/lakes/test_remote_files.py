"""Captures behind addresses: patterns, folders, parts; from an emulator of S3, to Sail as well."""

from __future__ import annotations

import gzip
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

import portcall
from engine_here import EngineHere
from portcall.errors import CaptureError, PortcallError, UsageError
from portcall.sources.captures import expand
from portcall.sources.lakes.capture_parts import CapturePart, part_places

CAPTURES = Path(__file__).parents[3] / "captures"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "day" / "deep").mkdir(parents=True)
    for name in ("day/a.pcap", "day/deep/b.pcap"):
        (tmp_path / name).write_bytes((CAPTURES / "dns.pcap").read_bytes())
    (tmp_path / "day" / "c.pcap.gz").write_bytes(gzip.compress((CAPTURES / "ssh.pcap").read_bytes()))
    return f"file://{tmp_path}"


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("day/*.pcap", ["day/a.pcap"]),
        ("day/**/*.pcap", ["day/a.pcap", "day/deep/b.pcap"]),
        ("day/?.pcap*", ["day/a.pcap", "day/c.pcap.gz"]),
        ("day", ["day/a.pcap", "day/c.pcap.gz", "day/deep/b.pcap"]),
        ("day/a.pcap", ["day/a.pcap"]),
        ("day/none.pcap", ["day/none.pcap"]),
    ],
)
def test_an_address_means_files_as_the_shell_would(folder, pattern, names):
    assert expand([f"{folder}/{pattern}"]) == [f"{folder}/{name}" for name in names]


def test_what_is_behind_an_address_is_read_as_a_file_is(folder):
    there = portcall.read([f"{folder}/day/*"], by="flow").to_dicts()

    assert there == portcall.read([str(CAPTURES / "dns.pcap"), str(CAPTURES / "ssh.pcap")], by="flow").to_dicts()


def test_what_is_not_there_is_an_error(folder):
    with pytest.raises(PortcallError, match=r"none\.pcap"):
        portcall.read([f"{folder}/none.pcap"])


def test_an_address_that_nothing_knows_is_one_too():
    with pytest.raises(UsageError, match="gopher"):
        expand(["gopher://host/a.pcap"])


def test_parts_of_a_file_meet_and_are_the_whole():
    path = str(CAPTURES / "office.pcapng")
    places = [*part_places(path, 20_000), None]
    frames, exits = 0, []
    for start, stop in pairwise(places):
        part = CapturePart(path, start, stop)
        frames += sum(len(batch.frames) for batch in part.batches())
        exits.append(part.read())

    assert len(exits) > 3
    assert [one.exit for one in exits[:-1]] == [one.entry for one in exits[1:]]
    assert frames == portcall.read([path]).coverage.frames


def test_a_compressed_file_has_no_parts(folder):
    path = folder.removeprefix("file://") + "/day/c.pcap.gz"

    assert part_places(path, 1_000) == [0]
    with pytest.raises(CaptureError, match="cannot be read in parts"):
        CapturePart(path, 0, None)


@pytest.mark.filterwarnings("ignore")  # moto's
def test_s3_serves_the_same(monkeypatch):
    from moto import server as moto
    from pyarrow import fs

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        store, _ = fs.FileSystem.from_uri("s3://lake?allow_bucket_creation=true")
        store.create_dir("lake")
        for name in ("dns.pcap", "ssh.pcap", "office.pcapng"):
            with store.open_output_stream(f"lake/day/{name}") as stream:
                stream.write((CAPTURES / name).read_bytes())
        _check_lake(store)
    finally:
        server.stop()


def _check_lake(store):
    import pyarrow.dataset as ds
    from pyarrow import fs

    from portcall.engines.lake import LakeOptions, write_flows
    from portcall.engines.range_reading import RangeOptions
    from portcall.records.schema import column_names

    options = LakeOptions(RangeOptions(buckets=3), range_bytes=20_000)
    done = write_flows(EngineHere(), ["s3://lake/day/*"], "s3://lake/flows", options)
    words = ["read", "s3://lake/day/*", "--engine", "sail", "--range-bytes", "20kB", "-o", "s3://lake/by-sail"]
    subprocess.run([sys.executable, "-m", "portcall", *words], check=True, capture_output=True, timeout=120)

    here = portcall.read([str(CAPTURES / name) for name in ("dns.pcap", "ssh.pcap", "office.pcapng")], by="flow")
    selector = fs.FileSelector("lake/by-sail/sensor=all")
    by_sail = [found.path for found in store.get_file_info(selector)]
    for files in ([f"lake/flows/{name}" for name in done.files], by_sail):
        table = ds.dataset(files, filesystem=store, format="parquet").to_table()
        rows = table.select(column_names("flow")).to_pylist()
        assert sorted(map(repr, rows)) == sorted(map(repr, here.to_dicts()))
