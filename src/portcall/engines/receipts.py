"""Receipts: what each task read, by which all together are proven to be what one machine reads.

Ranges of a sensor are right where each begins just where the one before it ended: in bytes, within a file, and in time
between files. Where they do not, ``verify`` says which ranges to read instead. It knows no file: all that it asks for
is in the receipts.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from portcall.engines.partial_parts import SLACK_NS
from portcall.engines.ranges import CaptureRange, numbered
from portcall.engines.time_windows import FileTimes, in_windows

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Receipt:
    """What one task read, and where."""

    range: CaptureRange
    build: str
    frames: int = 0
    bytes: int = 0
    """On the wire."""
    first_ns: int | None = None
    """The least time of a frame; None without any."""
    last_ns: int | None = None
    files: tuple[FileTimes, ...] = ()
    entry: int = 0
    """Of a part of a file: where its first record begins …"""
    exit: int | None = None
    """… and where the last whole one ends."""
    wanted_exit: int | None = None
    """Where it should end; None for the end of the file."""
    tells_others: bool = False
    """Whether it has what means something for frames of later ranges: interfaces of a section, secrets, owners."""
    problems: tuple[tuple[str, int | None, str, str], ...] = ()
    """Captures, or ends of captures, that could not be read: path, offset, reason, remedy."""
    notes: tuple[tuple[str, str, str], ...] = ()

    def words(self) -> dict[str, Any]:  # Any: what JSON has
        """The same as plain data."""
        return asdict(self)

    @classmethod
    def of_words(cls, words: dict[str, Any]) -> Receipt:
        """The receipt that these are."""
        return cls(
            **{
                **words,
                "range": CaptureRange.of_words(words["range"]),
                "files": tuple(FileTimes(**one) for one in words["files"]),
                "problems": tuple(map(tuple, words["problems"])),
                "notes": tuple(map(tuple, words["notes"])),
            }
        )


class Verified(NamedTuple):
    """What receipts prove."""

    kept: list[Receipt]
    """Of ranges that were read as they should be, each told its place."""
    again: list[CaptureRange]
    """To read instead of the others; none where all is proven."""
    reasons: list[str]


def verify(receipts: Sequence[Receipt]) -> Verified:
    """Whether these are what one machine reads, sensor by sensor; else which ranges to read, and why."""
    by_sensor: dict[str, list[Receipt]] = {}
    for receipt in receipts:
        by_sensor.setdefault(receipt.range.sensor, []).append(receipt)
    kept: list[Receipt] = []
    again: list[CaptureRange] = []
    reasons: list[str] = []
    for sensor in sorted(by_sensor):
        found = _of_sensor(sorted(by_sensor[sensor], key=lambda one: one.range.number))
        kept += found.kept
        again += found.again
        reasons += found.reasons
    return Verified(kept, again, reasons)


def _of_sensor(receipts: list[Receipt]) -> Verified:
    for rule in (_telling, _joined_parts, _in_time, _unsealed):
        ranges, reasons = rule(receipts)
        if reasons:
            return _renumbered(receipts, ranges, reasons)
    return Verified(receipts, [], [])


def _renumbered(receipts: list[Receipt], ranges: list[CaptureRange], reasons: list[str]) -> Verified:
    known = {_content(receipt.range): receipt for receipt in receipts}
    kept, again = [], []
    for one in numbered(ranges):
        receipt = known.get(_content(one))
        edges = receipt and (receipt.range.is_first, receipt.range.is_last) == (one.is_first, one.is_last)
        if receipt and edges:
            kept.append(replace(receipt, range=one))
        else:
            again.append(one)
    return Verified(kept, again, reasons)


def _content(one: CaptureRange) -> CaptureRange:
    return replace(one, number=0, is_first=False, is_last=False, bytes=0)


_Rule = tuple[list[CaptureRange], list[str]]


def _telling(receipts: list[Receipt]) -> _Rule:
    """What a range tells later ones of, only who reads both knows: they become one range."""
    ranges = [receipt.range for receipt in receipts]
    first = next((at for at, receipt in enumerate(receipts[:-1]) if receipt.tells_others), None)
    if first is None:
        return ranges, []
    rest = ranges[first:]
    if all(one.is_part and one.paths == rest[0].paths for one in rest):
        joined = replace(rest[0], stop=None, bytes=sum(one.bytes for one in rest))
    else:
        start = first
        while start and ranges[start].is_part and ranges[start - 1].paths == ranges[start].paths:
            start -= 1
        ranges, rest = ranges[:start], ranges[start:]
        first = start
        paths = tuple(dict.fromkeys(path for one in rest for path in one.paths))
        joined = CaptureRange(rest[0].sensor, 0, paths, sum(one.bytes for one in rest))
    reason = f"{receipts[first].range.paths[0]} tells of what follows, so {len(rest)} ranges are read as one"
    return [*ranges[:first], joined], [reason]


def _joined_parts(receipts: list[Receipt]) -> _Rule:
    """Parts of a file that do not meet become one, and when they were before, all behind them too."""
    ranges: list[CaptureRange] = []
    reasons: list[str] = []
    at = 0
    while at < len(receipts):
        receipt = receipts[at]
        one = receipt.range
        at += 1
        follows = at < len(receipts) and receipts[at].range.is_part and receipts[at].range.paths == one.paths
        if one.is_part and follows and not _meet(receipt, receipts[at]):
            was_joined = one.stop is not None and one.bytes > 3 * receipts[at].range.bytes // 2
            behind = [receipts[at].range]
            at += 1
            while was_joined and at < len(receipts) and receipts[at].range.paths == one.paths:
                behind.append(receipts[at].range)
                at += 1
            reasons.append(
                f"{one.paths[0]}: what seemed a record at byte {receipt.wanted_exit} is none; "
                f"{1 + len(behind)} ranges are read as one"
            )
            one = replace(one, stop=behind[-1].stop, bytes=one.bytes + sum(part.bytes for part in behind))
        ranges.append(one)
    return ranges, reasons


def _meet(receipt: Receipt, later: Receipt) -> bool:
    return receipt.exit == receipt.wanted_exit == later.entry and not receipt.tells_others


def _in_time(receipts: list[Receipt]) -> _Rule:
    """Ranges whose files overlap in time become windows."""
    ranges = [receipt.range for receipt in receipts]
    if any(one.from_ns is not None or one.to_ns is not None for one in ranges):
        return ranges, []
    windows = in_windows(ranges, [times for receipt in receipts for times in receipt.files])
    changed = len({_content(one) for one in windows} - {_content(one) for one in ranges})
    reason = f"captures of {ranges[0].sensor} overlap in time, so {changed} ranges go from one to the other"
    return windows, [reason] if changed else []


def _later(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else max(one, other)


def _unsealed(receipts: list[Receipt]) -> _Rule:
    """Where frames are far out of order, what seems over in one range may go on in another: nothing leaves there."""
    ranges = [receipt.range for receipt in receipts]
    lasts = list(accumulate((receipt.last_ns for receipt in receipts), _later))
    firsts = list(accumulate((receipt.first_ns for receipt in reversed(receipts)), _sooner))[::-1]
    wrong = set()
    for at, (before, after) in enumerate(pairwise(range(len(receipts)))):
        del at
        last, first = lasts[before], receipts[after].first_ns
        if last is not None and first is not None and last > first + SLACK_NS:
            wrong.add(after)
        last, first = receipts[before].last_ns, firsts[after]
        if last is not None and first is not None and last > first + SLACK_NS:
            wrong.add(before)
    changed = [at for at in sorted(wrong) if ranges[at].lets_leave]
    if not changed:
        return ranges, []
    result = [replace(one, lets_leave=one.lets_leave and at not in wrong) for at, one in enumerate(ranges)]
    return result, [
        f"frames of {ranges[0].sensor} are out of order between ranges, so in {len(changed)} none leaves early"
    ]


def _sooner(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else min(one, other)
