"""A lake of captures: plan, read, prove, name and write, in steps that any engine can run.

    plan      ranges of about so many bytes, sensor by sensor              here
    read      ranges → parts and receipts; again as long as not proven     a task a range
    names     what all ranges of a sensor tell of others                   a task a sensor
    rows      of what was over within a range                              a task a range
              of the rest, parts of one bucket merged in order             a shuffle, a call a bucket
    commit    which files of rows count, and the report by app             here

An engine maps tasks over workers and groups parts by bucket (``Engine``). It may run any task again: files have names
that follow from what is in them. Only the last step makes rows visible.
"""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from portcall.engines.app_sums import report_by_app, shortfalls_of
from portcall.engines.partial_parts import OVER
from portcall.engines.ranges import ONE_SENSOR, RANGE_BYTES, CaptureRange, plan
from portcall.engines.receipts import Receipt, verify
from portcall.engines.staging import Store, name_of, staged, stamps_of
from portcall.engines.tasks import LakeWork, range_name
from portcall.errors import CaptureError, PortcallError
from portcall.records.report import Degradation
from portcall.runs.partial_bytes import build
from portcall.sources.folders import NamedFiles
from portcall.sources.lakes.remote_files import is_remote

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from portcall.engines.range_reading import RangeOptions
    from portcall.records.report import Report

_MOST_ROUNDS = 8
_WORK = "_work"
_HIVE_SAFE = "-.~"


class Engine(Protocol):
    """What runs tasks elsewhere."""

    def map(self, work: LakeWork, kind: str, tasks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The answers of all tasks of a kind, in any order."""

    def reduce(
        self, work: LakeWork, ranges: Sequence[dict[str, Any]], tasks: dict[tuple[int, int], dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """The answers of one call for each sensor and bucket, with the parts of all its ranges."""


@dataclass(frozen=True)
class LakeOptions:
    """How a lake is read."""

    read: RangeOptions
    range_bytes: int = RANGE_BYTES
    sensors: str = "one"
    """``one``: all captures are one, as for ``portcall read``; ``folder``: those in a folder are of one sensor."""


@dataclass(frozen=True)
class LakeReport:
    """What was written."""

    report: Report
    """By app, as ``portcall read`` has it."""
    problems: list[CaptureError]
    files: list[str]
    """Of rows, below the output folder."""
    rows: int
    ranges: int
    ranges_read: int
    """In this run; the others were read by an earlier one."""
    left_early: int
    """Conversations that were over within their range, and went through no shuffle."""
    repairs: list[str]
    """Why ranges were read again."""


def write_flows(engine: Engine, patterns: Sequence[str], out: str, options: LakeOptions) -> LakeReport:
    """Write the conversations of captures as Parquet below ``out``. PortcallError where nothing can be read at all."""
    paths, problems = captures_of(patterns)
    ranges, unread = plan(paths, options.range_bytes, sensor_of=sensor_of(options.sensors, paths))
    problems += unread
    if not ranges:
        raise PortcallError(str(problems[0]) if problems else "there is no capture to read")
    options.read.reading()  # UsageError before anything is read
    folder = out.rstrip("/") if is_remote(out) else str(Path(out).absolute())
    work = LakeWork(f"{folder}/{_WORK}", folder, options.read, build())
    receipts, read, repairs = _proven(engine, work, ranges)
    problems += [CaptureError(*problem) for receipt in receipts for problem in receipt.problems]
    if not any(receipt.frames for receipt in receipts) and len(problems) >= len(paths):
        raise PortcallError(str(problems[0]))
    return _with_rows(engine, work, receipts, (problems, len(read), repairs, ", ".join(patterns)))


def captures_of(patterns: Sequence[str]) -> tuple[list[str], list[CaptureError]]:
    """The captures that patterns, folders and addresses mean, and what could not be looked into."""
    named = NamedFiles(patterns)
    paths = [path if is_remote(path) else str(Path(path).absolute()) for path in named.paths]  # workers stand elsewhere
    return list(dict.fromkeys(paths)), list(named.problems)


def sensor_of(sensors: str, paths: Sequence[str]) -> Callable[[str], str]:
    """What tells whose each of these captures is: by folder, its path below the folder that all have in common."""
    if sensors == "one" or not paths:
        return lambda _: ONE_SENSOR
    folders = [PurePosixPath(path).parent for path in paths]
    above = PurePosixPath(os.path.commonpath([folders[0].parent, *folders]))
    return lambda path: str(PurePosixPath(path).parent.relative_to(above))


def _proven(
    engine: Engine, work: LakeWork, ranges: Sequence[CaptureRange]
) -> tuple[list[Receipt], set[str], list[str]]:
    """Receipts that prove that all was read as one machine reads it; names of the ranges read now; and repairs."""
    store, words = Store(work.work), work.words()
    kept: list[Receipt] = []
    read: set[str] = set()
    repairs: list[str] = []
    waiting = list(ranges)
    for _ in range(_MOST_ROUNDS):
        tasks: list[dict[str, Any]] = []  # Any: what JSON has
        for one in waiting:
            name = range_name(words, one, stamps_of(one.paths))
            known = staged(store, name)
            if known and known.range.words() == one.words():
                kept.append(known)
            else:
                tasks.append({"name": name, "range": one.words()})
        read |= {task["name"] for task in tasks}
        kept += [Receipt.of_words(answer["receipt"]) for answer in engine.map(work, "range", tasks)]
        verified = verify(kept)
        repairs += verified.reasons
        kept, waiting = list(verified.kept), list(verified.again)
        if not waiting:
            return kept, read, repairs
    raise PortcallError(
        f"after {_MOST_ROUNDS} rounds the ranges still do not meet: {repairs[-1]}. Read it whole: --range-bytes 0"
    )


def _with_rows(
    engine: Engine, work: LakeWork, receipts: Sequence[Receipt], told: tuple[list[CaptureError], int, list[str], str]
) -> LakeReport:
    store, words = Store(work.work), work.words()
    names_tasks: list[dict[str, Any]] = []  # Any: what JSON has
    over_tasks: list[dict[str, Any]] = []
    ranges: list[dict[str, Any]] = []
    buckets: dict[tuple[int, int], dict[str, Any]] = {}
    for number, sensor in enumerate(dict.fromkeys(receipt.range.sensor for receipt in receipts)):
        of_sensor = sorted((one for one in receipts if one.range.sensor == sensor), key=lambda one: one.range.number)
        files = [range_name(words, one.range, stamps_of(one.range.paths)) for one in of_sensor]
        before = list(accumulate((one.frames for one in of_sensor), initial=0))[:-1]
        names, folder = f"names/{name_of(files)}.parquet", f"sensor={quote(sensor, safe=_HIVE_SAFE)}"
        task: dict[str, Any] = {"sensor": sensor, "frames_before": before, "names": names}
        names_tasks.append({**task, "names": files, "name": names, "rows": f"{folder}/rest-{name_of(files)}.parquet"})
        for at, (file, frames) in enumerate(zip(files, before, strict=True)):
            ranges.append({"range": file, "number": at, "sensor": number})
            rows = f"{folder}/over-{name_of(file, names)}.parquet"
            over_tasks.append({**task, "range": file, "number": at, "frames_before": frames, "rows": rows})
        for bucket in range(work.options.buckets):
            rows = f"{folder}/open-{name_of(files, bucket)}.parquet"
            buckets[number, bucket] = {**task, "rows": rows}
    of_names = engine.map(work, "names", names_tasks)
    with_over = [task for task in over_tasks if _has_over(store, task["range"])]
    of_over = engine.map(work, "over", with_over)
    answers = [*of_names, *of_over, *engine.reduce(work, ranges, buckets)]
    problems, read, repairs, source = told
    files = _commit(work, [answer["file"] for answer in answers if answer["file"]])
    report = report_by_app(
        (base64.b64decode(answer["sums"]) for answer in answers), [answer["tallies"] for answer in of_names], source
    )
    notes = dict.fromkeys(Degradation(*note) for receipt in receipts for note in receipt.notes)
    shortfalls = shortfalls_of(answer["beyond"] for answer in answers if answer["beyond"])
    report = replace(report, degradations=[*report.degradations, *shortfalls, *notes])
    rows = sum(answer["rows"] for answer in answers)
    left = sum(answer["rows"] for answer in of_over)
    return LakeReport(report, problems, files, rows, len(receipts), read, left, repairs)


def _has_over(store: Store, name: str) -> bool:
    return OVER in store.read(name, columns=["bucket"])["bucket"].to_pylist()


def _commit(work: LakeWork, files: list[str]) -> list[str]:
    """Have just these files of rows in the output, and say which."""
    store = Store(work.out)
    for name in store.names():
        if not name.startswith(f"{_WORK}/") and name not in files and name.endswith(".parquet"):
            store.remove(name)
    manifest = json.dumps({"build": work.build, "files": sorted(files)})
    import pyarrow as pa

    Store(work.work).write("manifest.parquet", pa.table({"manifest": [manifest]}))
    return sorted(files)
