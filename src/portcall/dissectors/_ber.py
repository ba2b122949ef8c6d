"""Tags and lengths of ASN.1's basic encoding (ITU-T X.690 §8.1), as far as protocols use them at their beginning."""

from __future__ import annotations

from typing import NamedTuple

INTEGER, OCTETS, ENUMERATED, SEQUENCE = 0x02, 0x04, 0x0A, 0x30

_LONG = 0x80
_MOST_LENGTH_BYTES = 4


class Element(NamedTuple):
    """One element; its content may reach beyond the data."""

    tag: int
    start: int
    """Of its content."""
    end: int


def read_element(data: bytes, offset: int) -> Element | None:
    """The element at ``offset``; None where its header is cut, or has a tag or length of a kind that nobody sends."""
    if offset + 2 > len(data):
        return None
    tag, length = data[offset], data[offset + 1]
    start = offset + 2
    if length & _LONG:
        count = length - _LONG
        if not 0 < count <= _MOST_LENGTH_BYTES or start + count > len(data):
            return None
        length = int.from_bytes(data[start : start + count], "big")
        start += count
    return Element(tag, start, start + length)


def read_integer(data: bytes, offset: int, tag: int = INTEGER) -> tuple[int, int] | None:
    """A whole number of at most 5 bytes at ``offset``, and where it ends."""
    element = read_element(data, offset)
    if element is None or element.tag != tag or not 0 < element.end - element.start <= 5 or element.end > len(data):  # noqa: PLR2004
        return None
    return int.from_bytes(data[element.start : element.end], "big", signed=True), element.end
