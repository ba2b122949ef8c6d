"""Text from packets, as findings carry it: harmless to compare and to store, not yet fit for a terminal."""

from __future__ import annotations

from portcall.dissectors._expressions import Expression

MOST_CHARACTERS = 1024


def as_text(data: bytes, most_characters: int = MOST_CHARACTERS) -> str:
    r"""The bytes as ASCII, all others as escapes (``\xff``), cut to so many characters."""
    return data[:most_characters].decode("ascii", "backslashreplace")[:most_characters]


def first_line(data: bytes) -> bytes | None:
    """What stands before the first line feed, without carriage return; None where there is none within 2 KiB."""
    end = data.find(b"\n", 0, 2048)
    return None if end < 0 else data[:end].rstrip(b"\r")


def is_printable(line: bytes) -> bool:
    """Whether it is text of one line: no control characters but tabs; bytes above 127 may be of any encoding."""
    return not _CONTROL.search(line)


_CONTROL = Expression(rb"[\x00-\x08\x0a-\x1f\x7f]")
