"""Which conversations somebody means: the words of ``--explain`` → rows of ``--by flow``.

    flow  = row number | end | end "-" end , all with "/" protocol behind it where only that is meant
    end   = address ":" port | ":" port | address , an IPv6 address before a port in brackets

    7                                        the seventh row of --by flow
    192.168.1.5:54823-142.250.80.46:443      both ends, in either order
    [2001:db8::5]:54823-[2001:db8::80]:443/udp
    :54823                                   one end; as much of it as tells it from others

Pure: where a row comes from is not this module's business.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from portcall.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    Row = dict[str, Any]  # Any: plain values of several types, see schema

_LAST_PORT = 65535
_MOST_NEAR = 3
_MOST_ENDS = 2
_ROW_NUMBER = re.compile(r"[1-9]\d{0,17}", re.ASCII)
_END = re.compile(r"(?:\[(?P<bracketed>[^\]]+)\]|(?P<plain>[^\[\]:]+))?(?::(?P<port>\d{1,5}))?", re.ASCII)
_FORMS = (
    "Write it like 192.168.1.5:54823-142.250.80.46:443, [2001:db8::5]:54823-[2001:db8::80]:443/udp, :54823, "
    "or the number of a row of --by flow"
)


class SelectedEnd(NamedTuple):
    """What is said of one end; None for what is not."""

    address: str | None
    port: int | None


@dataclass(frozen=True, slots=True)
class FlowChoice:
    """Which conversations are meant."""

    text: str
    """As it was asked."""
    row_number: int | None = None
    ends: tuple[SelectedEnd, ...] = ()
    protocol: str | None = None
    """As in the column of this name."""


def parse_choice(text: str) -> FlowChoice:
    """The choice that the words mean; UsageError where they mean none."""
    words, _, protocol = text.strip().partition("/")
    if _ROW_NUMBER.fullmatch(words) and not protocol:
        return FlowChoice(text, row_number=int(words))
    parts = words.split("-")
    if not words or len(parts) > _MOST_ENDS:
        raise UsageError(f"--explain {text}: not a conversation. {_FORMS}")
    return FlowChoice(text, ends=tuple(_end(text, part) for part in parts), protocol=protocol.lower() or None)


def chosen(rows: Sequence[Row], choice: FlowChoice) -> list[int]:
    """Indexes of the rows that are meant, in order."""
    if choice.row_number is not None:
        return [choice.row_number - 1] if choice.row_number <= len(rows) else []
    whole = len(choice.ends) + (choice.protocol is not None)
    return [index for index, row in enumerate(rows) if _likeness(row, choice) >= whole]


def nearest(rows: Sequence[Row], choice: FlowChoice) -> list[int]:
    """Indexes of the rows that have most in common with what is meant, at most three; the first rows in a tie."""
    whole = [index for index, row in enumerate(rows) if row["protocol"] is not None]
    return sorted(whole, key=lambda index: -_likeness(rows[index], choice))[:_MOST_NEAR]


def conversation_text(row: Row) -> str:
    """A row's protocol and ends, as ``parse_choice`` reads them: ``10.0.0.1:40000-192.0.2.1:443/tcp``."""
    ends = [_end_text(row[f"{end}_ip"], row[f"{end}_port"], row[f"{end}_port_class"]) for end in ("client", "server")]
    return f"{'-'.join(ends)}/{row['protocol']}"


def _end(text: str, words: str) -> SelectedEnd:
    """One end; a bare IPv6 address is one too, as no port can follow it."""
    found = _END.fullmatch(words.strip())
    parts = found.groupdict() if found else {"bracketed": words.strip(), "plain": None, "port": None}
    address, port = parts["bracketed"] or parts["plain"], parts["port"]
    if (address is None and port is None) or (port is not None and int(port) > _LAST_PORT):
        raise UsageError(f"--explain {text}: {words or 'nothing'} is no end of a conversation. {_FORMS}")
    return SelectedEnd(address and _address(text, address), None if port is None else int(port))


def _address(text: str, words: str) -> str:
    """The address as rows write it."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            return socket.inet_ntop(family, socket.inet_pton(family, words))
        except (OSError, ValueError):  # of the other family, or no address at all
            continue
    raise UsageError(f"--explain {text}: {words} is no address. {_FORMS}")


def _likeness(row: Row, choice: FlowChoice) -> float:
    """How many of the things that are said of it a row has: an end counts one, half of it a half."""
    if row["protocol"] is None:
        return 0.0
    ends = [(row[f"{end}_ip"], row[f"{end}_port"]) for end in ("client", "server")]
    ways = (ends, ends[::-1])
    alike = max(sum(map(_end_likeness, way, choice.ends)) for way in ways)
    return alike + (choice.protocol is not None and row["protocol"] == choice.protocol)


def _end_likeness(end: tuple[str, int], wanted: SelectedEnd) -> float:
    sent = [(has, wants) for has, wants in zip(end, wanted, strict=True) if wants is not None]
    return sum(has == wants for has, wants in sent) / len(sent)


def _end_text(address: str, port: int, port_class: str | None) -> str:
    if port_class is None:  # of a protocol without ports
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
