"""portcall's own block in captures: what is written is read, and what is damaged is said."""

from __future__ import annotations

import json
import struct

import pytest

from portcall.records.ownership import MatchQuality, Program
from portcall.records.recorded.process_blocks import (
    OWN_MAGIC,
    EndLine,
    InterfaceLine,
    ProcessLine,
    TurnLine,
    own_data,
    own_lines,
)

LINES = [
    InterfaceLine(3, "blue"),
    InterfaceLine(0, None),
    ProcessLine(7, 12, Program("py\x1b[31m\n", "/bin/py", (), "web", None, "job"), "ann", ((1, "init"), (2, "sh"))),
    ProcessLine(8, None, Program("c\udce9"), None),
    TurnLine(5, 53, 17),
    EndLine(0, 17, "10.0.0.1", 9, "fe80::1", 53, 1, 2, MatchQuality.AMBIGUOUS, "ambiguous", "exact several-owners"),
    EndLine(1, 6, "10.0.0.1", 9, "10.0.0.2", 53, -1, 2, MatchQuality.WILDCARD, pid=7, start_ns=12),
]


def block_of(*lines: object) -> bytes:
    body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    return OWN_MAGIC + struct.pack("<II", 1, len(body)) + body


def test_lines_come_back_as_they_were_written() -> None:
    data = own_data(LINES)

    assert len(data) % 4 == 0
    assert list(own_lines(data)) == [*LINES[:3], ProcessLine(8, None, Program("c?"), None), *LINES[4:]]


def test_a_line_of_another_kind_is_passed_over() -> None:
    data = block_of({"is": "weather", "rain": True}, {"is": "turn", "time_ns": 1, "local_port": 2, "protocol": 6})

    assert list(own_lines(data)) == [TurnLine(1, 2, 6)]


@pytest.mark.parametrize("data", [b"", b"portcall", b"portcal1" + bytes(40), OWN_MAGIC + struct.pack("<II", 2, 4)])
def test_a_block_that_is_not_ours_has_no_lines(data: bytes) -> None:
    assert not list(own_lines(data))


@pytest.mark.parametrize(
    "line",
    [
        [],
        "text",
        {"is": "turn"},
        {"is": "turn", "time_ns": 1 << 70, "local_port": 2, "protocol": 6},
        {"is": "turn", "time_ns": 1, "local_port": 70000, "protocol": 6},
        {"is": "process", "pid": -1, "name": "x"},
        {"is": "process", "pid": 1, "name": 5},
        {"is": "process", "pid": 1, "name": "x", "parents": [[1]]},
        {"is": "interface", "interface": "0"},
        {"is": "end", "interface": 0},
    ],
)
def test_a_damaged_line_is_said(line: object) -> None:
    with pytest.raises(ValueError, match=r"line|number|text|list"):
        list(own_lines(block_of(line)))


def test_lines_that_are_cut_off_are_said() -> None:
    with pytest.raises(ValueError, match="no JSON"):
        list(own_lines(own_data(LINES)[:60]))


def test_deep_nesting_is_no_traceback() -> None:
    body = b"[" * 100_000
    with pytest.raises(ValueError, match="JSON"):
        list(own_lines(OWN_MAGIC + struct.pack("<II", 1, len(body)) + body))
