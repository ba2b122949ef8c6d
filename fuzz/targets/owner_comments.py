"""Comments on packets, in which programs name processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from capture_seeds import capture_files
from portcall.owners.recorded.comments import CommentTexts

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_BYTES = 5000
_SEPARATOR = b"\xff\xff"


def seeds() -> Iterator[bytes]:
    """Comments of each writer, and those that the captures have."""
    yield b"u-10123"
    yield b"PID: 123\nCmd: /usr/bin/curl\nArgs: curl https://example.org\nParentPID: 1\nContainerName: c"
    yield b"pid=7 process=curl" + _SEPARATOR + b"Process: name (7)"
    yield b"PID=1234"
    yield b"process: pid=12 comm=x"
    for content in capture_files():
        for word in (b"PID", b"pid", b"roc"):
            at = content.find(word)
            if at >= 0:
                yield content[at : at + 200]


def examine(data: bytes) -> None:
    """Each text is a number, and whoever it names has a name that can be written."""
    texts = CommentTexts(most_bytes=2000)
    for comment in data.split(_SEPARATOR):
        if texts.is_full:
            texts.forget()
        named = texts.named([texts.number(comment), texts.number(comment[::-1])])
        for recorded in (named.recorded, named.receiver):
            if recorded:
                recorded.owner.program.name.encode()
