"""What an opened row is made of: its conversations summed by host, by port, by process, and by what they rest on.

Conversations go in as columns, sums come out as columns in ``--by flow``'s words: to the server and to the client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from portcall.records.column_values import Columns, Numbers, Words
from portcall.records.report_rows import Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from portcall.records.column_values import ColumnValues

    Row = dict[str, Any]  # Any: plain values of several types, see schema

NAMES = ("part", "detail", "conversations", "bytes_to_server", "bytes_to_client", "last_ns")
"""The columns of sums; ``part`` is what they are of, ``detail`` more of it in words."""
_COUNTS = ("bytes_to_server", "bytes_to_client")
_EVIDENCE = {
    "app_source": "the app rests on",
    "hostname_source": "the name comes from",
    "application_protocol": "the protocol was recognised",
    "owner_source": "the owner was seen by",
    "owner_quality": "the owner is known",
    "owner_search": "no owner was found",
    "opener_evidence": "who opened is told by",
    "unattributed_reason": "there is no app",
}


def part_sums(flows: Rows, part: str) -> Rows:
    """The sums of one of PARTS but conversations, most bytes first."""
    wanted, keys_of = _PARTS[part]
    names = frozenset({*wanted, *_COUNTS, "last_ns"})
    sums: dict[tuple[str, str], list[int]] = {}
    for block in flows.blocks(names=names):
        plain = [_plain(block, name) for name in (*_COUNTS, "last_ns")]
        for keys, out, back, last_ns in zip(keys_of(block), *plain, strict=True):
            for key in keys:
                known = sums.setdefault(key, [0, 0, 0, 0])
                known[0] += 1
                known[1] += out or 0
                known[2] += back or 0
                known[3] = max(known[3], last_ns or 0)
    ordered = sorted(sums.items(), key=lambda one: (-one[1][1] - one[1][2], one[0]))
    values: dict[str, ColumnValues] = {
        "part": Words.each(key[0] for key, _ in ordered),
        "detail": Words.each(key[1] for key, _ in ordered),
        **{
            name: Numbers(np.array([counts[place] for _, counts in ordered], np.int64))
            for place, name in enumerate(("conversations", *_COUNTS, "last_ns"))
        },
    }
    columns = Columns(len(ordered), values)
    return Rows(NAMES, [columns], np.arange(len(ordered)))


def _plain(block: Columns, name: str) -> list[Any]:  # Any: a plain value
    values = block.by_name.get(name)
    return [None] * len(block) if values is None else values.plain()


def _hosts(block: Columns) -> Iterator[list[tuple[str, str]]]:
    for name, address, reason in zip(
        *(_plain(block, column) for column in ("hostname", "server_ip", "unattributed_reason")), strict=True
    ):
        yield [(name or address or f"({reason})", address or "")]


def _ports(block: Columns) -> Iterator[list[tuple[str, str]]]:
    named = ("server_port", "protocol", "service", "server_port_class")
    for port, protocol, service, port_class in zip(*(_plain(block, column) for column in named), strict=True):
        yield [(f"{port}/{protocol}" if port_class else protocol or "(no port)", service or "")]


def _processes(block: Columns) -> Iterator[list[tuple[str, str]]]:
    ends = []
    for end in ("client", "server"):
        names = (f"{end}_process", f"{end}_pid", f"{end}_user", f"{end}_exe")
        ends.append(list(zip(*(_plain(block, name) for name in names), strict=True)))
    for both in zip(*ends, strict=True):
        known = [_process(*end) for end in both if end[0]]
        yield list(dict.fromkeys(known)) or [("(no owner known)", "")]


def _process(name: str, pid: int | None, user: str | None, exe: str | None) -> tuple[str, str]:
    return f"{name} {pid}" if pid else name, " ".join(filter(None, [user, exe]))


def _evidence(block: Columns) -> Iterator[list[tuple[str, str]]]:
    found = [_plain(block, name) for name in _EVIDENCE]
    for values in zip(*found, strict=True):
        yield [(words, value) for words, value in zip(_EVIDENCE.values(), values, strict=True) if value is not None]


_OWNED = tuple(f"{end}_{name}" for end in ("client", "server") for name in ("process", "pid", "user", "exe"))
_PARTS: dict[str, tuple[tuple[str, ...], Callable[[Columns], Iterator[list[tuple[str, str]]]]]] = {
    "hosts": (("hostname", "server_ip", "unattributed_reason"), _hosts),
    "ports": (("server_port", "protocol", "service", "server_port_class"), _ports),
    "processes": (_OWNED, _processes),
    "evidence": (tuple(_EVIDENCE), _evidence),
}
