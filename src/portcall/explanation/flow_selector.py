"""Which conversations somebody means: the words of ``--explain`` → rows of ``--by flow``.

A number is that row, if there are so many; all other words are those of ``queries.endpoints``. An end stands for the
conversations that have it, in either role:

    7                                        the seventh row of --by flow, else those with a port 7
    192.168.1.5:54823-142.250.80.46:443      both ends, in either order
    :54823                                   one end; as much of it as tells it from others

Pure: where a row comes from is not this module's business.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from portcall.errors import UsageError
from portcall.queries.endpoints import parse_endpoints
from portcall.records.sockets import end_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from portcall.queries.endpoints import Endpoint

    Row = dict[str, Any]  # Any: plain values of several types, see schema

_MOST_NEAR = 3
_ROW_NUMBER = re.compile(r"[1-9]\d{0,17}", re.ASCII)


@dataclass(frozen=True, slots=True)
class FlowChoice:
    """Which conversations are meant."""

    text: str
    """As it was asked."""
    row_number: int | None = None
    ends: tuple[Endpoint, ...] = ()
    """None where only a row's number can be meant."""
    protocol: str | None = None
    """As in the column of this name."""


def parse_choice(text: str) -> FlowChoice:
    """The choice that the words mean; UsageError where they mean none."""
    words = text.strip()
    number = int(words) if _ROW_NUMBER.fullmatch(words) else None
    try:
        meant = parse_endpoints(words)
    except UsageError:
        if number is None:
            raise
        return FlowChoice(text, number)  # more rows than there are ports
    return FlowChoice(text, number, meant.ends, meant.transport)


def chosen(rows: Sequence[Row], choice: FlowChoice) -> list[int]:
    """Indexes of the rows that are meant, in order."""
    if choice.row_number is not None and choice.row_number <= len(rows):
        return [choice.row_number - 1]
    whole = (len(choice.ends) or 1) + (choice.protocol is not None)
    return [index for index, row in enumerate(rows) if _likeness(row, choice) >= whole]


def nearest(rows: Sequence[Row], choice: FlowChoice) -> list[int]:
    """Indexes of the rows that have most in common with what is meant, at most three; the first rows in a tie."""
    whole = [index for index, row in enumerate(rows) if row["protocol"] is not None]
    return sorted(whole, key=lambda index: -_likeness(rows[index], choice))[:_MOST_NEAR]


def conversation_text(row: Row) -> str:
    """A row's protocol and ends, as ``parse_choice`` reads them: ``10.0.0.1:40000-192.0.2.1:443/tcp``."""
    ends = [_end_text(row[f"{end}_ip"], row[f"{end}_port"], row[f"{end}_port_class"]) for end in ("client", "server")]
    return f"{'-'.join(ends)}/{row['protocol']}"


def _likeness(row: Row, choice: FlowChoice) -> float:
    """How many of the things that are said of it a row has: an end counts one, half of it a half."""
    if row["protocol"] is None:
        return 0.0
    ends = [(row[f"{end}_ip"], row[f"{end}_port"]) for end in ("client", "server")]
    alike = max(
        sum(_end_likeness(*end, wanted, row["protocol"]) for end, wanted in zip(way, choice.ends, strict=False))
        for way in (ends, ends[::-1])
    )
    return alike + (choice.protocol is not None and row["protocol"] == choice.protocol)


def _end_likeness(address: str, port: int, wanted: Endpoint, protocol: str) -> float:
    sent = [wanted.is_at(address)] if wanted.addresses else []
    if wanted.ports:
        sent.append(wanted.has_port(port, protocol))
    return sum(sent) / len(sent) if sent else 1.0


def _end_text(address: str, port: int, port_class: str | None) -> str:
    return address if port_class is None else end_text(address, port)  # a protocol without ports
