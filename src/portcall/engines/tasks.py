"""What a task of a lake does, whatever engine runs it: read a range, gather a sensor's names, make rows of parts.

A task is told in words, does one thing, leaves its file in the store, and answers in one line. Each may run twice, here
or elsewhere, and leaves the same.
"""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from portcall.engines.app_sums import sums_of
from portcall.engines.partial_parts import OVER, REST, TELLING
from portcall.engines.range_reading import RangeOptions, read_partial
from portcall.engines.ranges import CaptureRange
from portcall.engines.reducing import merge, names_of, report_of
from portcall.engines.staging import Store, name_of, parts, stage
from portcall.errors import PortcallError
from portcall.runs.partial import Partial
from portcall.runs.partial_bytes import build

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pyarrow as pa

Words = dict[str, Any]  # Any: what JSON has


@dataclass(frozen=True)
class LakeWork:
    """What every task of a job is told."""

    work: str
    """The folder for what tasks leave for others."""
    out: str
    """The folder for rows."""
    options: RangeOptions
    build: str

    def words(self) -> Words:
        """The same as plain data."""
        return asdict(self)

    @classmethod
    def of_words(cls, words: Words) -> LakeWork:
        """The job that these are of. PortcallError where another build planned it."""
        if words["build"] != build():
            raise PortcallError(
                f"this worker has {build()!r}, and who planned the job has {words['build']!r}. "
                "Install the same portcall on all of them"
            )
        return cls(**{**words, "options": RangeOptions(**words["options"])})


def read_range(work: LakeWork, task: Words) -> Words:
    """Read a range, and leave its parts; gives the receipt."""
    one = CaptureRange.of_words(task["range"])
    found = read_partial(one, work.options)
    for path, offset, reason, _ in found.receipt.problems:
        if offset is None:
            raise PortcallError(
                f"{path}: {reason}, for a worker; who planned the job could read it. "
                "Captures must lie where all workers find them: on a shared file system, or in an object store"
            )
    stage(Store(work.work), task["name"], found.parts, found.receipt)
    return {"name": task["name"], "receipt": found.receipt.words()}


def gather_names(work: LakeWork, task: Words) -> Words:
    """Merge what all ranges of a sensor tell of others, and leave it; its rows are of frames on no flow."""
    import pyarrow as pa

    store, frames_before = Store(work.work), _frames_before(task)
    told: dict[int, list[tuple[int, bytes]]] = {REST: [], TELLING: []}
    for number, name in enumerate(task["names"]):
        for bucket, data in parts(store, name, TELLING, REST):
            told[bucket].append((number, data))
    telling = merge(told[TELLING], frames_before) if told[TELLING] else None
    names = names_of(merge(told[REST], frames_before), telling)
    data = names.to_bytes()
    store.write(task["name"], pa.table({"partial": pa.array([data], pa.large_binary())}))
    return {
        "copies": names.copies,
        "tallies": names.flows.arrays()["tallies"].tolist(),
        **_written(work, task, names, None),
    }


def make_rows_of_over(work: LakeWork, task: Words) -> Words:
    """Make rows of what was over in one range."""
    (found,) = parts(Store(work.work), task["range"], OVER, OVER)
    part = merge([(task["number"], found[1])], {task["number"]: task["frames_before"]})
    return _written(work, task, part, task["names"])


def make_rows_of_bucket(work: LakeWork, task: Words, told: Iterable[tuple[int, bytes]]) -> Words:
    """Merge the parts of one bucket, with the numbers of their ranges, and make rows of it."""
    return _written(work, task, merge(told, _frames_before(task)), task["names"])


def _frames_before(task: Words) -> dict[int, int]:
    return dict(enumerate(task["frames_before"]))


def _written(work: LakeWork, task: Words, part: Partial, names: str | None) -> Words:
    """Write the rows of a part; tells how many there are, and what a report by app needs of them."""
    data = part.to_bytes()
    known = _names(work.work, names)
    report = report_of(part, Partial.from_bytes(known) if known else None)
    table = with_sensor(report, task["sensor"])
    if len(table):
        Store(work.out).write(task["rows"], table)
    beyond = part.state.names.beyond_bounds() if part.state else []
    sums = sums_of(Partial.from_bytes(data), Partial.from_bytes(known) if known else None)
    file = task["rows"] if len(table) else None
    return {"rows": len(table), "file": file, "sums": base64.b64encode(sums).decode(), "beyond": beyond}


@lru_cache(maxsize=2)
def _names(work: str, name: str | None) -> bytes | None:
    """The names of a sensor as they lie there: each who uses them makes its own of these bytes."""
    if name is None:
        return None
    found: bytes = Store(work).read(name)["partial"][0].as_py()
    return found


def with_sensor(report: Any, sensor: str) -> pa.Table:  # Any: a Report, whose rows Arrow has
    """Its rows as a table that says whose they are."""
    import pyarrow as pa

    from portcall.records.arrow_columns import record_batches

    table = pa.Table.from_batches(record_batches(report), record_batches(report).schema).replace_schema_metadata(None)
    return table.add_column(0, "sensor", pa.array([sensor] * len(table), pa.string()))


def range_name(work: Words, one: CaptureRange, stamps: Sequence[Any]) -> str:
    """What the staged file of a range is called."""
    words: Mapping[str, Any] = {**one.words(), "number": 0}
    return f"ranges/{name_of(words, list(stamps), work['options'], work['build'])}.parquet"
