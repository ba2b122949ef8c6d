"""Shards of captures that name owners: any cut gives the rows of the whole, or is refused by name."""

import numpy as np
import pytest

from capture_bytes import interface
from named_captures import (
    HERE,
    SECONDS,
    comment,
    connection,
    custom,
    packets,
    pcapng,
    pid_option,
    process_block,
    section_by,
)
from portcall.errors import PortcallError
from portcall.records.recorded.claims import ClaimTable
from portcall.runs.inspected_table import Shard
from portcall.runs.partial import Partial
from shard_runs import batches_of, merged, partial_of, rows_of, tracked

TALKS = [connection((HERE[0], port)) for port in (40001, 40002, 40003)]
MIXED = [talk[i] for i in range(6) for talk in TALKS]
BLOCKS = [process_block(7, "early"), process_block(8, "late", SECONDS + 5), process_block(7, "again", SECONDS + 5)]
COUNT = 2 * len(MIXED)
CAPTURE = pcapng(
    packets(MIXED, lambda number: [pid_option(7 + number % 3)]),
    *BLOCKS,
    packets(MIXED, lambda number: [pid_option(7 + number % 3), comment("PID: 9\nCmd: third")], seconds=SECONDS + 9),
)
BEFORE_BLOCKS = pcapng(packets(MIXED, lambda number: [pid_option(7 + number % 3)]))


def shards_of(folder, cuts):
    """The partials of a capture cut there; each was read by a run of its own, up to its end."""
    partials = []
    for start, stop in zip([0, *cuts], [*cuts, COUNT], strict=True):
        path = folder / f"{start}-{stop}.pcapng"
        path.write_bytes(BEFORE_BLOCKS if stop <= len(MIXED) else CAPTURE)
        table = ClaimTable()
        partials.append(partial_of(batches_of(path, table), start, stop, owners=table))
    return partials


def whole(folder, by):
    path = folder / "whole.pcapng"
    path.write_bytes(CAPTURE)
    table = ClaimTable()
    return rows_of(tracked(batches_of(path, table), owners=table), by)


@pytest.mark.parametrize("by", ["flow", "process", "app", "user"])
@pytest.mark.parametrize("cuts", [[1], [17], [18], [19], [30], [5, 18, 20], [9, 17, 18, 25, 35]])
def test_any_cut_gives_the_owners_of_the_whole(tmp_path, cuts, by):
    rows = rows_of(merged(shards_of(tmp_path, cuts)).tracker(), by)

    assert list(rows) == list(whole(tmp_path, by))
    assert by == "user" or {"early", "third"} < {row["client_process" if by == "flow" else by] for row in rows}


def test_a_later_shard_may_tell_whom_an_earlier_one_waited_for(tmp_path):
    partial = merged(shards_of(tmp_path, [18]))

    assert not [key for key in partial.claims.table.waiting if key[1] == 7]


def test_rows_by_interface_are_refused_by_name(tmp_path):
    path = tmp_path / "own.pcapng"
    path.write_bytes(
        section_by(b"portcall 1") + interface((2, b"eth0")) + custom(1, b"") + packets(TALKS[0], pid_option(7))
    )
    table = ClaimTable()
    tracker = tracked(batches_of(path, table), shard=Shard.FIRST, owners=table)

    with pytest.raises(PortcallError, match="rows by interface"):
        Partial.of(tracker)


def test_bytes_with_owners_that_are_damaged_are_no_partial(tmp_path):
    data = shards_of(tmp_path, [])[0].to_bytes()
    rng = np.random.default_rng(5)

    for _ in range(300):
        damaged = bytearray(data)
        for place in rng.integers(200, len(data), 4).tolist():
            damaged[place] = int(rng.integers(256))
        try:
            partial = Partial.from_bytes(bytes(damaged))
        except PortcallError:
            continue
        rows_of(partial.tracker(), "process")
