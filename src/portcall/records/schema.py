"""The columns of every output: the door to the tables of ``traffic_columns`` and ``socket_columns``.

Exports, table headers, ``--where`` and the documentation derive from these tables: a column that is added there appears
everywhere. Names are a promise to scripts: adding one is free, renaming or dropping one needs a decision record.
Columns that nothing fills yet are present as null, so that scripts can name them today.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, get_args

from portcall.errors import UsageError
from portcall.records.columns import Column, address_columns
from portcall.records.socket_columns import CONVERSATIONS, COUNTED_BY, COUNTED_CONVERSATIONS, COUNTS, HELD, PORTS
from portcall.records.traffic_columns import DIFF, FIRST, FLOW, GROUPED, PROCESS_AND_PID, QUERY, REASONS, WINDOW

if TYPE_CHECKING:
    from collections.abc import Iterator

    from portcall.records.report import Degradation, DiffCoverage
    from portcall.records.sockets import SocketCoverage

__all__ = [
    "ADDRESS_ENDS",
    "COMPARED_BY",
    "COUNTS",
    "GROUPINGS",
    "LISTS",
    "LIVE_GROUPINGS",
    "REASONS",
    "VERDICTS",
    "WINDOW_COLUMNS",
    "Column",
    "Listing",
    "Verdict",
    "asked_names",
    "column_names",
    "columns",
    "did_you_mean",
    "directions",
]

GROUPINGS = ("app", "service", "host", "query", "flow", "time")
"""What ``--by`` accepts of traffic whose owners nobody names; the first is the default."""
LIVE_GROUPINGS = ("app", "process", "user", "service", "host", "query", "flow", "time")
"""What it accepts where owners are known: live, and of captures that name them."""
COMPARED_BY = ("app+host", "app", "host", "process", "user", "service")
"""What ``diff`` may compare two sides by; the first is the default."""
WINDOW_COLUMNS = WINDOW
"""Of what ``history`` sums, before it is summed."""
LISTS = {
    "ports": "socket that listens",
    "conns": "socket with a peer",
    **dict.fromkeys(COUNTS.values(), "what the conversations are counted by"),
    "who": "socket on the port, of the process, or connected to such a port",
    "check": "port of one address",
    "diff": "app and host, or what else two sides are compared by",
    "doctor": "thing that portcall needs, or works better with",
    "update-data": "file that names come from",
}
"""What commands list that is no traffic, by the command's name, and what a row of each stands for."""

Verdict = Literal["open", "closed", "filtered", "open-or-filtered", "no-route", "unresolved"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
"""What ``check`` may say of a port."""

ADDRESS_ENDS = {"client_ip": "client", "server_ip": "server", "top_host": "top_host", "remote_ip": "remote"}
"""Columns with an address → how the columns begin that tell where it is and what it is called, where asked for."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Rows that are no traffic, in the shape of ``Report``: exports write either. Iterable as it is."""

    by: str
    """What they are rows of, one of LISTS."""
    source: str
    """What the command was asked about."""
    rows: list[dict[str, Any]]  # Any: plain values of several types
    window_ns: tuple[int, int] | None = None
    """First and last moment that they tell of, where that matters."""
    coverage: SocketCoverage | None = None
    """How much of what is there could be seen; None where all was."""
    degradations: list[Degradation] = field(default_factory=list)
    rows_left_out: int = 0
    """Rows that ``--where`` or ``--top`` left out."""
    compared: DiffCoverage | None = None
    """What both sides of a comparison have, where they are rows of one; the ``coverage`` of exports."""

    def __iter__(self) -> Iterator[dict[str, Any]]:  # Any: as above
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def to_dicts(self) -> list[dict[str, Any]]:  # Any: as above
        """The rows as dictionaries of plain Python values, ready for json or a data frame."""
        return [dict(row) for row in self.rows]


def columns(by: str) -> tuple[Column, ...]:
    """The columns of a grouping or of one of LISTS, in output order. UsageError for a grouping that does not exist."""
    if by in LISTS:
        return _OF_LIST[by]
    if by not in LIVE_GROUPINGS:
        raise UsageError(f"--by {by}: no such grouping{did_you_mean(by, LIVE_GROUPINGS)}")
    if by == "process":
        return (*PROCESS_AND_PID, *(column for column in GROUPED if column not in PROCESS_AND_PID))
    if by in _OF_CLIENTS:
        return _OF_CLIENTS[by]
    return (FIRST[by], *(column for column in GROUPED if column != FIRST[by]))


@lru_cache
def column_names(by: str) -> tuple[str, ...]:
    """The names of one grouping's or list's columns, in output order."""
    return tuple(column.name for column in columns(by))


def directions(by: str) -> tuple[str, str]:
    """The suffixes of a grouping's two counted directions, what leaves the client or local end first."""
    return ("to_server", "to_client") if by in _OF_CLIENTS else ("out", "in")


@lru_cache
def asked_names(end: str) -> tuple[str, ...]:
    """The columns about the address of an end, one of ADDRESS_ENDS' values, that are null unless they are asked for."""
    return tuple(column.name for column in address_columns(end, ""))


def did_you_mean(word: str, words: tuple[str, ...]) -> str:
    """The end of a sentence that refuses a word: the nearest accepted one, or all of them."""
    import difflib

    near = difflib.get_close_matches(word, words, n=1)
    return f". Did you mean '{near[0]}'?" if near else f". Choose from: {', '.join(words)}"


_OF_CLIENTS = {"flow": FLOW, "query": QUERY}
"""Groupings whose rows are of clients and servers, whichever of them is local."""
_OF_LIST = {
    "ports": PORTS,
    "conns": CONVERSATIONS,
    **{counts: (COUNTED_BY[by], *COUNTED_CONVERSATIONS) for by, counts in COUNTS.items()},
    "who": HELD,
    "diff": DIFF,
    "check": (
        Column("host", "address", "", "the host as it was asked for"),
        Column("ip_version", "integer", "", "4 or 6; null where the name has no address"),
        Column("address", "address", "", "the address that was asked; null where the name has none"),
        Column("protocol", "text", "", "tcp or udp"),
        Column("port", "integer", "", "the port that was asked"),
        Column("service", "text", "", "service that usually lives on the port"),
        Column("verdict", "text", "", ", ".join(VERDICTS)),
        Column("reason", "text", "", "what the verdict rests on"),
        Column("answer_ns", "integer", "ns", "until something answered, whatever it said; null where nothing did"),
        Column("icmp_type", "integer", "", "type of the ICMP or ICMPv6 error that decided; null without one"),
        Column("icmp_code", "integer", "", "its code"),
        Column("said_by", "address", "", "who sent the ICMP error"),
        Column(
            "banner", "text", "", "the first bytes that came, where asked for by --banner; others than UTF-8 as \\xNN"
        ),
    ),
    "doctor": (
        Column("subject", "text", "", "what was tried"),
        Column("state", "text", "", "works, works less well or missing"),
        Column("detail", "text", "", "what was found"),
        Column(
            "remedy",
            "text",
            "",
            "what mends it; null where nothing is to be mended, or nothing can",
        ),
        Column("needed_for", "texts", "", "commands that do not run without it"),
    ),
    "update-data": (
        Column("file", "text", "", "its name"),
        Column("state", "text", "", "shipped, or own where the user has put another one in its place"),
        Column(
            "version", "text", "", "what it says of itself, else the release that it came with; null where neither is"
        ),
        Column(
            "date", "text", "", "of a shipped one, the day of its version; of an own one, the day it was checked, UTC"
        ),
        Column("holds", "text", "", "what names come from it"),
        Column("source", "text", "", "who makes it; of an own one, the file that it was copied from"),
        Column("path", "text", "", "where it lies"),
        Column("bytes", "integer", "bytes", "how large it is"),
    ),
}


def end_text(address: str, port: int) -> str:
    """An end as people write it: ``192.0.2.5:443``, ``[2001:db8::5]:443``."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
