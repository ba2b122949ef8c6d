"""One output row per conversation: FLOW arrays → columns, of as many rows as somebody asks for."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from portcall.attribution.bucket_rows import cell_columns
from portcall.attribution.flow_columns import (
    COUNTED,
    ToldService,
    counted_columns,
    have_owners_app,
    name_columns,
    owner_columns,
    service_columns,
)
from portcall.attribution.flow_shares import FlowShare, TellingShares
from portcall.attribution.history_columns import OF_HISTORIES, history_columns
from portcall.flows.aggregation import grouped
from portcall.flows.flow_values import FlowValues
from portcall.labels.bucketing import bucket_starts
from portcall.labels.port_services import PROTOCOL_NAMES
from portcall.labels.service_keys import are_attributed, identity_by_port
from portcall.records.column_values import Columns, Numbers, Words
from portcall.records.flows import TIME_SUM
from portcall.records.payloads.log_entries import LOG_ENTRIES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from portcall.attribution.flow_shares import PickedRows, ToldFlows
    from portcall.attribution.principals import Matches
    from portcall.flows.cells.flow_cells import Cells
    from portcall.inspection.detection_table import Detected
    from portcall.inspection.server_names import ServerNames
    from portcall.records.column_values import ColumnValues
    from portcall.records.packets import CapturePoint
    from portcall.records.report_rows import RowPart

_MOST_SERVICES = 1 << 16  # whose texts are remembered


class FlowRows:
    """Conversations, whose columns are made when rows are asked for.

    ``names`` is what the traffic itself tells; ``capture_points`` are what the numbers in their ``namespace`` mean.
    """

    is_kept = False
    """Whether they are outside of memory, and stay there when others are merged with them."""

    def __init__(self, names: ServerNames | None = None, capture_points: Sequence[CapturePoint] = ()) -> None:
        self._names = names
        identity = names.registry.identity if names else identity_by_port
        self._told_service = lru_cache(_MOST_SERVICES)(lambda key: ToldService.of(identity(key)))
        self._capture_points = capture_points
        self._all = TellingShares(names)
        self._also: list[FlowRows] = []
        self._width_ns = 0

    @property
    def left_out(self) -> int:
        """Rows for which there was no room where they are kept."""
        return sum(one.left_out for one in self._also)

    def parts(self) -> list[FlowRows]:
        """These rows, and others that were kept elsewhere."""
        return [self, *self._also]

    def add(
        self,
        flows: NDArray[np.void],
        matches: tuple[Matches, Matches] | None = None,
        found: Detected | None = None,
        cells: Cells | None = None,
    ) -> None:
        """Take FLOW[n], which must not change afterwards.

        ``matches`` tell whose low and high ends are, ``found`` what was detected in their traffic, ``cells`` what came
        of them by time: then a row is a conversation in a bucket.
        """
        if len(flows):
            owners = matches and (list(matches[0]), list(matches[1]))
            self._all.shares.append(FlowShare(flows, owners, found, cells))
            self._width_ns = max(self._width_ns, cells.width_ns if cells else 0)

    def merge(self, other: FlowRows) -> None:
        """Take all that another one has."""
        if other.is_kept:
            self._also.append(other)
        else:
            self._all.merge(other._all)
        self._also += other._also
        self._width_ns = other._width_ns = max(self._width_ns, other._width_ns)

    def __len__(self) -> int:
        """How many conversations, or as many times a conversation in a bucket."""
        return len(self._all)

    def take(self, rows: NDArray[np.int64], names: frozenset[str] | None = None) -> Columns:
        """The columns of some conversations, in that order; where ``names`` are all counted, only what is."""
        told, picked, values = self._all.told(), self._all.pick(rows), FlowValues(len(rows))
        for number, share, flows, places in picked:
            values.put(share.flows, told[number].clients_are_low, flows, places)
        columns = counted_columns(values, picked.told(np.int64, told, "evidence"))
        if names is None or not names <= COUNTED | OF_HISTORIES:
            columns.update(self._further_columns(values, picked, told))
        wants_histories = names is None or not names.isdisjoint(OF_HISTORIES)
        if wants_histories and any(share.found and share.found.histories is not None for share in self._all.shares):
            clients_are_low = picked.told(np.bool_, told, "clients_are_low")
            columns.update(history_columns(values, picked.histories(), clients_are_low))
        if self._width_ns:
            clients_are_low = picked.told(np.bool_, told, "clients_are_low")
            columns.update(cell_columns(picked.counts(TIME_SUM), clients_are_low, self._width_ns))
        return Columns(len(rows), columns)

    def protocols(self) -> Words:
        """The protocol of each."""
        numbers = [share.of_rows(share.flows["protocol"]) for share in self._all.shares]
        return Words(np.concatenate([*numbers, np.zeros(0, np.uint8)]), PROTOCOL_NAMES)

    def bytes_both_ways(self) -> NDArray[np.int64]:
        """int64[n]: the bytes of each."""
        counts = [share.bytes_both_ways() for share in self._all.shares]
        return np.concatenate([*counts, np.zeros(0, np.uint64)]).astype(np.int64)

    def bucket_starts(self) -> NDArray[np.int64]:
        """int64[n]: when the bucket of each begins, NO_TIME for none."""
        numbers = [share.cells._replace(width_ns=self._width_ns).numbers for share in self._all.shares if share.cells]
        return bucket_starts(np.concatenate([*numbers, np.zeros(0, np.int64)]), self._width_ns)

    def bytes_attributed(self) -> int:
        """Bytes of those that have an app."""
        attributed = sum(one.bytes_attributed() for one in self._also)
        for share, told in zip(self._all.shares, self._all.told(), strict=True):
            has_app = (
                have_owners_app(told.by_port, told.clients_are_low, *share.matches)
                if share.matches
                else are_attributed(told.services)
            )
            attributed += int(share.flows["bytes"][has_app].sum())
        return attributed

    def _further_columns(
        self, values: FlowValues, picked: PickedRows, told: Sequence[ToldFlows]
    ) -> dict[str, ColumnValues]:
        """All that is not counted."""
        columns = service_columns(values, picked.told(np.int64, told, "services"), self._told_service)
        if self._names and any(share.found for share in self._all.shares):
            columns.update(self._name_columns(self._names, picked, told))
        if any(share.matches for share in self._all.shares):
            low, high = picked.matches()
            clients_are_low = picked.told(np.bool_, told, "clients_are_low")
            columns.update(owner_columns(picked.told(np.int64, told, "by_port"), clients_are_low, low, high))
        if self._capture_points:
            where = picked.column(np.int64, lambda share: share.flows["namespace"])
            columns["interface"] = Words(where, [point.interface for point in self._capture_points])
            columns["namespace"] = Words(where, [point.namespace for point in self._capture_points])
        return columns

    def _name_columns(
        self, names: ServerNames, picked: PickedRows, told: Sequence[ToldFlows]
    ) -> dict[str, ColumnValues]:
        """What the traffic itself tells of each server."""
        facts = picked.told(np.int64, told, "facts")
        which, members = grouped({"facts": facts}, ("facts",))
        distinct = facts[members]
        labels = names.told(self._all.facts(distinct[distinct > 0]))
        places = np.zeros(len(distinct), np.int64)
        places[distinct > 0] = np.arange(1, len(labels))
        columns = name_columns(labels, places[which], names, picked.found())
        if any(share.found and share.found.entries is not None for share in self._all.shares):
            columns[LOG_ENTRIES] = Words.each(picked.entries())
        return columns


def starts_of_buckets(part: RowPart) -> NDArray[np.int64]:
    """int64[n]: when the buckets of rows begin that were counted by time."""
    if isinstance(part, FlowRows):
        return part.bucket_starts() if len(part) else np.zeros(0, np.int64)
    starts = part.by_name.get("bucket_ns") if isinstance(part, Columns) else None
    return starts.values if isinstance(starts, Numbers) else np.zeros(len(part), np.int64)
