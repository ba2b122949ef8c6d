"""Ranges whose files overlap in time, as windows: each reads every file that has frames in its own span.

One machine reads captures that overlap as one, going from file to file by time. Files that only follow each other, as
rotated ones do, stay as they are. Which do not is known once each was read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from portcall.engines.ranges import CaptureRange

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    _Span = tuple[int | None, int | None]


@dataclass(frozen=True)
class FileTimes:
    """From when to when the frames of one file are, in the order that they have in it; None without any time."""

    path: str
    first_ns: int | None
    reached_ns: int | None

    def joined(self, other: FileTimes) -> FileTimes:
        """Of two parts of one file."""
        firsts = [ns for ns in (self.first_ns, other.first_ns) if ns is not None]
        lasts = [ns for ns in (self.reached_ns, other.reached_ns) if ns is not None]
        return FileTimes(self.path, min(firsts, default=None), max(lasts, default=None))


def in_windows(ranges: Sequence[CaptureRange], times: Iterable[FileTimes]) -> list[CaptureRange]:
    """The ranges of one sensor, all of whose files were read as a whole, as one machine would order their frames."""
    files: dict[str, FileTimes] = {}
    for one in times:
        files[one.path] = files[one.path].joined(one) if one.path in files else one
    groups = _with_later_begins(_whole_where_overlapping(ranges, files), files)
    begins = [_begin(group, files) for group in groups]
    cuts: dict[int, int] = {}
    reached: int | None = None
    for at, group in enumerate(groups):
        begin = begins[at]
        is_same_file = at > 0 and group.is_part and group.paths == groups[at - 1].paths
        if reached is not None and begin is not None and reached > begin and not is_same_file:
            cuts[at] = begin
        lasts = [files[path].reached_ns for path in group.paths if path in files]
        reached = max([ns for ns in (reached, *lasts) if ns is not None], default=None)
    return [
        _window(group, (cuts.get(at), cuts.get(at + 1)), (begins[at], _next_begin(begins[at + 1 :])), files)
        for at, group in enumerate(groups)
    ]


def _window(one: CaptureRange, cuts: _Span, begins: _Span, files: dict[str, FileTimes]) -> CaptureRange:
    """A range between two cuts, None where there is none; ``begins`` are when it and the next one begin."""
    (from_ns, to_ns), (begin, end) = cuts, begins
    if from_ns is None and to_ns is None:
        return one

    def is_wanted(file: FileTimes) -> bool:
        if (
            file.first_ns is None
            or file.reached_ns is None
            or begin is None
            or (end is not None and file.first_ns >= end)
        ):
            return False
        return file.reached_ns >= from_ns if from_ns is not None else file.reached_ns > begin

    others = [path for path in files if path not in one.paths and is_wanted(files[path])]
    return replace(one, paths=(*others, *one.paths), from_ns=from_ns, to_ns=to_ns)


def _next_begin(begins: Sequence[int | None]) -> int | None:
    return next((begin for begin in begins if begin is not None), None)


def _begin(one: CaptureRange, files: dict[str, FileTimes]) -> int | None:
    firsts = [files[path].first_ns for path in one.paths if path in files]
    return min([ns for ns in firsts if ns is not None], default=None)


def _whole_where_overlapping(ranges: Sequence[CaptureRange], files: dict[str, FileTimes]) -> list[CaptureRange]:
    """Files in parts that overlap others are read as a whole: in a part nobody knows where other files go on."""
    whole = {path for path in {one.paths[0] for one in ranges if one.is_part} if _overlaps_others(path, files)}
    result: list[CaptureRange] = []
    for one in ranges:
        if not (one.is_part and one.paths[0] in whole):
            result.append(one)
        elif result and result[-1].paths == one.paths:
            result[-1] = replace(result[-1], bytes=result[-1].bytes + one.bytes)
        else:
            result.append(CaptureRange(one.sensor, 0, one.paths, one.bytes))
    return result


def _overlaps_others(path: str, files: dict[str, FileTimes]) -> bool:
    file = files[path] if path in files else FileTimes(path, None, None)
    if file.first_ns is None or file.reached_ns is None:
        return False
    return any(
        other.first_ns < file.reached_ns and file.first_ns < other.reached_ns
        for other in files.values()
        if other is not file and other.first_ns is not None and other.reached_ns is not None
    )


def _with_later_begins(ranges: list[CaptureRange], files: dict[str, FileTimes]) -> list[CaptureRange]:
    """Ranges each of which begins after the one before it; others become one with that."""
    result: list[CaptureRange] = []
    latest: int | None = None
    for one in ranges:
        begin = _begin(one, files)
        if result and not one.is_part and begin is not None and latest is not None and begin <= latest:
            last = result[-1]
            if not last.is_part:
                result[-1] = replace(last, paths=(*last.paths, *one.paths), bytes=last.bytes + one.bytes)
                continue
        latest = begin if begin is not None else latest
        result.append(one)
    return result
