"""Findings by number: what was found in many conversations is kept once, and within a bound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from portcall.records.detections import OUTER_KINDS, Detection, Name, NameKind
from portcall.records.payloads.dns_questions import placed
from portcall.records.plain_data import items, text, whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

MAY_BE_COVER, IS_COVER = 1, 2
_OUTER = frozenset(OUTER_KINDS.values())
_MOST_CHARACTERS = 32 << 20
_LASTING = 8  # detections, of which kernels know some from the beginning
_CHARACTERS_OF_A_DETECTION = 200  # about what one takes besides its texts


class Detected(NamedTuple):
    """What was found about FLOW[n]."""

    numbers: NDArray[np.int32]
    """Of the findings, 0 for none."""
    evidence: NDArray[np.uint64]
    """Number of the packet that told it, 0 for none."""
    askers: NDArray[np.uint8]
    """Which end asked: ``originator.Asker``."""
    asked: NDArray[np.void] | None = None
    """ASKED[m], the DNS questions in these flows, by their place; None where nobody wants to know."""
    entries: NDArray[np.object_] | None = None
    """object[n], what logs say of each, as lists of LogEntry; None where nobody wants to know."""
    histories: NDArray[np.void] | None = None
    """HISTORY[n], what the order of packets tells of each; the same."""

    @staticmethod
    def of_rows(
        rows: NDArray[np.int64], found: NDArray[np.int32], evidence: NDArray[np.uint64], asked: NDArray[np.uint64]
    ) -> Detected:
        """From the columns of a table; nothing about row -1, an orphan."""
        is_row = rows >= 0
        told = asked[rows]
        askers = np.where(told > 0, 1 + (told & 1), 0)
        return Detected(found[rows] * is_row, evidence[rows] * is_row, (askers * is_row).astype(np.uint8))

    @staticmethod
    def nothing(count: int) -> Detected:
        """Nothing about so many rows."""
        return Detected(np.zeros(count, np.int32), np.zeros(count, np.uint64), np.zeros(count, np.uint8))

    def kept(self, keep: Callable[[NDArray[Any]], NDArray[Any]]) -> Detected:
        """The same with what ``keep`` gives for its columns, but for questions."""
        return Detected(keep(self.numbers), keep(self.evidence), keep(self.askers), None, self.entries, self.histories)

    def part(self, rows: slice | list[int] | NDArray[np.int64]) -> Detected:
        """Of some rows."""
        asked = None if self.asked is None else placed(self.asked, np.arange(len(self.numbers))[rows])
        entries = None if self.entries is None else self.entries[rows]
        histories = None if self.histories is None else self.histories[rows]
        return Detected(self.numbers[rows], self.evidence[rows], self.askers[rows], asked, entries, histories)


def earlier_askers(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """What the first packet told of who asked, uint64[n] as ``RowDetections`` has it, out of two shards."""
    return np.minimum(one - 1, other - 1) + 1  # 0, for nobody, becomes the greatest number


class DetectionTable:
    """Numbers for what was found, 0 for nothing, so that a row needs only a number. Bounded by its text."""

    def __init__(self) -> None:
        self._numbers: dict[Detection, int] = {}
        self._detections: list[Detection | None] = [None]
        self._have_names, self._covers = bytearray(1), bytearray(1)
        self._characters = 0
        self.left_out = 0
        """Conversations whose names found no room."""
        self.unfinished = 0
        """Those that were given up in the middle of their hello, or of the answer."""

    def __getitem__(self, number: int) -> Detection | None:
        """What has this number."""
        return self._detections[number]

    def have_names(self) -> NDArray[np.bool_]:
        """bool[numbers]: whether each finding has a name."""
        return np.frombuffer(bytes(self._have_names), np.bool_)

    def covers(self) -> NDArray[np.uint8]:
        """uint8[numbers]: whether a finding's name is a cover (IS_COVER), may be one (MAY_BE_COVER), or neither (0)."""
        return np.frombuffer(bytes(self._covers), np.uint8)

    def number(self, detection: Detection) -> int:
        """The number of a finding; where there is no room for its names, of one without them."""
        known = self._numbers.get(detection)
        if known is not None:
            return known
        if self._characters > _MOST_CHARACTERS and (detection.names or detection.details):
            self.left_out += 1
            return self.number(Detection(detection.protocol))
        self._characters += _CHARACTERS_OF_A_DETECTION + sum(len(name.text) for name in detection.names)
        self._characters += sum(len(text) for _, text in detection.details)
        self._numbers[detection] = len(self._detections)
        self._detections.append(detection)
        self._have_names.append(bool(detection.names))
        covers = (IS_COVER if name.kind in _OUTER else MAY_BE_COVER * name.may_be_cover for name in detection.names)
        self._covers.append(max(covers, default=0))
        return len(self._detections) - 1

    @property
    def is_half_full(self) -> bool:
        """Whether it is worth it to forget what nobody knows by its number any more."""
        return self._characters > _MOST_CHARACTERS // 2

    def keep(self, numbers: NDArray[np.int32]) -> NDArray[np.int32]:
        """Forget all but these, and the first ones, which kernels know; gives the new number of each former one."""
        kept = np.unique(np.concatenate([np.arange(min(_LASTING, len(self._detections))), numbers]))
        new = np.zeros(len(self._detections), np.int32)
        new[kept] = np.arange(len(kept))
        left = DetectionTable()
        for number in kept[1:].tolist():
            left.number(self._detections[number] or Detection(""))
        self._numbers, self._detections = left._numbers, left._detections
        self._have_names, self._covers = left._have_names, left._covers
        self._characters = left._characters
        return new

    def merge(self, later: DetectionTable) -> NDArray[np.int32]:
        """Take in what another table has; gives the number here of each of its numbers."""
        numbers = [0 if detection is None else self.number(detection) for detection in later._detections]
        self.left_out += later.left_out
        self.unfinished += later.unfinished
        return np.array(numbers, np.int32)

    def plain(self) -> list[Any]:
        """All that was found, in the order of its numbers, as lists and texts."""
        return [
            [
                found.protocol,
                [[name.kind.value, name.text, int(name.may_be_cover)] for name in found.names],
                list(map(list, found.details)),
            ]
            for found in self._detections
            if found
        ]

    @classmethod
    def of_plain(cls, plain: object, left_out: int) -> DetectionTable:
        """The table that gave these. ValueError for what none can give."""
        table = cls()
        for entry in items(plain):
            protocol, names, details = items(entry, 3)
            detection = Detection(
                text(protocol),
                names=tuple(
                    Name(NameKind(text(kind)), text(name), bool(whole(may_be_cover, 0, 1)))
                    for kind, name, may_be_cover in (items(one, 3) for one in items(names))
                ),
                details=tuple((text(key), text(value)) for key, value in (items(one, 2) for one in items(details))),
            )
            if table.number(detection) != len(table._detections) - 1:
                raise ValueError("a detection is there twice")
        table.left_out = left_out
        return table
