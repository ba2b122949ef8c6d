"""Process information blocks as Wireshark writes them: custom blocks of its enterprise number, entry type 3.

The layout is in ``records/recorded/process_blocks``. Of several blocks with one pid the last before the packet is meant
whose start is not after it; if all started later, the last before it; if none is before, the first after.
Source: Wireshark, wiretap/pcapng-wireshark-custom.c.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from portcall.owners.recorded.words import options_of
from portcall.records.ownership import Owner, Program
from portcall.records.recorded.claims import (
    MOST_TEXT,
    UNKNOWN_PROGRAM,
    RecordedOwner,
    clean,
    clean_name,
    united,
)
from portcall.records.recorded.process_blocks import (
    PIB_COMMAND_LINE,
    PIB_NAME,
    PIB_PARENT,
    PIB_PATH,
    PIB_START,
    PIB_USER_ID,
    PIB_USER_NAME,
    WIRESHARK_PROCESS,
)
from portcall.system.interpreters import script_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from portcall.records.recorded.claims import ClaimTable

SOURCE = "pcapng-process"
_HEAD = struct.Struct("<II")
_MOST_ARGUMENTS = 256


def process_of(data: bytes) -> RecordedOwner | None:
    """The process of a custom block, from behind the enterprise number on; None where it is of another kind.

    ValueError where it is damaged.
    """
    if len(data) < _HEAD.size:
        raise ValueError("a block of Wireshark's is too short")
    entry, length = _HEAD.unpack_from(data)
    if entry != WIRESHARK_PROCESS:
        return None
    body = data[_HEAD.size : _HEAD.size + length]
    if length < 4 or len(body) < length:  # noqa: PLR2004 (the pid)
        raise ValueError("a process information block is too short")
    (pid,) = struct.unpack_from("<I", body)
    said = options_of(body[4:], "<")
    user_id = _number(said.get(PIB_USER_ID), "<I")
    user = clean_name(said.get(PIB_USER_NAME, b"")) or (None if user_id is None else str(user_id))
    parent, start_ns = _number(said.get(PIB_PARENT), "<I"), _number(said.get(PIB_START), "<Q")
    parents = ((parent, UNKNOWN_PROGRAM.name),) if parent else ()
    if start_ns is not None and start_ns >= 1 << 63:
        start_ns = None
    return RecordedOwner(Owner(pid, start_ns, _program(said), user, parents), SOURCE)


def _program(said: dict[int, bytes]) -> Program:
    path = clean(said.get(PIB_PATH, b"")) or None
    name = clean_name(said.get(PIB_NAME, b"")) or clean_name((path or "").rpartition("/")[2].rpartition("\\")[2])
    line = said.get(PIB_COMMAND_LINE, b"")[:MOST_TEXT]
    words = tuple(clean(word) for word in line.rstrip(b"\0").split(b"\0", _MOST_ARGUMENTS)[:_MOST_ARGUMENTS])
    words = words if line else ()
    script = script_of(words, path, is_cut=len(line) == MOST_TEXT) if words else None
    return Program(name or UNKNOWN_PROGRAM.name, path, words, script=clean_name(script) if script else None)


def _number(value: bytes | None, layout: str) -> int | None:
    if value is None or len(value) != struct.calcsize(layout):
        return None
    number: int = struct.unpack(layout, value)[0]
    return number


class ProcessBlocks:
    """The processes of one section by pid, in order of their blocks."""

    def __init__(self, table: ClaimTable) -> None:
        self._table = table
        self._section = table.sections
        table.sections += 1
        self._blocks: dict[int, list[int]] = {}

    def add(self, recorded: RecordedOwner) -> None:
        """A block, or a line that says more of a process that has one."""
        pid = recorded.owner.pid
        waiting = self._table.waiting.pop((self._section, pid), 0)
        blocks = self._blocks.setdefault(pid, [])
        if waiting:  # packets came first
            self._unite(waiting, recorded)
            blocks.append(waiting)
            self._table.begun[self._section, pid] = waiting
            return
        if blocks and self._is_of_latest(recorded, blocks[-1]):
            self._unite(blocks[-1], recorded)
            return
        number = self._table.reserve(recorded)
        if number:
            blocks.append(number)
            self._table.begun.setdefault((self._section, pid), number)
        elif not blocks:
            del self._blocks[pid]

    def say_more(self, recorded: RecordedOwner) -> None:
        """What else is known of a process that has the same pid and start, wherever its block is; else a block."""
        owner = recorded.owner
        for number in reversed(self._blocks.get(owner.pid, ())):
            if self._table.owners[number].owner.start_ns == owner.start_ns:
                self._unite(number, recorded)
                return
        self.add(recorded)

    def unite_with(self, recorded: RecordedOwner, numbers: Sequence[int]) -> None:
        """What a comment on a packet says of one of the processes that its options name."""
        for number in numbers:
            if number and self._table.owners[number].owner.pid == recorded.owner.pid:
                self._unite(number, recorded)

    def numbers(self, pids: NDArray[np.uint32], times_ns: NDArray[np.int64]) -> NDArray[np.uint32]:
        """The numbers of the owners that packets of these times name by pid."""
        here, which = np.unique(pids, return_inverse=True)
        latest, several = [], []
        for place, pid in enumerate(here.tolist()):
            blocks = self._blocks.get(pid)
            latest.append(blocks[-1] if blocks else self._not_yet(pid))
            if blocks and len(blocks) > 1:
                several.append((place, blocks))
        numbers = np.array(latest, np.uint32)[which]
        for place, blocks in several:
            of_pid = which == place
            numbers[of_pid] = self._chosen(blocks, times_ns[of_pid])
        return numbers

    def of(self, pid: int, start_ns: int | None) -> int:
        """The number of the process with that pid and start; of one with that pid, where none has the start."""
        blocks = self._blocks.get(pid)
        if not blocks:
            return self._not_yet(pid) if pid else 0
        same = (number for number in reversed(blocks) if self._table.owners[number].owner.start_ns == start_ns)
        return next(same, blocks[-1])

    def _chosen(self, blocks: list[int], times_ns: NDArray[np.int64]) -> NDArray[np.uint32]:
        chosen = np.full(len(times_ns), blocks[-1], np.uint32)
        for number in blocks:
            start_ns = self._table.owners[number].owner.start_ns
            chosen[np.ones(len(times_ns), np.bool_) if start_ns is None else times_ns >= start_ns] = number
        return chosen

    def _not_yet(self, pid: int) -> int:
        """A number for a process whose block may still come; none for pid 0, which says that nobody is known."""
        waiting, key = self._table.waiting, (self._section, pid)
        if pid and key not in waiting:
            number = self._table.reserve(RecordedOwner(Owner(pid, None, UNKNOWN_PROGRAM), SOURCE))
            if not number:
                return 0
            waiting[key] = number
        return waiting.get(key, 0)

    def _is_of_latest(self, recorded: RecordedOwner, number: int) -> bool:
        """Whether a block repeats what is known: a process that became another program is told anew."""
        known = self._table.owners[number].owner
        return known.start_ns == recorded.owner.start_ns and known.program == recorded.owner.program

    def _unite(self, number: int, recorded: RecordedOwner) -> None:
        known = self._table.owners[number]
        self._table.replace(number, known._replace(owner=united(known.owner, recorded.owner)))
