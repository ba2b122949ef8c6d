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

import numpy as np

from portcall.errors import UsageError
from portcall.queries.endpoints import parse_endpoints
from portcall.records.column_values import Addresses, Columns, Numbers, Words
from portcall.records.report_rows import Rows
from portcall.records.schema import end_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from portcall.queries.endpoints import Endpoint

    Row = dict[str, Any]  # Any: plain values of several types, see schema

_MOST_NEAR = 3
_ZERO = np.zeros(1)
_COMPARED = frozenset({"protocol", "client_ip", "client_port", "server_ip", "server_port"})
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
    return list(map(int, np.flatnonzero(_likenesses(rows, choice) >= whole)))


def nearest(rows: Sequence[Row], choice: FlowChoice) -> list[int]:
    """Indexes of the rows that have most in common with what is meant, at most three; the first rows in a tie."""
    likenesses = _likenesses(rows, choice)
    order = np.argsort(-likenesses, kind="stable")
    return list(map(int, order[likenesses[order] >= 0][:_MOST_NEAR]))


def conversation_text(row: Row) -> str:
    """A row's protocol and ends, as ``parse_choice`` reads them: ``10.0.0.1:40000-192.0.2.1:443/tcp``."""
    ends = [_end_text(row[f"{end}_ip"], row[f"{end}_port"], row[f"{end}_port_class"]) for end in ("client", "server")]
    return f"{'-'.join(ends)}/{row['protocol']}"


def _likenesses(rows: Sequence[Row], choice: FlowChoice) -> NDArray[np.float64]:
    """float64[n]: how many of the things that are said of it each row has: an end counts one, half of it a half.

    -1 for frames that are on no conversation.
    """
    blocks = rows.blocks(names=_COMPARED) if isinstance(rows, Rows) else [Columns.of_rows(rows)]
    return np.concatenate([*(_likeness(columns, choice) for columns in blocks), np.zeros(0)])


def _likeness(columns: Columns, choice: FlowChoice) -> NDArray[np.float64]:
    """The same of some rows."""
    protocols = columns.by_name.get("protocol")
    if not isinstance(protocols, Words):
        return np.full(len(columns), -1.0)
    ways = (("client", "server"), ("server", "client"))
    alike = [
        sum((_end_likeness(columns, end, one) for end, one in zip(way, choice.ends, strict=False)), _ZERO)
        for way in ways
    ]
    likeness = np.maximum(*alike) + (_are(protocols, choice.protocol) if choice.protocol else 0)
    return np.where(_are(protocols, None), -1.0, likeness)


def _end_likeness(columns: Columns, end: str, wanted: Endpoint) -> NDArray[np.float64]:
    addresses, ports, protocols = (columns.by_name[name] for name in (f"{end}_ip", f"{end}_port", "protocol"))
    sent: list[NDArray[np.bool_]] = []
    if wanted.addresses and isinstance(addresses, Addresses):
        sent.append(np.logical_or.reduce([addresses.are(one.partition("%")[0]) for one in wanted.addresses]))
    elif wanted.addresses and isinstance(addresses, Words):
        sent.append(np.array(list(map(wanted.is_at, addresses.words)), np.bool_)[addresses.codes])
    if wanted.ports and isinstance(ports, Numbers) and isinstance(protocols, Words):
        sent.append(_have_port(ports.values, protocols, wanted))
    return np.asarray(np.mean(sent, axis=0)) if sent else np.ones(len(columns))


def _have_port(ports: NDArray[np.int64], protocols: Words, wanted: Endpoint) -> NDArray[np.bool_]:
    """bool[n]: whether each is the end's."""
    holds = np.isin(ports, np.asarray(wanted.ports))
    if wanted.service:
        at = np.flatnonzero(holds)
        pairs = zip(ports[at].tolist(), protocols.take(at).plain(), strict=True)
        holds[at] = [wanted.has_port(port, protocol) for port, protocol in pairs]
    return holds


def _are(words: Words, wanted: str | None) -> NDArray[np.bool_]:
    return np.array([word == wanted for word in words.words], np.bool_)[words.codes]


def _end_text(address: str, port: int, port_class: str | None) -> str:
    return address if port_class is None else end_text(address, port)  # a protocol without ports
