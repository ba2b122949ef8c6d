"""Openings in few words: which bytes may stand where a protocol begins, see ``portcall.dissectors``."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

Prefix: TypeAlias = "Mapping[int, Collection[int]]"
"""Offset → the bytes that may stand there."""

ZERO = b"\0"
DIGITS = b"0123456789"
CAPITALS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
LETTERS = CAPITALS + CAPITALS.lower()
PRINTABLE = bytes(range(0x21, 0x7F))
TOKEN = b"!#$%&'*+-.^_`|~" + DIGITS + LETTERS
"""What methods are made of (RFC 9110 §5.6.2)."""
LINE_END = b"\r\n"
_KINDS = (ZERO, CAPITALS[:13], CAPITALS[13:], PRINTABLE, bytes(range(256)))


def together(*beginnings: bytes, at: int = 0) -> Prefix:
    """One prefix for all of these: a little wider than they are, as far as the shortest reaches."""
    return {at + i: frozenset(column) for i, column in enumerate(zip(*beginnings, strict=False))}


def words(*beginnings: bytes) -> Prefix:
    """The same, in upper and lower case."""
    return together(*[cased for word in beginnings for cased in (word.upper(), word.lower())])


def by_first_byte(*beginnings: bytes) -> tuple[Prefix, ...]:
    """A prefix for each kind of first byte: narrower than one for all, in few bits."""
    groups: dict[int, list[bytes]] = {}
    for beginning in beginnings:
        groups.setdefault(next(at for at, kind in enumerate(_KINDS) if beginning[0] in kind), []).append(beginning)
    return tuple(together(*group) for group in groups.values())


REQUEST_LINES: tuple[Prefix, ...] = (
    {0: LETTERS, 1: TOKEN, 2: TOKEN, 3: TOKEN + b" \t", 4: b"\t" + bytes(range(0x20, 0x100))},
    {0: LETTERS, 1: b" "},
    {0: LETTERS, 1: TOKEN, 2: b" "},
    {0: LINE_END, 1: LINE_END + LETTERS, 2: LINE_END + LETTERS + TOKEN},
)
"""HTTP's and its kin's: a method, mostly of three characters and more, behind empty lines perhaps."""
