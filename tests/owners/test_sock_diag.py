"""Bytes of the kernel's socket list."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portcall.owners.sock_diag import INFO, V6_ONLY, attribute_of


def attribute(kind, content):
    return struct.pack("=HH", 4 + len(content), kind) + content + bytes(-len(content) % 4)


def test_an_attribute_is_found_behind_others():
    attributes = attribute(8, b"\3") + attribute(V6_ONLY, b"\1") + attribute(INFO, b"12345678")

    assert (attribute_of(attributes, INFO), attribute_of(attributes, V6_ONLY)) == (b"12345678", b"\1")


@pytest.mark.parametrize("attributes", [b"", b"\1", bytes(8), attribute(8, b"\3")])
def test_an_attribute_that_is_not_there_is_none(attributes):
    assert attribute_of(attributes, INFO) is None


@given(st.binary(max_size=200))
def test_any_bytes_end_the_search(attributes):
    found = attribute_of(attributes, INFO)

    assert found is None or len(found) <= len(attributes)
