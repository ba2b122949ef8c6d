"""Owners that captures name, beside the tracker of captures, as the owners' timeline is beside that of live traffic.

Sources get a reader for each capture; what these find is one table of claims. When a flow table is done, each row's
ends get a Match, and are local where the capture says so: where a process is named, there the machine is that which
captured. Where portcall itself wrote the capture, rows are those of live: by interface, and anew where live's were.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from portcall.owners.recorded.inside import OwnersOfCapture
from portcall.records.packets import CapturePoint
from portcall.records.recorded.claims import OWN_INTERFACES, RUSTNET_SIDECAR, ClaimTable
from portcall.records.report import Degradation
from portcall.records.sightings import OWNER_CHANGE
from portcall.runs.owned_table import OwnedTable
from portcall.runs.partitions import Partitions
from portcall.runs.recorded.named_ends import NamedEnds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from portcall.records.packets import FrameBatch
    from portcall.records.recorded.claims import OwnersInside
    from portcall.records.recorded.process_blocks import TurnLine
    from portcall.runs.inspected_table import InspectedTable
    from portcall.runs.owned_table import Part
    from portcall.runs.partitions import CapturePoints

_NO_NAMESPACE = (1 << 32) - 1
_WHERE = "docs/captures-with-owners.md says what each format tells, and how surely"


class NamedTable(OwnedTable):
    """A table whose rows leave with the owners that captures name; ``match`` finds those of some rows."""

    def __init__(
        self,
        table: InspectedTable,
        points: CapturePoints,
        match: Callable[[NamedTable, NDArray[np.bool_]], None],
    ) -> None:
        super().__init__(table, points)
        self.inspected, self._match = table, match

    def evict(self, are_leaving: NDArray[np.bool_], before_ns: int, take: Callable[[Part], None]) -> NDArray[np.int64]:
        """Let rows go, with owners."""
        self._match(self, self.leaving(are_leaving))
        return super().evict(are_leaving, before_ns, take)


class CapturedOwners:
    """What captures of one run name. ``local`` are the networks that the user calls local."""

    def __init__(self, local: Sequence[str] = (), table: ClaimTable | None = None) -> None:
        self.table = table or ClaimTable()
        self._local = local
        self._reader: OwnersOfCapture | None = None
        self._partitions = Partitions(self._name_point, self._number_namespace)
        self._namespaces: list[str | None] = []
        self._tables: list[NamedTable] = []
        self._rows = self._named = self._ambiguous = self._inferred = self._others_left_out = 0

    @property
    def points(self) -> list[CapturePoint]:
        """Where rows were seen, by the number in their ``namespace``; grows; empty without captures of portcall's."""
        return self._partitions.points.names

    def reader(self) -> OwnersInside:
        """What reads whom one capture names."""
        self._reader = OwnersOfCapture(self.table)
        return self._reader

    def is_quiet(self) -> bool:
        """Whether nobody was named so far, and nobody will be but by what stops or marks a walk."""
        return not (self.table.has_any or self.table.points or (self._reader and self._reader.is_looking))

    def changes(self, batch: FrameBatch) -> bool:
        """Whether owners are claimed of a batch, or its frames are numbered anew."""
        return batch.claims is not None or (len(batch.frames) > 0 and self.table.is_own(batch.frames))

    def read_sidecars(self, paths: Sequence[str]) -> None:
        """Take in what lies beside these captures."""
        for path in paths:
            sidecar = path + RUSTNET_SIDECAR
            if not os.path.exists(sidecar):  # noqa: PTH110 - of no permission Path makes an error
                continue
            from portcall.owners.recorded import rustnet

            try:
                with Path(sidecar).open("rb") as stream:
                    for found in rustnet.read_sidecar(stream):
                        if found is None:
                            self.table.damaged += 1
                        else:
                            self.table.add_end(found[1]._replace(owner=self.table.number(found[0])))
            except (OSError, ValueError):  # it is not for this user
                continue

    def note(self, turns: Sequence[TurnLine]) -> None:
        """From these times on, others may be behind these ports."""
        changes = np.zeros(len(turns), OWNER_CHANGE)
        for name in ("time_ns", "local_port", "protocol"):
            changes[name] = [getattr(turn, name) for turn in turns]
        self._partitions.note(changes)

    def partition(self, batch: FrameBatch, packets: NDArray[np.void]) -> None:
        """Write into the ``namespace`` of PACKET[n] where those were seen that portcall recorded."""
        if not self.table.points:
            return
        is_own = batch.frames["interface"] >= OWN_INTERFACES
        if not is_own.any():
            return
        if not self.points:
            self._partitions.points.reserve(CapturePoint(), _NO_NAMESPACE)  # of all other captures
        if is_own.all():
            self._partitions.write(batch, packets)
            return
        own = packets[is_own]
        self._partitions.write(batch.some(is_own), own)
        packets["namespace"][is_own] = own["namespace"]

    def leavable(self, table: InspectedTable) -> InspectedTable | NamedTable:
        """What rows of a table leave by while it is fed: with their owners, where a capture has named any."""
        if not self.table.has_any:
            return table
        if not self._tables or self._tables[-1].inspected is not table:
            self._tables.append(NamedTable(table, self._partitions.points, self._match))
        return self._tables[-1]

    def owned(self, table: InspectedTable) -> OwnedTable | None:
        """A table that is fed no more, with the owners of its rows; None where no capture names any."""
        owned = self.leavable(table)
        if not isinstance(owned, NamedTable):
            return None
        self._match(owned, np.ones(len(table.flows), np.bool_))
        self._others_left_out += table.claims.left_out if table.claims else 0
        return owned

    def _match(self, owned: NamedTable, which: NDArray[np.bool_]) -> None:
        """Find the owners of some rows."""
        ends = NamedEnds(self.table, owned.inspected, owned, self._local, self.points, which)
        for _ in owned.matching(ends.find, among=which):
            pass
        self._rows += int(which.sum())
        self._named += ends.named
        self._ambiguous += ends.ambiguous
        self._inferred += ends.inferred

    def notes(self) -> list[Degradation]:
        """Where owners come from, and what is not sure of them."""
        table = self.table
        notes = []
        if table.points_left_out:
            reason = f"there was no room for the names of {len(table.points_left_out)} interfaces or more"
            notes.append(Degradation("interfaces", reason, "read fewer captures"))
        if not table.has_any:
            return notes
        formats = ", ".join(table.sources)
        reason = f"the capture itself names them ({formats}), for {self._named} of {self._rows} conversations"
        notes.append(Degradation("owners", reason, _WHERE))
        if self._ambiguous:
            reason = f"at {self._ambiguous} ends the capture names several processes, so none is taken"
            notes.append(Degradation("owners", reason, "--by flow names them in owner_search"))
        if self._inferred:
            reason = f"of {self._inferred} conversations the capture does not say which end is local; it is inferred"
            notes.append(Degradation("local addresses", reason, "--local CIDR"))
        left_out = table.left_out + table.claims_left_out + table.ends_left_out + self._others_left_out
        if left_out:
            notes.append(
                Degradation("owners", f"there was no room for {left_out} that are named", "read fewer captures")
            )
        if table.damaged:
            reason = f"{table.damaged} blocks or lines that tell of processes are damaged, and were passed over"
            notes.append(Degradation("owners", reason, "capture it again"))
        return notes

    def _name_point(self, _namespace: int, interface: int) -> CapturePoint:
        return self.table.points[interface - OWN_INTERFACES]

    def _number_namespace(self, _namespace: int, interface: int) -> int:
        name = self.table.points[interface - OWN_INTERFACES].namespace
        if name not in self._namespaces:
            self._namespaces.append(name)
        return self._namespaces.index(name)
