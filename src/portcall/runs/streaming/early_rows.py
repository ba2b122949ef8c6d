"""Rows by flow that are handed out as soon as their conversations leave, before the run ends."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from portcall.attribution.flow_rows import FlowRows
from portcall.records.report_rows import Rows
from portcall.records.schema import column_names

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from portcall.attribution.principals import Matches
    from portcall.inspection.server_names import ServerNames
    from portcall.queries.row_tests import RowTest
    from portcall.records.column_values import Columns
    from portcall.records.packets import CapturePoint
    from portcall.records.report import Report
    from portcall.runs.inspected_table import InspectedRows

    TakeRows = Callable[[Rows], None]


class EarlyRows:
    """Makes rows of what leaves, and gives those that are wanted to ``write``, some thousand at once."""

    def __init__(
        self,
        write: TakeRows,
        names: ServerNames | None,
        where: RowTest | None = None,
        completed: Callable[[Columns], Columns] | None = None,
    ) -> None:
        """``names`` is what the traffic tells, ``completed`` adds what others know before ``where`` looks at a row."""
        self._write, self._names = write, names
        self._where, self._completed = where, completed
        self._columns = column_names("flow")
        self._bytes_attributed = 0
        self.rows = 0
        """Handed out."""

    def take(
        self,
        left: InspectedRows,
        matches: tuple[Matches, Matches] | None = None,
        capture_points: Sequence[CapturePoint] = (),
    ) -> None:
        """Hand out what leaves; ``matches`` and ``capture_points`` as ``Attribution`` has them."""
        part = FlowRows(self._names, capture_points)
        part.add(left.flows, matches, left.detected, left.cells)
        self._bytes_attributed += part.bytes_attributed()
        rows = Rows(self._columns, [part], np.arange(len(part)))
        if self._completed:
            rows = rows.completed(self._completed)
        if self._where:
            rows = rows.where(self._where.among)
        if len(rows):
            self._write(rows)
            self.rows += len(rows)

    def covered(self, report: Report) -> Report:
        """The report of the others, which covers these too."""
        attributed = report.coverage.bytes_attributed + self._bytes_attributed
        return replace(report, coverage=replace(report.coverage, bytes_attributed=attributed))
