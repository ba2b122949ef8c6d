"""Conversations whose packets are recorded: who was found at each end, and what their packets have not said of it.

A conversation is a row of the flow table, known here by its first frame's number, as rows may move. It is asked about
while its packets wait, again where that was a while ago, and a last time SETTLE_NS after its last packet. What packets
that were written by then do not say, or say otherwise, is told by lines (``EndLine``): once it is settled, and at the
end of a capture. Bounded: where there are more than MOST_CONVERSATIONS, those that are silent for longest go, and what
finds no room is recorded without owners, and counted.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from portcall.records.flows import FLOW
from portcall.records.ownership import MatchQuality
from portcall.records.recorded.process_blocks import EndLine
from portcall.runs.owned_table import flow_ends, is_local_end
from portcall.runs.packet_clock import SETTLE_NS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from portcall.ownership.socket_timeline import SocketTimeline
    from portcall.records.ownership import Match, Owner
    from portcall.runs.partitions import CapturePoints

MOST_CONVERSATIONS = 1 << 18
NO_CONVERSATION = -1

_ASK_AGAIN_NS = 1_000_000_000
_MOST_ASKED = 1 << 11
"""Conversations at a time, some ten ms: a flood of those that nobody has must not keep packets waiting in the ring."""
_FORGET_NS = 60_000_000_000
_ENDS = (("low", "high", 1), ("high", "low", 2))
_WAITING_BATCHES = 4096


class EndMatches(NamedTuple):
    """Who was found at a conversation's ends; None at an end that is not this machine's, or was not asked for yet."""

    low: Match | None = None
    high: Match | None = None

    @property
    def owners(self) -> tuple[Owner | None, Owner | None]:
        """The processes of the low and of the high end."""
        return _owner(self.low), _owner(self.high)


class Touched(NamedTuple):
    """Where packets of a batch went."""

    slots: NDArray[np.int64]
    """int64[n]: each packet's conversation, NO_CONVERSATION without one."""
    sides: NDArray[np.int64]
    """int64[n]: which end sent it, 0 low, 1 high."""
    conversations: NDArray[np.int64]
    """Those there are, each once."""


NOT_ASKED = EndMatches()
_NOTHING_TOLD: tuple[Owner | None, Owner | None] = (None, None)


class RecordedConversations:
    """Conversations by slots, which are used again. ``timeline`` finds owners, ``points`` says where rows were seen."""

    def __init__(self, timeline: SocketTimeline, points: CapturePoints, most: int = MOST_CONVERSATIONS) -> None:
        self._timeline, self._points, self._most = timeline, points, most
        self.left_out = 0
        """Packets of conversations for which there was no room."""
        self.matches: list[EndMatches] = []
        self._told: list[tuple[Owner | None, Owner | None] | None] = []  # None: different ones
        self._said: list[EndMatches | None] = []
        self._slot_of: dict[int, int] = {}
        self._free: list[int] = []
        self._newest_ns = 0
        self._flows = np.zeros(0, FLOW)
        self._asked_ns = np.zeros(0, np.int64)
        self._batch = np.zeros(0, np.int64)
        self.is_known = np.zeros(0, np.bool_)
        """bool[slots]: every end of this machine has its owner."""
        self.is_wanted: Callable[[Match | None], bool] | None = None
        """Which owners count; None: everybody, and nobody too."""
        self.is_meant = np.zeros(0, np.bool_)
        """bool[slots]: whether an owner that counts was found."""
        self._is_settled = np.zeros(0, np.bool_)
        self.commented = np.zeros(0, np.uint8)
        """uint8[slots]: bit 0 where the low end sent a packet with a comment in this capture, bit 1 the high end."""
        self.interface = np.zeros(0, np.int64)
        """int64[slots]: number in this capture of the interface that it was seen on, -1 where it is not in it."""
        self._grow(1 << 8)

    def take(self, told_rows: NDArray[np.uint32], rows: NDArray[np.void], batch_number: int) -> Touched:
        """Note in which of FLOW[n] packets went, by ``FlowTable.told_rows``. Batches have rising numbers."""
        slots = np.full(len(told_rows), NO_CONVERSATION, np.int64)
        on_row = np.flatnonzero(told_rows)
        places = told_rows[on_row].astype(np.int64) - 2
        touched, which = np.unique(places >> 1, return_inverse=True)
        flows = rows[touched]
        numbers = np.array([self._slot(first, batch_number) for first in flows["first_frame"].tolist()], np.int64)
        slots[on_row] = numbers[which]
        self.left_out += int((numbers[which] < 0).sum())
        found = numbers >= 0
        here = numbers[found]
        self._flows[here] = flows[found]
        self._batch[here], self._is_settled[here] = batch_number, False
        if len(flows):
            self._newest_ns = max(self._newest_ns, int(flows["last_ns"].max()))
        sides = np.zeros(len(told_rows), np.int64)
        sides[on_row] = places & 1
        return Touched(slots, sides, here)

    def ask(self, slots: NDArray[np.int64], now_ns: int, unknown_after_ns: int = 1) -> None:
        """Find the owners of those that were not asked about lately; of unknown ones, so long after the last time."""
        is_due = self._asked_ns[slots] <= now_ns - _ASK_AGAIN_NS
        is_due |= ~self.is_known[slots] & (self._asked_ns[slots] <= now_ns - unknown_after_ns)
        self._find(slots[is_due][:_MOST_ASKED], now_ns)

    def owners(self, slot: int) -> tuple[Owner | None, Owner | None]:
        """Who is at its low and high end; noted as what its packets say."""
        owners = self.matches[slot].owners
        told = self._told[slot]
        if told == _NOTHING_TOLD and self.interface[slot] < 0:
            self._told[slot] = owners
        elif told is not None and told != owners:
            self._told[slot] = None
        return owners

    def are_local(self, slot: int) -> tuple[bool, bool]:
        """Whether its low, and its high end is this machine's."""
        local = int(self._flows["local"][slot])
        return bool(local & 1), bool(local & 2)

    def settled(self, now_ns: int) -> Iterator[EndLine]:
        """What is still to be said of those that have been silent for long enough."""
        silent = self._flows["last_ns"] < self._newest_ns - SETTLE_NS
        slots = np.flatnonzero(silent & ~self._is_settled & (self.interface >= 0))[:_MOST_ASKED]
        self._find(slots, now_ns)
        self._is_settled[slots] = True
        yield from self._lines(slots)

    def ended(self, now_ns: int) -> Iterator[EndLine]:
        """What is still to be said of all that are in this capture, which ends; the next one knows none of them."""
        slots = np.flatnonzero(self.interface >= 0)
        unsettled = slots[~self._is_settled[slots]]
        self._find(unsettled, now_ns)
        yield from self._lines(slots)
        self.commented[:] = 0
        self.interface[:] = -1
        for slot in slots.tolist():
            self._told[slot], self._said[slot] = _NOTHING_TOLD, None

    def forget(self, oldest_batch: int) -> None:
        """Give the slots of those free that are settled, and of no batch that waits still, by its number."""
        is_silent = self._flows["last_ns"] < self._newest_ns - _FORGET_NS
        self._release(np.flatnonzero(is_silent & self._is_settled & (self._batch < oldest_batch)))

    def _release(self, slots: NDArray[np.int64]) -> None:
        for slot, first in zip(slots.tolist(), self._flows["first_frame"][slots].tolist(), strict=True):
            if self._slot_of.pop(first, None) is None:
                continue
            self._free.append(slot)
            self.matches[slot], self._told[slot], self._said[slot] = NOT_ASKED, _NOTHING_TOLD, None
        self._is_settled[slots], self.is_known[slots], self.is_meant[slots] = True, False, False
        self._asked_ns[slots], self.commented[slots], self.interface[slots] = -_ASK_AGAIN_NS, 0, -1
        self._flows[slots] = np.zeros(1, FLOW)

    def _slot(self, first_frame: int, batch_number: int) -> int:
        slot = self._slot_of.get(first_frame)
        if slot is not None:
            return slot
        if not self._free:
            if len(self.matches) < self._most:
                self._grow(min(2 * len(self.matches), self._most))
            else:
                self._release_oldest(batch_number)
        if not self._free:
            return NO_CONVERSATION
        slot = self._slot_of[first_frame] = self._free.pop()
        return slot

    def _release_oldest(self, batch_number: int) -> None:
        """Give an eighth of the slots free, of those that are settled."""
        settled = np.flatnonzero(self._is_settled & (self._batch < batch_number - _WAITING_BATCHES))
        oldest = settled[np.argsort(self._flows["last_ns"][settled], kind="stable")]
        self._release(oldest[: self._most >> 3])

    def _grow(self, slots: int) -> None:
        new = slots - len(self.matches)
        self._free += range(slots - 1, len(self.matches) - 1, -1)
        self.matches += [NOT_ASKED] * new
        self._told += [_NOTHING_TOLD] * new
        self._said += [None] * new
        for name, value in (
            ("_asked_ns", -_ASK_AGAIN_NS), ("_batch", 0), ("is_known", False), ("is_meant", False),
            ("_is_settled", True),
            ("commented", 0),
            ("interface", -1),
        ):  # fmt: skip
            known = getattr(self, name)
            setattr(self, name, np.concatenate([known, np.full(new, value, known.dtype)]))
        self._flows = np.concatenate([self._flows, np.zeros(new, FLOW)])

    def _find(self, slots: NDArray[np.int64], now_ns: int) -> None:
        if not len(slots):
            return
        flows = self._flows[slots]
        found: dict[str, list[Match | None]] = {}
        for near, far, bit in _ENDS:
            found[near] = [None] * len(slots)
            here = np.flatnonzero(is_local_end(flows, bit))
            ends = flow_ends(flows[here], near, far, self._points)
            for i, match in zip(here.tolist(), self._timeline.find(ends), strict=True):
                found[near][i] = match
        self._asked_ns[slots] = now_ns
        wanted = self.is_wanted
        for slot, *ends_found in zip(slots.tolist(), found["low"], found["high"], strict=True):
            self.is_meant[slot] = wanted is None or any(map(wanted, ends_found))
            self.matches[slot] = EndMatches(*ends_found)
            self.is_known[slot] = all(match is None or _is_told(match) for match in ends_found)

    def _lines(self, slots: NDArray[np.int64]) -> Iterator[EndLine]:
        flows = self._flows[slots]
        ends = {near: flow_ends(flows, near, far, self._points) for near, far, _ in _ENDS}
        for i, slot in enumerate(slots.tolist()):
            matches, told = self.matches[slot], self._told[slot]
            if self._said[slot] == matches:
                continue
            self._said[slot] = matches
            for side, (near, _, _) in enumerate(_ENDS):
                match = matches[side]
                is_said = (
                    told is not None and match and match.quality is MatchQuality.EXACT and match.owner == told[side]
                )
                if match and not (is_said and match.owner):
                    yield _line(ends[near][i], int(self.interface[slot]), match)


def _owner(match: Match | None) -> Owner | None:
    return match.owner if match and not match.reason else None


def _is_told(match: Match) -> bool:
    """Whether nothing better is to come: a process, or the kernel."""
    return match.owner is not None


def _line(end: np.void, interface: int, match: Match) -> EndLine:
    owner = _owner(match)
    return EndLine(
        interface=interface,
        protocol=int(end["protocol"]),
        local=_address(end["local"], end["ip_version"]),
        local_port=int(end["local_port"]),
        remote=_address(end["remote"], end["ip_version"]),
        remote_port=int(end["remote_port"]),
        first_ns=int(end["first_ns"]),
        last_ns=int(end["last_ns"]),
        quality=match.quality,
        reason=match.reason,
        failure=match.failure,
        pid=owner.pid if owner else None,
        start_ns=owner.start_ns if owner else None,
    )


def _address(octets: NDArray[np.uint8], version: int) -> str:
    packed = octets.tobytes()
    return str(ipaddress.ip_address(packed[12:] if version == 4 else packed))  # noqa: PLR2004 - IPv4
