"""Who has sockets open, process by process: what it is, whose child, since when, and its sockets."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from portcall.records.ownership import program_text
from portcall.records.schema import end_text
from portcall.records.sockets import NOT_ACCEPTED
from portcall.views.text import counted_text, duration_text, visible

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

    from portcall.records.schema import Listing

    Row = dict[str, Any]  # Any: plain values of several types, see schema

MOST_SOCKETS = 100
"""Sockets shown of one process."""
MOST_PROCESSES = 200

_ARROWS = {"in": "from", "out": "to", None: "with"}
_COMMAND_WIDTH = 1000

_WITHOUT_PROCESS = {"hidden": "(hidden)", "unfound": "(no process found)", "kernel": "[kernel]"}


def write_held(report: Listing, stream: TextIO, now_ns: int) -> None:
    """Write a report of ``who`` for people: those on the port first, then those connected to such a port."""
    relations: dict[str, dict[Any, list[Row]]] = {}
    for row in report.rows:
        process = (row["pid"],) if row["pid"] else (process_text(row), row["user"])
        relations.setdefault(row["relation"], {}).setdefault(process, []).append(row)
    blocks = [
        block
        for relation, processes in sorted(relations.items(), reverse=True)
        for block in _relation(relation, processes, now_ns)
    ]
    if report.rows_left_out:
        blocks.append([f"and {counted_text(report.rows_left_out, 'more socket')}"])
    text = "\n\n".join("\n".join(map(visible, lines)) for lines in blocks)
    is_plain = not (getattr(stream, "encoding", None) or "utf-8").lower().startswith("utf")
    stream.write((text.encode("ascii", "backslashreplace").decode() if is_plain else text) + "\n" if text else "")


def _relation(relation: str, processes: dict[Any, list[Row]], now_ns: int) -> Iterator[list[str]]:
    if relation != "local":
        yield [f"{relation} it:"]
    for number, rows in enumerate(processes.values()):
        if number == MOST_PROCESSES:
            yield [f"and {len(processes) - number} more processes"]
            return
        sockets = [_socket(row) for row in rows[:MOST_SOCKETS]]
        hidden = [f"  and {len(rows) - MOST_SOCKETS} more"] if len(rows) > MOST_SOCKETS else []
        yield [*_process(rows[0], now_ns), *sockets, *hidden]


def _process(row: Row, now_ns: int) -> Iterator[str]:
    if row["pid"] is None:
        yield f"{process_text(row)}{_user(row)}"
        return
    since_ns = row["process_since_ns"]
    age = f", started {duration_text(max(now_ns - since_ns, 0))} ago" if since_ns is not None else ""
    yield f"{program_text(row['process'], row['script'])}, pid {row['pid']}{_user(row)}{age}"
    if row["cmdline"]:
        yield f"  command: {visible(shlex.join(row['cmdline']), _COMMAND_WIDTH)}"
    if row["container"]:
        yield f"  in: {row['container']}"
    if row["started_by"]:
        yield f"  started by: {' <- '.join(row['started_by'])}"
    if row["also_held_by"]:
        yield f"  also held by: {', '.join(row['also_held_by'][:MOST_SOCKETS])}"


def _user(row: Row) -> str:
    return f", user {row['user']}" if row["user"] else ""


def _socket(row: Row) -> str:
    local = f"  {row['protocol']} {row['state']} {end_text(row['local_ip'], row['local_port'])}"
    place = f", in network namespace {row['namespace']}" if row["namespace"] else ""
    if row["remote_ip"] is None:
        return f"{local}  {row['exposed_to']}{place}"
    return f"{local} {_ARROWS[row['direction']]} {end_text(row['remote_ip'], row['remote_port'])}{place}"


def process_text(row: Row) -> str:
    """The process of a row, and how many more have the socket open; in brackets why there is none."""
    if row["process"] is None:
        nobody = "(not accepted yet)" if row["state"] in NOT_ACCEPTED else "(closed)"
        return _WITHOUT_PROCESS.get(row["holding"], nobody)
    others = len(row["pids"]) - 1
    program = program_text(row["process"], row["script"])
    return f"{program} +{others}" if others > 0 else program
