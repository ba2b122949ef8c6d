"""A reader of Zeek's tab-separated logs that shares nothing with their writer, and goes by their header."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PLAIN = {"count": int, "port": int, "time": float, "interval": float, "bool": {"T": True, "F": False}.__getitem__}
_ESCAPE = re.compile(rb"\\(\\|x[0-9a-fA-F]{2})")


@dataclass
class ZeekLog:
    """One log: its path, types by field, and lines as values by field."""

    path: str
    types: dict[str, str]
    lines: list[dict[str, object]]


def read(text):
    """The log; AssertionError where it is not as Zeek's readers want it."""
    head = {}
    lines = []
    for line in text.removesuffix("\n").split("\n"):
        if line.startswith("#"):
            name, _, told = line[1:].partition(" " if line.startswith("#separator") else "\t")
            head[name] = told
        else:
            lines.append(line)
    separator = unescaped(head["separator"].encode()).decode()
    fields, types = (head[name].split(separator) for name in ("fields", "types"))
    assert len(fields) == len(types) == len(set(fields))
    rows = [line.split(separator) for line in lines]
    assert all(len(row) == len(fields) for row in rows)
    return ZeekLog(
        head["path"],
        dict(zip(fields, types, strict=True)),
        [{name: value(cell, kind, head) for name, cell, kind in zip(fields, row, types, strict=True)} for row in rows],
    )


def value(cell, kind, head):
    """What a cell says: None where it is unset, bytes of a text, a list, a number."""
    if cell == head["unset_field"]:
        return None
    container, _, inner = kind.removesuffix("]").partition("[")
    if inner:
        assert container in ("set", "vector")
        if cell == head["empty_field"]:
            return []
        return [value(item, inner, head) for item in cell.split(head["set_separator"])]
    if kind in _PLAIN:
        return _PLAIN[kind](cell)
    return b"" if cell == head["empty_field"] else unescaped(cell.encode())


def unescaped(cell):
    """Bytes behind the escapes."""
    return _ESCAPE.sub(lambda found: b"\\" if found[1] == b"\\" else bytes([int(found[1][1:], 16)]), cell)
