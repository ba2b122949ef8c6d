"""Captures for Apache Spark 4, and for Sail, which runs the same classes without a JVM.

    from portcall.engines.spark import PcapDataSource, write_flows
    spark.dataSource.register(PcapDataSource)
    spark.read.format("pcap").option("mode", "packets").load("s3://bucket/2026/*.pcap.gz")
    write_flows(spark, ["s3://bucket/2026/*.pcap.gz"], "s3://bucket/flows", idle=60)

``write_flows`` spreads one sensor over all workers. The data source has no shuffle of its own, so by ``flows`` and by
``queries`` a sensor is one task. The tasks are in ``tasks``; here is only what Spark wants to be asked in.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from pyspark.errors import PySparkException
from pyspark.sql.datasource import DataSource, DataSourceReader, EqualTo, InputPartition
from pyspark.sql.types import ArrayType, LongType, StringType, StructField, StructType

from portcall.engines import source_modes
from portcall.engines.lake import LakeOptions, LakeReport
from portcall.engines.lake import write_flows as write_with
from portcall.engines.range_reading import BUCKETS, RangeOptions
from portcall.engines.ranges import RANGE_BYTES
from portcall.engines.staging import Store, parts
from portcall.engines.tasks import LakeWork, gather_names, make_rows_of_bucket, make_rows_of_over, read_range
from portcall.errors import PortcallError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

_TASKS = {"range": read_range, "names": gather_names, "over": make_rows_of_over}
_ANSWER = "answer string"
_PARTS = "sensor bigint, bucket bigint, number bigint, partial binary"
_MODES = ("flows", "packets", "queries")
_SENSORS = ("one", "folder")
_INNER_MODES = ("tasks", "parts")
_NS = 1e9
_OURS = re.compile(r"(?:portcall\.errors\.)?(?:PortcallError|CaptureError|UsageError): (.+)")
_MOST_CHARACTERS = 300
_SPARK_TYPES = {
    "integer": LongType(),
    "text": StringType(),
    "address": StringType(),
    "texts": ArrayType(StringType()),
    "integers": ArrayType(LongType()),
}


class PcapDataSource(DataSource):  # type: ignore[misc]  # pyspark's types are not read
    """``spark.read.format("pcap")``: rows of captures. Options are documented in docs/lake.md."""

    @classmethod
    def name(cls) -> str:
        """What it is called in ``format``."""
        return "pcap"

    def schema(self) -> StructType | str:
        """The columns of the mode."""
        mode = self.options.get("mode", "flows")
        if mode in _INNER_MODES:
            return _ANSWER if mode == "tasks" else _PARTS
        types = source_modes.column_types(_one_of("mode", mode, _MODES))
        return StructType([StructField(name, _SPARK_TYPES[of]) for name, of in types.items()])

    def reader(self, schema: Any) -> DataSourceReader:  # Any: a StructType, or a schema of pyarrow
        """What reads it."""
        mode = self.options.get("mode", "flows")
        if mode in _INNER_MODES:
            return _TaskReader(self.options)
        return _CaptureReader(self.options, list(schema.names))


class _Task(InputPartition):  # type: ignore[misc]  # as above
    """What one task is told, in words."""

    def __init__(self, words: str) -> None:
        self.words = words


class _TaskReader(DataSourceReader):  # type: ignore[misc]  # as above
    """Tasks of a lake, which answer in JSON, and parts that they left."""

    def __init__(self, options: Any) -> None:  # Any: a mapping without case
        self._words = options["tasks"]

    def partitions(self) -> Sequence[InputPartition]:
        """One for each task."""
        told = _fetched(self._words)
        job = {name: told[name] for name in ("kind", "work")}
        return [_Task(json.dumps({**job, "task": task})) for task in told["tasks"]]

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        """The answer of a task, or the parts of one range."""
        import pyarrow as pa

        told = json.loads(partition.words)
        work, task = LakeWork.of_words(told["work"]), told["task"]
        if told["kind"] != "parts":
            answer = json.dumps(_TASKS[told["kind"]](work, task))
            yield pa.RecordBatch.from_arrays([pa.array([answer], pa.string())], names=["answer"])
            return
        found = list(parts(Store(work.work), task["range"], 0, work.options.buckets))
        if not found:
            return
        # All in one batch: Sail holds Python's lock while it waits for room for the next one, which others want too.
        buckets, data = zip(*found, strict=True)
        sensors, numbers = [task["sensor"]] * len(found), [task["number"]] * len(found)
        columns = [pa.array(value, pa.int64()) for value in (sensors, buckets, numbers)]
        names = ["sensor", "bucket", "number", "partial"]
        yield pa.RecordBatch.from_arrays([*columns, pa.array(data, pa.binary())], names=names)


class _CaptureReader(DataSourceReader):  # type: ignore[misc]  # as above
    """Rows of captures, a task for each sensor, or for each range by packets."""

    def __init__(self, options: Any, columns: list[str]) -> None:  # Any: a mapping without case
        self._options, self._columns = dict(options), columns
        self._sensor: str | None = None

    def pushFilters(self, filters: list[Any]) -> Iterator[Any]:  # noqa: N802 (Spark's name)  # Any: pyspark's filters
        """Take over ``sensor = …``, by which whole tasks fall away; gives what Spark must look at itself."""
        for one in filters:
            if isinstance(one, EqualTo) and tuple(one.attribute) == ("sensor",) and self._sensor is None:
                self._sensor = str(one.value)
            else:
                yield one

    def partitions(self) -> Sequence[InputPartition]:
        """One for each sensor or range."""
        options = self._options
        mode = _one_of("mode", options.get("mode", "flows"), _MODES)
        read = _range_options(options, by="query" if mode == "queries" else "flow")
        paths = json.loads(options["paths"]) if "paths" in options else [options["path"]]
        sensors = _one_of("sensors", options.get("sensors", "one"), _SENSORS)
        range_bytes = _whole(options, "range_bytes", RANGE_BYTES)
        tasks = source_modes.tasks_of(mode, paths, read, range_bytes, sensors)
        wanted = [task for task in tasks if self._sensor in (None, task["sensor"])]
        return [_Task(json.dumps({**task, "columns": self._columns})) for task in wanted]

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        """The rows of one task, with the columns that are asked for."""
        yield from source_modes.rows_of(json.loads(partition.words))


class SparkEngine:
    """Tasks by a session of Spark or of Sail."""

    def __init__(self, spark: SparkSession) -> None:
        self._spark = spark
        spark.dataSource.register(PcapDataSource)

    def map(self, work: LakeWork, kind: str, tasks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The answers of all tasks of a kind."""
        if not tasks:
            return []
        words = _left(work, kind, tasks)
        return _answers(self._spark.read.format("pcap").options(mode="tasks", tasks=words).load())

    def reduce(
        self, work: LakeWork, ranges: Sequence[dict[str, Any]], tasks: dict[tuple[int, int], dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """The answers of one call for each sensor and bucket."""
        words = _left(work, "parts", ranges)
        told = _left(work, "buckets", [{"of": list(of), **task} for of, task in tasks.items()])
        rows = self._spark.read.format("pcap").options(mode="parts", tasks=words).load()

        def merged(table: pa.Table) -> pa.Table:
            return _merge_bucket(told, table)

        return _answers(rows.groupBy("sensor", "bucket").applyInArrow(merged, _ANSWER))


def write_flows(
    spark: SparkSession,
    paths: Sequence[str],
    out: str,
    *,
    range_bytes: int = RANGE_BYTES,
    sensors: str = "one",
    **options: Any,  # Any: the other options of the data source, as they are named there
) -> LakeReport:
    """Write the conversations of captures as Parquet below ``out``; by Spark or by Sail, as the session is."""
    _one_of("sensors", sensors, _SENSORS)
    read = _range_options(options)
    return write_with(SparkEngine(spark), paths, out, LakeOptions(read, range_bytes, sensors))


def _answers(asked: DataFrame) -> list[dict[str, Any]]:
    """What tasks answer. PortcallError with the words of the one that failed."""
    try:
        return [json.loads(row["answer"]) for row in asked.collect()]
    except PySparkException as error:
        raise PortcallError(_reason(str(error))) from error


def _reason(told: str) -> str:
    """What a worker said, out of all that an engine says around it."""
    found = _OURS.search(told)
    return found[1] if found else f"a task failed: {told.strip().splitlines()[0][:_MOST_CHARACTERS]}"


def _merge_bucket(words: str, table: pa.Table) -> pa.Table:
    import pyarrow as pa

    told = _fetched(words)
    of = [table["sensor"][0].as_py(), table["bucket"][0].as_py()]
    task = next(task for task in told["tasks"] if task["of"] == of)
    parts_of_bucket = zip(table["number"].to_pylist(), table["partial"].to_pylist(), strict=True)
    answer = make_rows_of_bucket(LakeWork.of_words(told["work"]), task, parts_of_bucket)
    return pa.table({"answer": pa.array([json.dumps(answer)], pa.string())})


def _left(work: LakeWork, kind: str, tasks: Sequence[dict[str, Any]]) -> str:
    """Leave what tasks are told in the store; gives where, as JSON."""
    import pyarrow as pa

    told = json.dumps({"kind": kind, "work": work.words(), "tasks": list(tasks)})
    name = f"tasks/{kind}.parquet"
    Store(work.work).write(name, pa.table({"told": pa.array([told], pa.large_string())}))
    return json.dumps([work.work, name])


def _fetched(words: str) -> dict[str, Any]:
    work, name = json.loads(words)
    told: dict[str, Any] = json.loads(Store(work).read(name)["told"][0].as_py())
    return told


def _range_options(options: Any, by: str = "flow") -> RangeOptions:  # Any: a mapping
    idle_s = _number(options, "idle")
    return RangeOptions(
        layer=_one_of("layer", str(options.get("layer", "outer")), ("outer", "inner")),
        names=str(options.get("names", "true")).lower() != "false",
        idle_ns=round(idle_s * _NS),
        filter=options.get("filter"),
        bucket=options.get("bucket"),
        by=by,
        buckets=_whole(options, "buckets", BUCKETS),
    )


def _number(options: Any, name: str) -> float:  # Any: a mapping
    try:
        value = float(options.get(name) or 0)
    except ValueError:
        value = -1
    if not 0 <= value <= 1 << 33:
        raise UsageError(f"{name}: {options.get(name)} is not a number of seconds")
    return value


def _whole(options: Any, name: str, default: int) -> int:  # Any: a mapping
    try:
        value = int(options.get(name, default))
    except ValueError:
        value = -1
    if value < 0:
        raise UsageError(f"{name}: {options.get(name)} is not a whole number")
    return value


def _one_of(name: str, value: str, known: Sequence[str]) -> str:
    if value not in known:
        raise UsageError(f"{name}: {value} is none of {', '.join(known)}")
    return value
