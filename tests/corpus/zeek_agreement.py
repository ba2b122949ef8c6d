"""Our logs beside Zeek's own, field by field: the logs that its test suite expects of captures of the corpus.

A line is compared with the one of the same connection and place: ours of the outer view, else of the inner one, as Zeek
logs a tunnel and what is in it. Times are masked there, and identifiers are each tool's own.
"""

from __future__ import annotations

import io
import json
from collections import Counter, defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field

from portcall.exports import write_logs
from portcall.runs import offline

OWN = frozenset({"ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p"})
"""Fields that tell a line from others, or are each tool's own."""
SPECIAL_RUNS = ("skip_analyzer", "max_timer_expires", "expire-all-timers")
ORDER = {"http": "trans_depth", "dns": "trans_id"}


@dataclass
class Agreement:
    """By log: lines that both have, that only Zeek has; by field: values that agree, differ, are only one's."""

    lines: Counter = field(default_factory=Counter)
    fields: dict = field(default_factory=lambda: defaultdict(Counter))
    differing: dict = field(default_factory=lambda: defaultdict(list))


def judges_checksums(command):
    """Whether a run of Zeek does, which it does by default."""
    return "-C" not in command.split()


def our_logs(path, *, checksums):
    """Log → lines of both views, outer first, as they are written in JSON."""
    logs = defaultdict(list)
    for layer in ("outer", "inner"):
        files = defaultdict(io.StringIO)

        @contextmanager
        def opened(name, files=files):
            yield files[name]

        write_logs(
            offline.read([str(path)], by="flow", layer=layer, logs=True, checksums=checksums).report,
            "zeek-json",
            opened,
        )
        for name, stream in files.items():
            logs[name.removesuffix(".log")].append(list(map(json.loads, stream.getvalue().splitlines())))
    return logs


def compare(log, theirs, views, result, capture):
    """Add to ``result`` how the lines of one log of one capture compare to Zeek's."""
    ours = {}
    for lines in reversed(views):
        ours.update(by_ends(lines))
    for ends, unordered in by_ends(theirs).items():
        known = sorted(ours.get(ends, ()), key=lambda line: line.get(ORDER.get(log), 0))
        lines = sorted(unordered, key=lambda line: int(line.get(ORDER.get(log), 0)))
        result.lines[log, "zeek's"] += len(lines)
        result.lines[log, "both"] += min(len(lines), len(known))
        if len(known) == len(lines):
            for one, other in zip(lines, known, strict=True):
                compare_line(log, one, other, result, capture)
        else:
            result.lines[log, "other number"] += len(lines)
            result.differing[log, "lines"].append((capture, len(lines), len(known)))


def compare_line(log, theirs, ours, result, capture):
    """Every field that Zeek's line has."""
    for name, value in theirs.items():
        if name in OWN:
            continue
        known = plain(ours.get(name))
        if value == known:
            kind = "same" if value != "-" else "unset in both"
        elif known == "-":
            kind = "only zeek's"
        elif value == "-":
            kind = "only ours"
        else:
            kind = "differs"
        result.fields[log, name][kind] += 1
        if kind not in ("same", "unset in both"):
            result.differing[log, name].append((capture, value, known))


def plain(value):
    """A value of a line in JSON as Zeek writes it in its other format."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "T" if value else "F"
    if isinstance(value, list):
        return ",".join(map(plain, value)) or "(empty)"
    if isinstance(value, float):
        return f"{value:.6f}"
    return str(value) or "(empty)"


def by_ends(lines):
    """Unordered ends → lines."""
    grouped = defaultdict(list)
    for line in lines:
        ends = frozenset((line[f"id.{end}_h"], str(line[f"id.{end}_p"])) for end in ("orig", "resp"))
        grouped[ends].append(line)
    return grouped


def of_baselines(oracle):
    """Whether checksums were judged, and lines of conn.log, of the runs of an oracle that switch nothing off."""
    for baseline in oracle["baselines"]:
        runs = [command for command in baseline["cmd"] if "zeek " in command and " -r " in command]
        if any(word in text for word in SPECIAL_RUNS for text in [baseline["test"], *baseline["cmd"]]):
            continue
        names = {"a_ip": "id.orig_h", "a_port": "id.orig_p", "b_ip": "id.resp_h", "b_port": "id.resp_p"}
        lines = [
            {names.get(name, name): value for name, value in flow.items() if name != "in_tunnel"}
            for flow in baseline["flows"]
            if flow["proto"] in ("tcp", "udp")
        ]
        yield all(map(judges_checksums, runs)), lines


KINDS = ("same", "unset in both", "differs", "only zeek's", "only ours")


def table(result):
    """The agreement by field, as the page on Zeek's logs has it."""
    rows = ["| field | same | unset in both | differs | only Zeek's | only ours |", "|---|---|---|---|---|---|"]
    for log, name in sorted(result.fields, key=lambda key: (LOGS.index(key[0]), list(result.fields).index(key))):
        counts = result.fields[log, name]
        rows.append(" | ".join([f"| `{log}.{name}`", *(str(counts[kind] or "") for kind in KINDS)]) + " |")
    lines = [
        f"| {log} | {result.lines[log, zeeks]} | {result.lines[log, zeeks] - result.lines[log, 'other number']} |"
        for log in LOGS
        for zeeks in ["zeek's"]
    ]
    return "\n".join(["| log | Zeek's lines | compared |", "|---|---|---|", *lines, "", *rows])


LOGS = ("conn", "dns", "ssl", "http", "quic")
