"""Reverse DNS: the names that addresses' owners gave them. It asks the network, so only where somebody asked for it.

A name is a claim of whoever holds the address, so nothing is attributed by it. Questions wait in threads that nobody
waits for: a resolver may take half a minute for one address, and its call cannot be ended.
"""

from __future__ import annotations

import ipaddress
import json
import os
import queue
import socket
import threading
import time
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from portcall.records.report import Degradation
from portcall.records.schema import ADDRESS_ENDS
from portcall.system.helper_process import since_now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from portcall.records.column_values import Columns
    from portcall.records.report import Report
    from portcall.records.report_rows import Rows
    from portcall.system.helper_process import ForkedHelper

MOST_ADDRESSES = 1000
"""Asked in one go; what is more stays without a name."""
_AT_ONCE = 16
_TIMEOUT_S = 3.0
_resolver: list[ForkedHelper] = []
_losses: list[Degradation] = []
"""What is said once the resolver is no more; empty until then."""


def reverse_names(
    addresses: Iterable[str],
    *,
    timeout_s: float = _TIMEOUT_S,
    ask: Callable[[str], str | None] | None = None,
) -> dict[str, str]:
    """Address → name of those that have one and answered in time; ``ask`` is the system's resolver.

    What is no address, such as a host by its name, is not asked.
    """
    if _resolver and ask is None:
        return _asked_elsewhere(addresses, _resolver[0].link)
    return _asked_here(addresses, timeout_s, ask or system_name)


def _asked_here(addresses: Iterable[str], timeout_s: float, ask: Callable[[str], str | None]) -> dict[str, str]:
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    distinct = _distinct(addresses, MOST_ADDRESSES)
    for address in distinct:
        waiting.put(address)
    answers: queue.SimpleQueue[tuple[str, str | None]] = queue.SimpleQueue()
    for _ in range(min(_AT_ONCE, len(distinct))):
        threading.Thread(target=_answer, args=(waiting, answers, ask), daemon=True).start()
    return _collected(answers, len(distinct), time.monotonic() + timeout_s, waiting)


def _distinct(addresses: Iterable[str], most: int) -> list[str]:
    """The first that differ, at most so many; no more are read than that takes."""
    found: dict[str, None] = {}
    for address in addresses:
        if address not in found and _is_address(address):
            found[address] = None
            if len(found) == most:
                break
    return list(found)


def begin_resolver() -> ForkedHelper:
    """Have a fork of this process ask from now on: one that may talk to others, when this one may no more.

    It gets addresses, which it checks, and gives names: both as lines of JSON. What resolvers
    answer is parsed there, without rights and without files.
    """
    from portcall.system.helper_process import ForkedHelper

    _losses.clear()
    _resolver.append(ForkedHelper("portcall names", _serve))
    return _resolver[-1]


def _serve(link: socket.socket) -> None:
    from portcall.system.confinement import Scope
    from portcall.system.privileges import give_up_rights

    give_up_rights(os.environ, Scope(may_connect=True))
    with link.makefile("rwb") as stream:
        for line in stream:
            names = _asked_here(map(str, json.loads(line)), _TIMEOUT_S, system_name)
            stream.write(json.dumps(names).encode() + b"\n")
            stream.flush()


def _asked_elsewhere(addresses: Iterable[str], link: socket.socket) -> dict[str, str]:
    if _losses:
        return {}
    line = b""
    link.settimeout(2 * _TIMEOUT_S)
    with suppress(OSError), link.makefile("rwb") as stream:
        stream.write(json.dumps(_distinct(addresses, MOST_ADDRESSES)).encode() + b"\n")
        stream.flush()
        line = stream.readline()
    if not line:
        reason = f"none {since_now()}: the process that asks for them has ended, or does not answer"
        _losses.append(Degradation("reverse DNS", reason, "start portcall again; what was counted stays"))
    return dict(json.loads(line)) if line else {}


def named(report: Report) -> Report:
    """The report with what reverse DNS calls its addresses, and those of its page, asked in one go."""
    from portcall.records.column_values import Columns, Words  # NumPy, as in ``geoip``
    from portcall.records.report_rows import Rows

    if not isinstance(report.rows, Rows):
        rows = with_reverse_names(report.rows)
        return replace(report, rows=rows, degradations=[*report.degradations, *_losses])
    groupings = report.page.groupings if report.page else ()
    of_rows = (row for one in (report, *groupings) if isinstance(one.rows, Rows) for row in _of_rows(one.rows))
    names = reverse_names(filter(None, chain.from_iterable(of_rows)))

    def complete(columns: Columns) -> Columns:
        found = {
            f"{end}_reverse_name": Words.each(text and names.get(text) for text in values)
            for end, values in _addresses(columns).items()
        }
        return Columns(len(columns), {**columns.by_name, **found})

    def completed(one: Report) -> Report:
        return replace(one, rows=one.rows.completed(complete)) if isinstance(one.rows, Rows) else one

    page = report.page and report.page._replace(groupings=tuple(map(completed, groupings)))
    return replace(completed(report), page=page, degradations=[*report.degradations, *_losses])


def _of_rows(rows: Rows) -> Iterator[tuple[str | None, ...]]:
    """The addresses of each row."""
    for columns in rows.blocks():
        yield from zip(*_addresses(columns).values(), strict=True)


def _addresses(columns: Columns) -> dict[str, list[str | None]]:
    """The texts of each column with addresses, by its end."""
    return {end: columns.by_name[name].plain() for name, end in ADDRESS_ENDS.items() if name in columns.by_name}


def with_reverse_names(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:  # Any: plain values, see schema
    """The rows with what reverse DNS calls their addresses; of too many, those of the first rows."""
    ends = [{end: row[column] for column, end in ADDRESS_ENDS.items() if row.get(column)} for row in rows]
    names = reverse_names(address for addresses in ends for address in addresses.values())
    return [
        {**row, **{f"{end}_reverse_name": names.get(address) for end, address in addresses.items()}}
        for row, addresses in zip(rows, ends, strict=True)
    ]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def system_name(address: str) -> str | None:
    """What this system's resolver calls an address: from /etc/hosts, DNS or wherever it looks; None for no name."""
    try:
        return socket.getnameinfo((address, 0), socket.NI_NAMEREQD)[0]
    except OSError:
        return None  # no name, no answer, or no address


def _answer(
    waiting: queue.SimpleQueue[str],
    answers: queue.SimpleQueue[tuple[str, str | None]],
    ask: Callable[[str], str | None],
) -> None:
    while True:
        try:
            address = waiting.get_nowait()
        except queue.Empty:
            return
        answers.put((address, ask(address)))


def _collected(
    answers: queue.SimpleQueue[tuple[str, str | None]],
    expected: int,
    until_s: float,
    waiting: queue.SimpleQueue[str],
) -> dict[str, str]:
    found: dict[str, str] = {}
    for _ in range(expected):
        try:
            address, name = answers.get(timeout=max(0.0, until_s - time.monotonic()))
        except queue.Empty:
            break
        if name:
            found[address] = name
    while not waiting.empty():  # or the threads would go on asking
        try:
            waiting.get_nowait()
        except queue.Empty:
            break
    return found
