"""Room for tables: zeros that cost what is used of them."""

import mmap
from pathlib import Path

import numpy as np
import pytest

from portcall.flows.reserved_memory import reserved

PAGE_BYTES = mmap.PAGESIZE


def private_kilobytes():
    """What this process has to itself, by the kernel's account."""
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))


def test_room_is_zeros_that_can_be_written():
    room = reserved(5, np.dtype(np.uint32))
    room[3] = 7

    assert room.tolist() == [0, 0, 0, 7, 0]


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="this kernel does not say what memory is used")
def test_a_table_with_a_few_rows_takes_a_page_of_each_column():
    before = private_kilobytes()
    columns = [reserved(1 << 23, np.dtype(np.uint64)) for _ in range(64)]
    for column in columns:
        column[0] = 1

    assert private_kilobytes() - before < 64 * 64  # in pages of 2 MB it were 128 MB
