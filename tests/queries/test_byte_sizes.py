"""Sizes that people write."""

from __future__ import annotations

import pytest

from portcall.errors import UsageError
from portcall.queries.byte_sizes import size_bytes

LEAST, MOST = 1 << 20, 1 << 31


@pytest.mark.parametrize(
    ("text", "size"),
    [("64MB", 64_000_000), ("1GiB", 1 << 30), ("2048KiB", 1 << 21), ("2000 kB", 2_000_000), ("64mb", 64_000_000)],
)
def test_a_size_is_a_whole_number_and_a_unit(text, size):
    assert size_bytes(text, "--ring-size", LEAST, MOST) == size


@pytest.mark.parametrize("text", ["", "64", "MB", "-1MB", "1.5GB", "1e3MB", "64MB MB", "٣MB", "1PB"])
def test_anything_else_is_none_and_the_error_says_how_to_write_one(text):
    with pytest.raises(UsageError, match=r"--ring-size .*not a size. Write it like 64MB or 1GiB, from 1MiB to 2GiB"):
        size_bytes(text, "--ring-size", LEAST, MOST)


@pytest.mark.parametrize(
    ("text", "wrong"), [("0MB", "too little"), ("1MB", "too little"), ("3GB", "too much"), ("1TB", "too much")]
)
def test_a_size_out_of_bounds_is_said_to_be_so(text, wrong):
    with pytest.raises(UsageError, match=wrong):
        size_bytes(text, "--ring-size", LEAST, MOST)


@pytest.mark.parametrize(
    ("least", "written"), [(128_000_000, "128MB"), (1 << 16, "64KiB"), (5000, "5kB"), (3 << 40, "3TiB")]
)
def test_bounds_are_said_in_the_unit_that_gives_the_least_number(least, written):
    with pytest.raises(UsageError, match=f"from {written} to 8TiB"):
        size_bytes("1kB", "--memory", least, 8 << 40)
