"""Findings by number: what was found in many conversations is kept once, and within a bound."""

from __future__ import annotations

import marshal
import os
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from portcall.inspection.inspection_bounds import InspectionBounds
from portcall.kernels.texts.text_numbers import BYTES_OF_A_TEXT, TextNumbers
from portcall.records.detections import OUTER_KINDS, Detection, Name, NameKind
from portcall.records.payloads.dns_questions import placed
from portcall.records.plain_data import items, text, whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

MAY_BE_COVER, IS_COVER = 1, 2
_OUTER = frozenset(OUTER_KINDS.values())
_MOST_BYTES = InspectionBounds().most_detection_bytes
_LASTING = 8  # detections, of which kernels know some from the beginning
_MOST_AT_HAND = 1 << 12
_SEED = int.from_bytes(os.urandom(8), "big")  # changes no result


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
    """Numbers for what was found, 0 for nothing, so that a row needs only a number. Bounded by what that takes.

    A detection is kept as bytes, a hundred or so; as an object it takes 400.
    """

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        """``most_bytes``: with more, what is new is kept without names and details."""
        self._most_bytes = most_bytes
        self._known = TextNumbers(_SEED)
        self._known.add(b"")  # nothing
        self._at_hand: dict[Detection, int] = {}  # some that came of late …
        self._asked_for: dict[int, Detection] = {}  # … and some that were asked for
        self._have_names, self._covers = bytearray(1), bytearray(1)
        self.left_out = 0
        """Conversations whose names found no room."""
        self.unfinished = 0
        """Those that were given up in the middle of their hello, or of the answer."""

    def __len__(self) -> int:
        """Numbers that there are, with 0."""
        return len(self._known)

    def __getitem__(self, number: int) -> Detection | None:
        """What has this number."""
        found = self._asked_for.get(number)
        if found is None and number:
            if len(self._asked_for) >= _MOST_AT_HAND:
                self._asked_for.clear()
            found = self._asked_for[number] = _unpacked(self._known[number])
        return found

    def have_names(self) -> NDArray[np.bool_]:
        """bool[numbers]: whether each finding has a name."""
        return np.frombuffer(bytes(self._have_names), np.bool_)

    def covers(self) -> NDArray[np.uint8]:
        """uint8[numbers]: whether a finding's name is a cover (IS_COVER), may be one (MAY_BE_COVER), or neither (0)."""
        return np.frombuffer(bytes(self._covers), np.uint8)

    def number(self, detection: Detection) -> int:
        """The number of a finding; where there is no room for its names, of one without them."""
        known = self._at_hand.get(detection)
        if known is not None:
            return known
        packed = _packed(detection)
        number = self._known.find(packed)
        if number < 0:
            if self._bytes > self._most_bytes and (detection.names or detection.details):
                self.left_out += 1
                return self.number(Detection(detection.protocol))
            number = self._known.add(packed)
            self._have_names.append(bool(detection.names))
            covers = (IS_COVER if name.kind in _OUTER else MAY_BE_COVER * name.may_be_cover for name in detection.names)
            self._covers.append(max(covers, default=0))
        if len(self._at_hand) >= _MOST_AT_HAND:
            self._at_hand.clear()
        self._at_hand[detection] = number
        return number

    @property
    def _bytes(self) -> int:
        """What all take together."""
        return self._known.used + BYTES_OF_A_TEXT * len(self._known)

    @property
    def is_half_full(self) -> bool:
        """Whether it is worth it to forget what nobody knows by its number any more."""
        return self._bytes > self._most_bytes // 2

    def keep(self, numbers: NDArray[np.int32]) -> NDArray[np.int32]:
        """Forget all but these, and the first ones, which kernels know; gives the new number of each former one."""
        kept = np.unique(np.concatenate([np.arange(min(_LASTING, len(self))), numbers]))
        new = np.zeros(len(self), np.int32)
        new[kept] = np.arange(len(kept))
        left = TextNumbers(_SEED)
        for number in kept.tolist():
            left.add(self._known[number])
        self._have_names = bytearray(self.have_names()[kept].tobytes())
        self._covers = bytearray(self.covers()[kept].tobytes())
        self._known, self._at_hand, self._asked_for = left, {}, {}
        return new

    def merge(self, later: DetectionTable) -> NDArray[np.int32]:
        """Take in what another table has; gives the number here of each of its numbers."""
        found = (later[number] for number in range(len(later)))
        numbers = [0 if detection is None else self.number(detection) for detection in found]
        self.left_out += later.left_out
        self.unfinished += later.unfinished
        return np.array(numbers, np.int32)

    def plain(self) -> list[Any]:
        """All that was found, in the order of its numbers, as lists and texts."""
        return [_plain(detection) for detection in map(self.__getitem__, range(1, len(self))) if detection]

    @classmethod
    def of_plain(cls, plain: object, left_out: int) -> DetectionTable:
        """The table that gave these. ValueError for what none can give."""
        table = cls()
        for entry in items(plain):
            detection = _of_plain(entry)
            if table.number(detection) != len(table) - 1:
                raise ValueError("a detection is there twice")
        table.left_out = left_out
        return table


def _packed(detection: Detection) -> bytes:
    """A detection as bytes, which another never has: marshal 2 has no references. They stay in the process."""
    names = tuple([(name.kind.value, name.text, bool(name.may_be_cover)) for name in detection.names])
    return marshal.dumps((detection.protocol, names, detection.details), 2)


def _unpacked(packed: bytes) -> Detection:
    protocol, names, details = marshal.loads(packed)  # noqa: S302 - our own
    return Detection(
        protocol,
        names=tuple([Name(NameKind(kind), name, may_be_cover) for kind, name, may_be_cover in names]),
        details=details,
    )


def _plain(found: Detection) -> list[Any]:
    """The same as lists and texts."""
    return [
        found.protocol,
        [[name.kind.value, name.text, int(name.may_be_cover)] for name in found.names],
        list(map(list, found.details)),
    ]


def _of_plain(plain: object) -> Detection:
    """The same of what anybody may have written. ValueError for what is none."""
    protocol, names, details = items(plain, 3)
    return Detection(
        text(protocol),
        names=tuple(
            Name(NameKind(text(kind)), text(name), bool(whole(may_be_cover, 0, 1)))
            for kind, name, may_be_cover in (items(one, 3) for one in items(names))
        ),
        details=tuple((text(key), text(value)) for key, value in (items(one, 2) for one in items(details))),
    )
