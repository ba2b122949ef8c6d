"""What a conversation said, message by message: lines of logs, before anybody formats them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeAlias

    LogValue: TypeAlias = bytes | str | int | float | bool | list[bytes] | list[float] | None


LOG_ENTRIES = "log_entries"
"""Column of flow rows that only logs read: the list of LogEntry of each."""

CLOSED_NS = "closed_ns"
"""The same: when both ends of a TCP connection had said that they are done; null where one did not, or had reset it."""


class LogEntry(NamedTuple):
    """One line of a log, but for the connection that it belongs to."""

    log: str
    """``dns``, ``ssl``, ``http`` or ``quic``."""
    ts_ns: int
    """Of the packet that begins what it tells of."""
    fields: Mapping[str, LogValue]
    """Values by the name that Zeek's scripts give them; bytes are as sent. What is not there is not known."""
