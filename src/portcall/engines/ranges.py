"""Which task reads what: ranges of the captures of a sensor, in order of time, each of about so many bytes.

A range is files that follow each other, or a part of one large plain file. Ranges of a sensor are numbered in the order
in which one machine would read them. Where files overlap in time that order goes back and forth between them; then a
range is also a window of time, and reads every file that has frames in it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from portcall.errors import CaptureError
from portcall.records.packets import NO_TIME
from portcall.sources.captures import first_ns
from portcall.sources.lakes.capture_parts import part_places
from portcall.sources.lakes.remote_files import file_system

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

RANGE_BYTES = 256 << 20
_LOOKS_AT_ONCE = 16  # each waits for the network, seldom for the processor
ONE_SENSOR = "all"


@dataclass(frozen=True)
class CaptureRange:
    """What one task reads."""

    sensor: str
    number: int
    """Its place among the ranges of the sensor."""
    paths: tuple[str, ...]
    """In order of their first frames."""
    bytes: int
    """Of these files, as they are stored."""
    start: int = 0
    stop: int | None = None
    """Places in its one file, between which its records begin; None: to the end."""
    is_part: bool = False
    """Whether it has a part of a file only."""
    from_ns: int | None = None
    to_ns: int | None = None
    """The window of time of which frames count; None: no bound."""
    is_first: bool = False
    is_last: bool = False
    lets_leave: bool = True
    """Whether conversations that are over leave at once."""

    def words(self) -> dict[str, Any]:  # Any: what JSON has
        """The same as plain data."""
        return asdict(self)

    @classmethod
    def of_words(cls, words: dict[str, Any]) -> CaptureRange:
        """The range that these are."""
        return cls(**{**words, "paths": tuple(words["paths"])})


class CaptureFile(NamedTuple):
    """A capture, and what a look at its beginning tells."""

    path: str
    bytes: int
    first_ns: int
    """Time of its first frame; NO_TIME where it has none."""


def plan(
    paths: Sequence[str],
    target_bytes: int = RANGE_BYTES,
    *,
    sensor_of: Callable[[str], str] = lambda _: ONE_SENSOR,
) -> tuple[list[CaptureRange], list[CaptureError]]:
    """Ranges of about so many bytes, and the captures that cannot be read. ``sensor_of`` tells whose a path is."""
    problems: list[CaptureError] = []
    by_sensor: dict[str, list[CaptureFile]] = {}
    with ThreadPoolExecutor(_LOOKS_AT_ONCE) as pool:
        for path, found in zip(paths, pool.map(_look_at, paths), strict=True):
            if isinstance(found, CaptureError):
                problems.append(found)
            else:
                by_sensor.setdefault(sensor_of(path), []).append(found)
    ranges = []
    for sensor, files in sorted(by_sensor.items()):
        ranges += numbered(_ranges_of(sensor, sorted(files, key=lambda file: file.first_ns), target_bytes))
    return ranges, problems


def numbered(ranges: Sequence[CaptureRange]) -> list[CaptureRange]:
    """The ranges of a sensor in their order, each told its place."""
    last = len(ranges) - 1
    return [
        replace(one, number=number, is_first=number == 0, is_last=number == last) for number, one in enumerate(ranges)
    ]


def _look_at(path: str) -> CaptureFile | CaptureError:
    try:
        store, name = file_system(path)
        return CaptureFile(path, store.get_file_info(name).size or 0, first_ns(path))
    except CaptureError as problem:
        return problem


def _ranges_of(sensor: str, files: Sequence[CaptureFile], target_bytes: int) -> list[CaptureRange]:
    ranges: list[CaptureRange] = []
    paths: list[str] = []
    size = 0

    def close() -> None:
        nonlocal size
        if paths:
            ranges.append(CaptureRange(sensor, 0, tuple(paths), size))
        paths.clear()
        size = 0

    for file in files:
        places = part_places(file.path, target_bytes) if target_bytes and file.bytes >= 2 * target_bytes else [0]
        if len(places) > 1 and file.first_ns != NO_TIME:
            close()
            stops = [*places[1:], None]
            for start, stop in zip(places, stops, strict=True):
                length = (file.bytes if stop is None else stop) - start
                ranges.append(CaptureRange(sensor, 0, (file.path,), length, start, stop, is_part=True))
            continue
        if paths and target_bytes and size + file.bytes > target_bytes:
            close()
        paths.append(file.path)
        size += file.bytes
    close()
    return ranges
