"""Packets that were counted → a capture that remembers their owners.

The tracker hands on each batch it has counted (``take``). It waits until the owner of every packet in it is known, but
HOLD_NS at the most, and at least SOON_NS, as the first answer is not always the last. What is found later is told by
lines behind the packets. Everything is written at once, so what was held is all that a sudden end loses. ``clock``
gives ns that only rise.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import numpy as np

from portcall.kernels.live.turns import TURN_BITS
from portcall.recording.annotations import comment_option, process_lines
from portcall.recording.blocks import RecordedInterface
from portcall.recording.capture_section import FRAME_PLAN, LEFT_OUT, CaptureSection
from portcall.recording.recorded_processes import process_option, process_options
from portcall.records.packets import Direction
from portcall.records.recorded.process_blocks import TurnLine
from portcall.records.report import Degradation
from portcall.runs.recording.held_batches import HeldBatch, HeldBatches, copied

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from portcall.flows.table import FlowTable
    from portcall.recording.annotations import Annotated
    from portcall.recording.capture_files import CaptureFiles
    from portcall.recording.capture_section import Style
    from portcall.records.ownership import Match, Owner
    from portcall.records.packets import CapturePoint, FrameBatch
    from portcall.runs.recording.recorded_conversations import RecordedConversations

HOLD_NS = 2_000_000_000
"""How long a packet waits for its owner."""
SOON_NS = 300_000_000
TURN_NS = 250_000_000
"""How long nothing is looked at after it was."""
_ASK_UNKNOWN_NS = 700_000_000
"""How long nothing is asked about a conversation of which nobody knew."""
_FORGET_EVERY_NS = 10_000_000_000
_FLAGS = np.zeros(1 << 8, np.uint32)
_FLAGS[Direction.INBOUND], _FLAGS[Direction.OUTBOUND] = 1, 2


class Recorder:
    """Writes what is taken, in its order, to one or more files."""

    def __init__(  # noqa: PLR0913 (what it joins, all by name)
        self,
        *,
        files: CaptureFiles,
        style: Style,
        conversations: RecordedConversations,
        points: list[CapturePoint],
        annotate: Annotated,
        clock: Callable[[], int],
        heard: Callable[[], Iterable[tuple[bytes, str]]],
        dropped: Callable[[], int],
        filter: str | None = None,  # noqa: A002 (the option's name)
    ) -> None:
        """``points``: what capture points are called, by number; grows. ``heard`` gives the names of addresses."""
        self.files = files
        self._style, self._conversations, self._points = style, conversations, points
        self._annotate, self._clock, self._filter = annotate, clock, filter
        self._heard, self._dropped = heard, dropped
        self._held = HeldBatches()
        self._section = CaptureSection(style)
        self._turns: list[TurnLine] = []
        self._batches = 0
        self._next_ns = self._forget_ns = 0
        self._dropped_before = 0
        self._section_began_ns = clock()
        self.failure: OSError | None = None
        """Why what it writes to takes no more."""
        self.packets = self.owned = self.unwaited = self.lost = 0
        """Packets written; those of them with a process, and those that could not wait for it; those without room."""
        self._write(self._section.header())

    @property
    def wait_ns(self) -> int | None:
        """When to call ``turn`` at the latest, from now; None where nothing waits."""
        return max(self._next_ns - self._clock(), 0) if self._held else None

    def note(self, changes: NDArray[np.void]) -> None:
        """OWNER_CHANGE[n] that the next batch comes after."""
        for change in changes:
            self._turns.append(TurnLine(int(change["time_ns"]), int(change["local_port"]), int(change["protocol"])))

    def follow(self, is_wanted: Callable[[Match | None], bool]) -> None:
        """Record only conversations with an end that is wanted, as far as that is known by then."""
        self._conversations.is_wanted = is_wanted

    def take(
        self, batch: FrameBatch, packets: NDArray[np.void], table: FlowTable, told_rows: NDArray[np.uint32]
    ) -> None:
        """Keep a batch that a table has just counted as PACKET[n], whose partitions tell their capture points.

        ``told_rows`` are those of the table's last update.
        """
        if self.failure:
            self.lost += len(batch.frames)
            return
        self._batches += 1
        frames, buffer = copied(batch)
        frames["direction"] = packets["direction"]
        touched = self._conversations.take(told_rows, table.rows(), self._batches)
        places = packets["namespace"] >> np.uint32(TURN_BITS)
        self._held.add(HeldBatch(self._batches, self._clock(), frames, buffer, places, touched, self._turns))
        self._turns = []
        while self._held and self._held.is_too_much:
            self.unwaited += len(self._held.first.frames)
            self._write_first(self._clock())

    def turn(self) -> None:
        """Write what need not wait any more."""
        now_ns = self._clock()
        if now_ns < self._next_ns or self.failure:
            return
        self._next_ns = now_ns + TURN_NS
        self._conversations.ask(self._held.conversations(now_ns - SOON_NS), now_ns, _ASK_UNKNOWN_NS)
        while self._held and self._is_due(self._held.first, now_ns):
            self._write_first(now_ns)
        self._write(self._section.lines(list(self._conversations.settled(now_ns))))
        if now_ns >= self._forget_ns:
            self._forget_ns = now_ns + _FORGET_EVERY_NS
            self._conversations.forget(self._held.first.number if self._held else self._batches + 1)

    def finish(self) -> None:
        """Nothing more comes: write all that waits, and the end."""
        now_ns = self._clock()
        while self._held:
            self._write_first(now_ns)
        self._end_section(now_ns)
        self.files.close()

    def losses(self) -> list[Degradation]:
        """What is not in the capture, or not as it should be."""
        losses = []
        if self.failure:
            reason = f"{self.files.name} takes no more: {(self.failure.strerror or str(self.failure)).lower()}; "
            reason += f"{self.packets} packets are in it, whole and readable, and {self.lost} that came later are not"
            has_reader = self.failure.errno in (errno.EPIPE, errno.EAGAIN)
            remedy = (
                "read on to its end, or record to a file" if has_reader else "make room, or use --rotate with --keep"
            )
            losses.append(Degradation("recording", reason, remedy))
        if self.files.stood_still_s and not self.failure:
            reason = f"nobody read {self.files.name} for {self.files.stood_still_s:.0f} s in all, and packets waited"
            remedy = "read faster, or record to a file; what the kernel dropped meanwhile is counted"
            losses.append(Degradation("recording", reason, remedy))
        if self.unwaited:
            reason = f"{self.unwaited} packets came too fast to wait for their owners"
            losses.append(Degradation("recorded owners", reason, "record less: --snaplen, --filter"))
        if self._conversations.left_out:
            reason = f"{self._conversations.left_out} packets are recorded without owners: too many conversations"
            losses.append(Degradation("recorded owners", reason, "choose with --filter"))
        return losses

    def _is_due(self, held: HeldBatch, now_ns: int) -> bool:
        waited_ns = now_ns - held.came_ns
        is_known = self._conversations.is_known[held.touched.conversations].all()
        return waited_ns >= HOLD_NS or bool(waited_ns >= SOON_NS and is_known)

    def _write_first(self, now_ns: int) -> None:
        held = self._held.pop()
        if self.failure:
            self.lost += len(held.frames)
            return
        self._conversations.ask(held.touched.conversations, now_ns)
        self._rotate(held, now_ns)
        plans, pool, described = self._planned(held)
        written = self._section.frames(held.frames, held.buffer, plans, pool)
        # Turns stand behind interfaces: editcap wants one before the first block that it merely copies.
        self._write(described + self._section.lines(held.turns))
        self._write(written)
        if self.failure:
            self.lost += len(held.frames)
        else:
            self.packets += int((plans["interface"] != LEFT_OUT).sum())

    def _planned(self, held: HeldBatch) -> tuple[NDArray[np.void], bytes, bytes]:
        """FRAME_PLAN[n] of a batch, the options they point to, and what must be written before."""
        plans = np.zeros(len(held.frames), FRAME_PLAN)
        described = self._describe(held, plans)
        touched = held.touched
        known = touched.slots >= 0
        if self._conversations.is_wanted:
            known[known] = self._conversations.is_meant[touched.slots[known]]
            plans["interface"][~known] = LEFT_OUT
        self._conversations.interface[touched.slots[known]] = plans["interface"][known]
        keys = np.where(known, touched.slots << 1 | touched.sides, -1)
        kinds, first, which = np.unique(keys, return_index=True, return_inverse=True)
        pool, options_at, options_bytes = bytearray(4), np.zeros(len(kinds), np.uint32), np.zeros(len(kinds), np.uint32)
        commented: list[tuple[int, bytes]] = []
        for i, key in enumerate(kinds.tolist()):
            if key < 0:
                continue
            options, comments = self._options(key >> 1, key & 1)
            if comments and self._annotate == "every":
                options += comments
            elif comments:
                commented.append((int(first[i]), options + comments))
            options_at[i], options_bytes[i] = len(pool), len(options)
            pool += options
        plans["options_at"], plans["options_bytes"] = options_at[which], options_bytes[which]
        for i, options in commented:
            plans["options_at"][i], plans["options_bytes"][i] = len(pool), len(options)
            pool += options
        self.owned += int((plans["options_bytes"] > 0).sum())
        plans["flags"] = _FLAGS[held.frames["direction"]]
        return plans, bytes(pool), described

    def _describe(self, held: HeldBatch, out_plans: NDArray[np.void]) -> bytes:
        """Write the interfaces' numbers; gives what says which interfaces and processes those are."""
        described = b""
        places = held.places.astype(np.int64) << 16 | held.frames["link"]
        for place in np.unique(places).tolist():
            point = self._points[place >> 16]
            interface = RecordedInterface(
                place & 0xFFFF, self._style.snap_length, point.interface, point.namespace, self._filter,
                self._style.writer.system,
            )  # fmt: skip
            number, description = self._section.number(interface)
            out_plans["interface"][places == place] = number
            described += description
        owners: list[Owner] = []
        is_meant = self._conversations.is_meant
        for slot in held.touched.conversations[is_meant[held.touched.conversations]].tolist():
            owners += [owner for owner in self._conversations.owners(slot) if owner]
        return described + self._section.processes(owners)

    def _options(self, slot: int, side: int) -> tuple[bytes, bytes]:
        """The options of packets that an end of a conversation sent, and comments, if one is to have some now."""
        ends = self._conversations.matches[slot].owners
        sender, receiver = ends[side], ends[1 - side]
        stays_here = all(self._conversations.are_local(slot))
        options = process_options(sender, receiver) if stays_here else process_option(sender or receiver)
        bit = 1 << side
        if self._annotate == "none" or (self._annotate == "first" and self._conversations.commented[slot] & bit):
            return options, b""
        lines = self._lines(sender, is_receiver=False) + self._lines(receiver, is_receiver=stays_here)
        if lines:
            self._conversations.commented[slot] |= bit
        return options, comment_option(lines)

    def _lines(self, owner: Owner | None, *, is_receiver: bool) -> list[str]:
        if owner is None:
            return []
        number = None if owner.user is None else self._style.user_number(owner.user)
        return process_lines(owner, number, with_arguments=self._style.with_arguments, is_receiver=is_receiver)

    def _rotate(self, held: HeldBatch, now_ns: int) -> None:
        """Begin another file where this batch would be too much for this one, or it is as old as it may be."""
        rotation = self.files.rotation
        is_full = rotation.most_bytes and self.files.written_bytes + held.size_bytes > rotation.most_bytes
        is_old = rotation.most_seconds and now_ns - self._section_began_ns >= rotation.most_seconds * 1_000_000_000
        if not self._section.packets or not (is_full or is_old):
            return
        self._end_section(now_ns)
        if self.failure:
            return
        try:
            self.files.begin_next()
        except OSError as error:
            self.failure = error
            return
        self._section, self._section_began_ns = CaptureSection(self._style), now_ns
        self._write(self._section.header())

    def _end_section(self, now_ns: int) -> None:
        self._write(self._section.lines(list(self._conversations.ended(now_ns))))
        dropped = self._dropped()
        self._write(self._section.end(self._heard(), dropped - self._dropped_before))
        self._dropped_before = dropped

    def _write(self, data: bytes | NDArray[np.uint8]) -> None:
        if self.failure or not len(data):
            return
        try:
            self.files.write(data)
        except OSError as error:
            self.failure = error
