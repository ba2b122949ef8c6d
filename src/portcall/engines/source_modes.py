"""What ``spark.read.format("pcap")`` gives without a shuffle: packets by range; flows and queries by sensor.

Rows are those of one machine. A sensor is one task by flows and queries, as only a shuffle could do with more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from portcall.decoding.decoder import Decoder
from portcall.engines.range_reading import RangeOptions, batches_of, whole_of_ranges
from portcall.engines.ranges import CaptureRange, plan
from portcall.engines.reducing import report_of
from portcall.engines.tasks import with_sensor
from portcall.errors import PortcallError
from portcall.records.packets import NO_TIME, Verdict
from portcall.records.schema import columns as columns_of
from portcall.runs.partial_bytes import build

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow as pa

_BY = {"flows": "flow", "queries": "query"}
PACKET_COLUMNS = {
    "sensor": "text",
    "path": "text",
    "ts_ns": "integer",
    "verdict": "text",
    "ip_version": "integer",
    "protocol": "integer",
    "source_ip": "text",
    "source_port": "integer",
    "target_ip": "text",
    "target_port": "integer",
    "bytes": "integer",
    "payload": "integer",
    "tcp_flags": "integer",
}
"""The columns by packet, and what each has. ``bytes`` are those on the wire, ``payload`` what the transport carries."""


def column_types(mode: str) -> dict[str, str]:
    """The columns of a mode, and what each has, in the words of the schema."""
    if mode == "packets":
        return dict(PACKET_COLUMNS)
    return {"sensor": "text", **{column.name: column.type for column in columns_of(_BY[mode])}}


def tasks_of(
    mode: str, paths: Sequence[str], options: RangeOptions, range_bytes: int, sensors: str
) -> list[dict[str, Any]]:
    """What tasks are told. PortcallError where nothing can be read."""
    from dataclasses import asdict

    from portcall.engines.lake import captures_of, sensor_of

    options.reading()
    found, problems = captures_of(paths)
    ranges, unread = plan(found, range_bytes if mode == "packets" else 0, sensor_of=sensor_of(sensors, found))
    if not ranges:
        raise PortcallError(str([*problems, *unread][0]))
    told = {"mode": mode, "options": asdict(options), "build": build()}
    return [{**told, "sensor": one.sensor, "range": one.words()} for one in ranges]


def rows_of(task: dict[str, Any]) -> Iterator[pa.RecordBatch]:
    """The rows of a task. PortcallError where another build planned it."""
    if task["build"] != build():
        raise PortcallError(f"this worker has {build()!r}, and who planned has {task['build']!r}. Install the same")
    options, one = RangeOptions(**task["options"]), CaptureRange.of_words(task["range"])
    if task["mode"] == "packets":
        for batch in batches_of(one, options):
            yield from _packets(batch, one, options, task["columns"])
        return
    partial = whole_of_ranges(one, options)
    table = with_sensor(report_of(partial, None, _BY[task["mode"]]), one.sensor)
    yield from _as_engines_call_it(table.select(task["columns"])).to_batches()


def _as_engines_call_it(table: pa.Table) -> pa.Table:
    """The same, the items of whose lists have the name that Spark gives them, which Sail insists on."""
    import pyarrow as pa

    fields = [
        field.with_type(pa.list_(pa.field("element", field.type.value_type))) if pa.types.is_list(field.type) else field
        for field in table.schema
    ]
    return table.cast(pa.schema(fields))


def _packets(batch: Any, one: CaptureRange, options: RangeOptions, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    import numpy as np
    import pyarrow as pa

    from portcall.records.column_values import Addresses

    layer: Any = options.layer  # Any: one of two words
    packets = Decoder(layer).decode(batch)
    ports = packets["verdict"] == Verdict.OK
    are_ip = packets["ip_version"] > 0
    values: dict[str, Callable[[], pa.Array]] = {
        "sensor": lambda: pa.array([one.sensor] * len(packets), pa.string()),
        "path": lambda: pa.array([one.paths[0] if len(one.paths) == 1 else None] * len(packets), pa.string()),
        "ts_ns": lambda: pa.array(packets["ts_ns"], pa.int64(), mask=packets["ts_ns"] == NO_TIME),
        "verdict": lambda: pa.array([Verdict(number).name.lower() for number in packets["verdict"]], pa.string()),
        "bytes": lambda: pa.array(packets["wire"].astype(np.int64), pa.int64()),
        "payload": lambda: pa.array(packets["payload"].astype(np.int64), pa.int64()),
        "ip_version": lambda: pa.array(packets["ip_version"].astype(np.int64), pa.int64(), mask=~are_ip),
        "protocol": lambda: pa.array(packets["protocol"].astype(np.int64), pa.int64(), mask=~are_ip),
        "tcp_flags": lambda: pa.array(
            packets["tcp_flags"].astype(np.int64),
            pa.int64(),
            mask=~(ports & (packets["protocol"] == 6)),  # noqa: PLR2004 - TCP
        ),
    }
    for end in ("source", "target"):
        high, low = packets[end].view(">u8").T.astype(np.uint64, order="C")
        texts = Addresses(high, low, packets["ip_version"] == 6).plain()  # noqa: PLR2004 - of IP
        shown = [text if known else None for text, known in zip(texts, are_ip.tolist(), strict=True)]
        values[f"{end}_ip"] = lambda shown=shown: pa.array(shown, pa.string())  # type: ignore[misc]
        numbers = packets[f"{end}_port"].astype(np.int64)
        values[f"{end}_port"] = lambda numbers=numbers: pa.array(numbers, pa.int64(), mask=~ports)  # type: ignore[misc]
    yield pa.RecordBatch.from_arrays([values[name]() for name in columns], names=list(columns))
