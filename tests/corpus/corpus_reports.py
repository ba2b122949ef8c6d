"""What we read of the corpus's captures, and our flow rows in the words of its comparison script."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, cached_property
from pathlib import Path

from portcall.errors import PortcallError
from portcall.runs import offline


@dataclass(frozen=True)
class Entry:
    """One capture and its oracle."""

    name: str
    path: str
    oracle_path: Path

    @cached_property
    def oracle(self):
        return json.loads(self.oracle_path.read_text())

    @property
    def is_trusted(self):
        return not self.oracle["doubtful"]


class Corpus:
    """The captures, and a report of each for any grouping and layer, made once."""

    def __init__(self, folder, index):
        self.folder = folder
        self.entries = [
            Entry(Path(entry["file"]).name, str(folder / entry["file"]), folder / entry["oracle"]) for entry in index
        ]

    @cache  # noqa: B019 (a session has one)
    def report(self, entry, by, layer="outer"):
        """The report, or None where nothing at all can be read."""
        try:
            return offline.read([entry.path], by=by, layer=layer).report
        except PortcallError:
            return None

    def flow_rows(self, entry, layer):
        """The rows of ``--by flow`` that are conversations."""
        report = self.report(entry, "flow", layer)
        return [row for row in report or [] if row["protocol"] is not None]


def compared_rows(rows):
    """Flow rows as compare.py reads them, one a key: sums, the least and the greatest time, every label."""
    joined = {}
    for row in rows:
        ends = [(row["client_ip"], row["client_port"]), (row["server_ip"], row["server_port"])]
        is_turned = ends[0] > ends[1]
        key = (row["protocol"], *sorted(ends))
        _join(joined.setdefault(key, _empty(key)), row, is_turned=is_turned)
    return [_with_times(row) for row in joined.values()]


def _empty(key):
    protocol, (a_ip, a_port), (b_ip, b_port) = key
    return {
        "proto": protocol, "a_ip": a_ip, "a_port": a_port, "b_ip": b_ip, "b_port": b_port,
        "pkts_ab": 0, "bytes_ab": 0, "pkts_ba": 0, "bytes_ba": 0, "first": None, "last": None,
        "sni": None, "snis": [], "host": None, "hosts": [],
    }  # fmt: skip


def _join(joined, row, *, is_turned):
    forth, back = ("ba", "ab") if is_turned else ("ab", "ba")
    for ours, theirs in (("packets", "pkts"), ("bytes", "bytes")):
        joined[f"{theirs}_{forth}"] += row[f"{ours}_to_server"]
        joined[f"{theirs}_{back}"] += row[f"{ours}_to_client"]
    for ours, theirs, better in (("first_ns", "first", min), ("last_ns", "last", max)):
        known = [time_ns for time_ns in (joined[theirs], row[ours]) if time_ns is not None]
        joined[theirs] = better(known, default=None)
    for ours, theirs in (("tls_server_name", "sni"), ("http_host", "host")):
        if row[ours] is not None:
            joined[theirs] = joined[theirs] or row[ours]
            joined[f"{theirs}s"].append(row[ours])


def _with_times(row):
    for name in ("first", "last"):
        if row[name] is not None:
            row[name] = str(Decimal(row[name]).scaleb(-9))
    return row
