"""What the bounds of memory, and the kernel, cost a run, in words."""

from __future__ import annotations

from portcall.kernels.histories.order_store import LETTERS
from portcall.records.report import Degradation


def notes_of_fragments(datagrams: int) -> list[Degradation]:
    """That so many fragmented datagrams were forgotten, for there were too many at once."""
    if not datagrams:
        return []
    reason = f"{datagrams} fragmented datagrams were forgotten; later fragments of them are on no conversation"
    return [Degradation("fragments", reason, "choose with --filter")]


def notes_of_histories(segments: int, cut: int) -> list[Degradation]:
    """That histories lack so many segments behind holes, and that so many have more letters than there is room for."""
    notes = []
    if segments:
        reason = f"there was no room for {segments} TCP segments behind a hole: missed_bytes may be too many"
        notes.append(Degradation("missed bytes", reason, "choose with --filter"))
    if cut:
        reason = f"{cut} conversations have more letters than {LETTERS}; the others are left out"
        notes.append(Degradation("history", reason, "it tells how they began"))
    return notes


def losses(dropped: int | None, lost: int, left_out: int) -> list[Degradation]:
    """What the kernel dropped, owners' reports that were lost, and lines of logs without room, in words."""
    losses = []
    if dropped:
        remedy = "choose with --filter, listen on fewer interfaces, or give --ring-size more memory"
        losses.append(Degradation("packets", f"the kernel dropped {dropped}", remedy))
    if lost:
        reason = f"{lost} reports were lost: some ends have no owner"
        losses.append(Degradation("owners", reason, "run it with less load"))
    if left_out:
        losses.append(Degradation("logs", f"there was no room for {left_out} lines of logs", "choose with --filter"))
    return losses
