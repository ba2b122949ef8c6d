"""A rule tells a protocol by a pattern and, mostly, a length that has to be the message's; two dissectors have them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from portcall.dissectors._expressions import Expression
from portcall.records.detections import TCP, Detection, Role


class Length(NamedTuple):
    """Where a message says how long it is."""

    offset: int
    size: int
    more: int = 0
    """Bytes that it does not count."""
    order: Literal["big", "little"] = "big"


@dataclass(frozen=True, slots=True)
class Rule:
    """One shape of one protocol's messages."""

    protocol: str
    transport: int
    where: frozenset[int] | bytes
    """The ports on which it counts; or, where the port does not matter, the bytes that may begin it."""
    pattern: bytes
    """A regular expression for the beginning; dots match every byte."""
    length: Length | None = None
    least: int = 1
    """The fewest bytes of such a message."""
    role: Role | None = None
    asks: bytes = b""
    """Where it is not always the same end's: the beginning of what a client says …"""
    answers: bytes = b""
    """… and of what a server does."""
    _match: Expression = field(init=False, repr=False, compare=False)
    _roles: tuple[tuple[Expression, Detection], ...] = field(init=False, repr=False, compare=False)
    _detection: Detection = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_match", Expression(self.pattern, re.DOTALL))
        marks = ((self.asks, Role.CLIENT), (self.answers, Role.SERVER))
        roles = [(Expression(mark, re.DOTALL), Detection(self.protocol, role)) for mark, role in marks if mark]
        object.__setattr__(self, "_roles", tuple(roles))
        object.__setattr__(self, "_detection", Detection(self.protocol, self.role))

    def find(self, data: bytes) -> Detection | None:
        """The protocol, if ``data`` has this shape."""
        if len(data) < self.least or not self._match.match(data) or not self._fits(data):
            return None
        return next((told for mark, told in self._roles if mark.match(data)), self._detection)

    def _fits(self, data: bytes) -> bool:
        """Whether the length is a datagram's, or that of a message within a stream."""
        if self.length is None:
            return True
        offset, size, more, order = self.length
        length = int.from_bytes(data[offset : offset + size], order) + more
        return offset + size <= length <= len(data) if self.transport == TCP else length == len(data)
