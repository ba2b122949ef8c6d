"""What a report by app needs of rows that a task made: sums that another process adds up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from portcall.attribution.carried_sums import CarriedAttribution
from portcall.flows.table_arrays import VERDICT_TALLY, tallies_of
from portcall.inspection.server_names import ServerNames
from portcall.runs.capture_tracker import CaptureTracker
from portcall.runs.tracker import sum_tallies

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from portcall.records.packets import Tally, Verdict
    from portcall.records.report import Degradation, Report
    from portcall.runs.partial import Partial


def sums_of(part: Partial, names: Partial | None) -> bytes:
    """The sums by app of the rows of a part, by what the traffic tells of them."""
    part.claims = None
    if part.state and names and names.state:
        part.state.names.dns_cache = names.state.names.dns_cache
        part.state.names.key_log = names.state.names.key_log
    part.flows.buckets = None  # the report is of all the time
    tracker = part.tracker()
    attribution = CarriedAttribution("app", (), tracker.names)
    CaptureTracker(attribution, tracker).finish()
    return attribution.carried()


def report_by_app(sums: Iterable[bytes], tallies: Sequence[Sequence[Any]], source: str) -> Report:  # Any: numbers
    """The report of all; ``tallies`` are the verdicts of each sensor's frames."""
    import numpy as np

    attribution = CarriedAttribution("app")
    for data in sums:
        attribution.add_carried(data)
    all_tallies: dict[Verdict, Tally] = {}
    for of_sensor in tallies:
        rows = np.array([tuple(row) for row in of_sensor], VERDICT_TALLY)
        for verdict, tally in tallies_of(rows).items():
            all_tallies[verdict] = sum_tallies(all_tallies.get(verdict), tally)
    return attribution.report(all_tallies, source)


def shortfalls_of(counts: Iterable[Sequence[int]]) -> list[Degradation]:
    """What it cost all tasks together that none remembers more than so much."""
    names = ServerNames()
    for of_task in counts:
        names.count_beyond(of_task)
    return names.shortfalls()
