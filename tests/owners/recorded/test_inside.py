"""What reads a capture's owners takes anything: damaged captures end by themselves, and tables stay small."""

from __future__ import annotations

import random
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from named_captures import (
    connection,
    custom,
    darwin_block,
    packets,
    pcap,
    pcapng,
    pid_option,
    pktap_second,
    process_block,
    user_block,
    with_trailer,
)
from portcall.errors import CaptureError
from portcall.owners.recorded.inside import OwnersOfCapture
from portcall.records.recorded.claims import ClaimTable
from portcall.sources.captures import open_capture

ROOT = Path(__file__).resolve().parents[3]
SEEDS = [
    (ROOT / "captures" / "owners.pcapng").read_bytes()[:4000],
    pcapng(darwin_block(5, "a"), packets(connection(), (0x8001, bytes(4)), (0x8003, bytes(4)))),
    pcapng(user_block(5, "org.a", "a"), packets(connection(), (1, b"u-5"))),
    pcap([pktap_second(frame, way, 321, "curl", (5, "x")) for frame, way in connection()], link=258),
    pcap([with_trailer(frame, 5, "app") for frame, _ in connection()]),
]


def read(path, table):
    """How many claims the frames of a capture have."""
    claims = 0
    try:
        for batch in open_capture(str(path), owners=lambda: OwnersOfCapture(table)).source.batches():
            if batch.claims is not None:
                assert len(batch.claims) == len(batch.frames)
                assert batch.claims.max() < len(table.claims)
                claims += int(np.count_nonzero(batch.claims))
    except CaptureError:
        pass
    return claims


@pytest.mark.parametrize("seed", range(len(SEEDS)))
def test_damaged_captures_end_by_themselves(tmp_path, seed):
    rng, path = random.Random(seed), tmp_path / "damaged"
    found = 0
    for _ in range(50):
        data = bytearray(SEEDS[seed])
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(24, len(data))] = rng.choice((0, 1, 8, 0x7F, 0xFF, rng.randrange(256)))
        path.write_bytes(data[: rng.choice((len(data), rng.randrange(24, len(data))))])
        found += read(path, ClaimTable())

    assert found > 0


def test_many_processes_take_bounded_memory_and_are_counted(tmp_path):
    path = tmp_path / "many.pcapng"
    blocks = [process_block(pid, "p", 5) for pid in range(1, 5000)]
    blocks += [darwin_block(pid, "d") for pid in range(5000)]
    blocks += [user_block(pid, "org.a", "a") for pid in range(5000)]
    path.write_bytes(pcapng(*blocks, packets(connection(), pid_option(5))))
    table = ClaimTable(most_owners=100)

    tracemalloc.start()
    claims = read(path, table)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert (claims, len(table.owners), table.left_out) == (6, 101, 14_899)
    assert most < 2_000_000


def test_custom_blocks_of_others_are_passed_over(tmp_path):
    path = tmp_path / "others.pcapng"
    others = [custom(number, b"portcall" * 5) for number in (0, 1, 32622 + 1, 99)]
    path.write_bytes(pcapng(*others, packets(connection())))
    table = ClaimTable()

    assert (read(path, table), table.damaged, table.has_any) == (0, 0, False)
