r"""Prometheus' text format (version 0.0.4) of a report by app, process, user or service, and of one that goes on.

Labels are bounded: the first 200 groups that are met keep theirs, later ones count as ``other``; hosts and pids are no
labels. Counters never fall: a report may move bytes from nobody to an app whose owner was found later, and what was
told before stays told. So of all labels and both directions

    Σ portcall_bytes_total = portcall_captured_bytes_total + portcall_bytes_credited_twice_total + portcall_bytes_moved

where the last is 0 for a report by itself. Traffic of processes also has OpenTelemetry's name, ``process.network.io``,
as it is written in this format. What is not printable in a label is written as in Python, ``\x1b``, before the format's
own escapes.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from portcall.errors import UsageError
from portcall.records.printable_text import printable
from portcall.records.report import Coverage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TextIO

    from portcall.records.report import Report
    from portcall.records.schema import Listing

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
GROUPINGS = ("app", "process", "user", "service")
"""Those with few groups, whose names may be labels."""
OTHER = "other"
"""The label of groups that have none of their own."""

_MOST_LABELS = 200
_MOST_LABEL_CHARACTERS = 200
_ENTITIES = {"app": "process_executable_name", "process": "process_executable_name", "user": "process_owner"}
"""Grouping → OpenTelemetry's attribute for it (in process.network.io), in Prometheus' letters."""
_DIRECTIONS = (("out", "transmit"), ("in", "receive"))

_Labels = tuple[tuple[str, str], ...]
_Key = tuple[str, _Labels]


class _Metric(NamedTuple):
    """What a metric is."""

    kind: str
    help: str


_METRICS = {
    "portcall_bytes_total": _Metric("counter", "Frame bytes on the wire, seen from the local ends."),
    "portcall_packets_total": _Metric("counter", "Frames, seen from the local ends."),
    "portcall_payload_bytes_total": _Metric("counter", "Bytes that transports carry, seen from the local ends."),
    "portcall_flows_total": _Metric("counter", "Conversations."),
    "portcall_captured_bytes_total": _Metric("counter", "Frame bytes that were captured."),
    "portcall_frames_total": _Metric("counter", "Frames that were captured, by what became of them."),
    "portcall_bytes_credited_twice_total": _Metric("counter", "Frame bytes with two local ends, credited to both."),
    "portcall_dropped_frames_total": _Metric("counter", "Frames that the kernel dropped before they were counted."),
    "portcall_bytes_attributed": _Metric("gauge", "Frame bytes that have an app."),
    "portcall_bytes_moved": _Metric("gauge", "Frame bytes that were told of one label and then found to be another's."),
    "process_network_io_bytes_total": _Metric("counter", "Network bytes transferred (process.network.io)."),
}


class Counters:
    """What was told of one run so far: its labels, and the greatest value of each counter."""

    def __init__(self, most_labels: int = _MOST_LABELS) -> None:
        self._most_labels = most_labels
        self._labels: dict[str, str] = {}
        self._told: dict[_Key, int] = {}

    def label(self, name: str) -> str:
        """The label of a group: its name as long as there is room for it."""
        known = self._labels.get(name)
        if known is None:
            if len(self._labels) >= self._most_labels:
                return OTHER
            known = self._labels[name] = printable(name)[:_MOST_LABEL_CHARACTERS]
        return known

    def held(self, values: dict[_Key, int]) -> tuple[dict[_Key, int], int]:
        """Each counter, or what was told of it where that is more; and how many bytes more all are by that."""
        for key in self._told.keys() - values.keys():
            values[key] = 0
        moved = 0
        for key, value in values.items():
            told = self._told[key] = max(value, self._told.get(key, 0))
            moved += told - value if key[0] == "portcall_bytes_total" else 0
        return {key: self._told[key] for key in values}, moved


def require_grouping(by: str) -> None:
    """UsageError for a grouping whose groups are no labels."""
    if by not in GROUPINGS:
        raise UsageError(f"--format prometheus: labels are bounded, so there are none by {by}. Use --by {GROUPINGS[0]}")


def write(report: Report | Listing, stream: TextIO) -> None:
    """Write all metrics of one report."""
    stream.write(metrics_text(report, Counters()))


def metrics_text(report: Report | Listing, counters: Counters) -> str:
    """The metrics of a report of everything so far, whose labels and counters go on from those told before."""
    require_grouping(report.by)
    values: dict[_Key, int] = defaultdict(int)
    _count_rows(report, counters, values)
    _count_coverage(report, values)
    told, moved = counters.held(values)
    told["portcall_bytes_moved", ()] = moved
    if isinstance(report.coverage, Coverage):
        told["portcall_bytes_attributed", ()] = report.coverage.bytes_attributed
    return "".join(_lines(told))


def _count_rows(report: Report | Listing, counters: Counters, values: dict[_Key, int]) -> None:
    by = report.by
    for row in report.rows:
        name, reason = row[by], row["unattributed_reason"]
        labels: _Labels = ((by, counters.label(name)),) if name else (("unattributed_reason", reason or "unnamed"),)
        for direction, way in _DIRECTIONS:
            directed = (*labels, ("direction", direction))
            values["portcall_bytes_total", directed] += row[f"bytes_{direction}"]
            values["portcall_packets_total", directed] += row[f"packets_{direction}"]
            values["portcall_payload_bytes_total", directed] += row[f"payload_{direction}"]
            if name and by in _ENTITIES and row["app_source"] == "process":
                owner = (_ENTITIES[by], counters.label(name))
                values["process_network_io_bytes_total", (owner, ("network_io_direction", way))] += row[
                    f"bytes_{direction}"
                ]
        values["portcall_flows_total", labels] += row["flows"]


def _count_coverage(report: Report | Listing, values: dict[_Key, int]) -> None:
    coverage = report.coverage
    if not isinstance(coverage, Coverage):
        return
    values["portcall_captured_bytes_total", ()] = coverage.bytes
    values["portcall_bytes_credited_twice_total", ()] = coverage.bytes_credited_twice
    if coverage.dropped_by_kernel is not None:
        values["portcall_dropped_frames_total", ()] = coverage.dropped_by_kernel
    for verdict, frames in coverage.verdicts.items():
        values["portcall_frames_total", (("verdict", verdict),)] = frames


def _lines(values: dict[_Key, int]) -> Iterator[str]:
    by_metric: dict[str, list[tuple[_Labels, int]]] = defaultdict(list)
    for (name, labels), value in values.items():
        by_metric[name].append((labels, value))
    for name, metric in _METRICS.items():
        if name in by_metric:
            yield f"# HELP {name} {metric.help}\n# TYPE {name} {metric.kind}\n"
            yield from (f"{name}{_label_text(labels)} {value}\n" for labels, value in by_metric[name])


def _label_text(labels: Iterable[tuple[str, str]]) -> str:
    text = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels)
    return f"{{{text}}}" if text else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
