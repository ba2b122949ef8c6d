"""The table of signatures, and that each row is recognised."""

from itertools import permutations

import pytest
from inspecting import TCP, inspect

from portcall.dissectors import signatures
from portcall.dissectors._signatures import SIGNATURES
from portcall.records.detections import WAIT

SAMPLES = [(signature.transport, signature.magic + b"\0" * 8) for signature in SIGNATURES]
LEAST_BYTES = 4


@pytest.mark.parametrize("signature", SIGNATURES, ids=str)
def test_each_row_is_recognised_whatever_follows(signature):
    inspected = inspect(signatures, signature.transport, signature.magic + b"what follows")

    assert (inspected.protocol, inspected.role) == (signature.protocol, signature.role or signature.begins)


@pytest.mark.parametrize("signature", [row for row in SIGNATURES if row.transport == TCP], ids=str)
def test_the_beginning_of_a_row_is_waited_for(signature):
    assert inspect(signatures, TCP, signature.magic[:-1]) is WAIT


def test_rows_are_long_enough_to_be_no_chance():
    assert [row for row in SIGNATURES if len(row.magic) < LEAST_BYTES or len(set(row.magic)) == 1] == []


def test_no_row_hides_another():
    hidden = [
        (row, other)
        for row, other in permutations(SIGNATURES, 2)
        if row.transport == other.transport and other.magic.startswith(row.magic)
    ]

    assert hidden == []


@pytest.mark.parametrize(
    "sent", [b"GET / HTTP/1.1\r\n", b"SSH-2.0-OpenSSH_9.6\r\n", b"\x16\3\1\2\0\1\0\1\xfc\3\3", b"220 ready\r\n"]
)
def test_the_great_protocols_are_none_of_them(sent):
    assert inspect(signatures, TCP, sent) is None
