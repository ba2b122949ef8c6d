"""What came of each flow in each bucket of time, against the words of the definition."""

from __future__ import annotations

import itertools
import mmap

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oracle
from drawn_packets import batches, random_batch
from examples import examples
from packet_rows import CLIENT, SERVER, first_fragment, later_fragment, packet, packet_rows, reply
from portcall.flows.table import FlowTable
from portcall.labels.bucketing import AUTO, Bucketing, next_width
from portcall.records.packets import NO_TIME, Verdict

LAW = settings(max_examples=examples(40))
WIDTHS = st.sampled_from([1, 2, 7, 10**9, 1 << 62])
LEAST, GREATEST = -(2**63) + 1, 2**63 - 1


def table_of(packets, bucketing, batch=1 << 16, **options):
    table = FlowTable(bucketing=bucketing, **options)
    for start in range(0, len(packets), batch):
        table.update(packets[start : start + batch], start + 1)
    return table


def cells_of(table):
    """Facts of a row, and what came of it in one bucket, sorted; the times of a cell as the least and the greatest."""
    by_row, found = table.cells(), []
    for rows, flows in table.indexed_chunks():
        cells = by_row.of(rows)
        for row, number, counts in zip(cells.rows.tolist(), cells.numbers.tolist(), cells.counts, strict=True):
            sums = [counts[name].tolist() for name in ("packets", "bytes", "payload")]
            times = [int(counts["first_ns"]), int(counts["last_ns"])]
            found.append((key_of(oracle.row_facts(flows[row])), number, sums, times))
    return sorted(found)


def expected(packets, width_ns):
    rows = oracle.flow_rows(packets)
    return sorted(
        (key_of(rows[place]), NO_TIME if number is None else number, cell[:3], [min(cell[3]), max(cell[3])])
        for (place, number), cell in oracle.time_cells(packets, width_ns).items()
    )


def key_of(row):
    return tuple(row[name] for name in sorted(oracle.COMPARED))


def of_verdict(table, verdict):
    """Bucket number → frames and bytes."""
    cells = table.buckets.on_no_flow().get(verdict)
    if cells is None:
        return {}
    counts = (cells.counts[name].sum(axis=1).tolist() for name in ("packets", "bytes"))
    return dict(zip(cells.numbers.tolist(), zip(*counts, strict=True), strict=True))


@LAW
@given(packets=batches(), batch=st.integers(1, 41), width_ns=WIDTHS)
def test_cells_are_those_of_the_oracle_in_any_batch_size(packets, batch, width_ns):
    assert cells_of(table_of(packets, Bucketing(width_ns), batch)) == expected(packets, width_ns)


@LAW
@given(packets=batches(), cuts=st.lists(st.integers(0, 40), max_size=4), width_ns=WIDTHS, data=st.data())
def test_shards_merged_in_any_grouping_have_the_cells_of_the_whole(packets, cuts, width_ns, data):
    edges = [0, *sorted(min(cut, len(packets)) for cut in cuts), len(packets)]
    tables = [table_of(packets[start:stop], Bucketing(width_ns)) for start, stop in itertools.pairwise(edges)]
    starts = edges[:-1]

    while len(tables) > 1:
        at = data.draw(st.integers(0, len(tables) - 2))
        tables[at].merge(tables.pop(at + 1), frames_before=starts.pop(at + 1) - starts[at])

    assert cells_of(tables[0]) == expected(packets, width_ns)


@LAW
@given(packets=batches(), cut=st.integers(0, 41), width_ns=WIDTHS)
def test_a_table_made_of_the_arrays_of_another_goes_on_like_that(packets, cut, width_ns):
    cut = min(cut, len(packets))
    former = table_of(packets[:cut], Bucketing(width_ns))
    table = FlowTable.of_arrays(former.arrays(), bucketing=Bucketing(width_ns), width_ns=width_ns)

    if cut < len(packets):
        table.update(packets[cut:], cut + 1)

    assert cells_of(table) == expected(packets, width_ns)


@LAW
@given(packets=batches(), width_ns=WIDTHS)
def test_frames_on_no_flow_have_cells_by_their_verdict(packets, width_ns):
    table = table_of(packets, Bucketing(width_ns))

    for verdict in filter(lambda one: one.is_on_no_flow, Verdict):
        chosen = packets[packets["verdict"] == verdict]
        naive = {}
        for time_ns, wire in zip(chosen["ts_ns"].tolist(), chosen["wire"].tolist(), strict=True):
            number = NO_TIME if time_ns == NO_TIME else time_ns // width_ns
            frames, octets = naive.get(number, (0, 0))
            naive[number] = frames + 1, octets + wire
        assert of_verdict(table, verdict) == naive


@pytest.mark.parametrize("seed", range(2))
def test_a_long_capture_has_the_cells_of_the_oracle_also_where_datagrams_are_forgotten(seed):
    packets = random_batch(1500, seed)
    without_fragments = packets[packets["verdict"] != Verdict.LATER_FRAGMENT]

    few_datagrams = table_of(without_fragments, Bucketing(2), batch=50, max_datagrams=1)

    assert cells_of(table_of(packets, Bucketing(2))) == expected(packets, 2)
    assert cells_of(few_datagrams) == expected(without_fragments, 2)


def test_fragments_that_waited_when_datagrams_were_forgotten_keep_their_buckets():
    waiting = [later_fragment(number, ts_ns=10 * number) for number in range(4)]
    found = [later_fragment(9, SERVER, CLIENT, ts_ns=1), first_fragment(9, source=SERVER, target=CLIENT, ts_ns=25)]

    table = table_of(packet_rows([*waiting, *found]), Bucketing(10), batch=1, max_datagrams=1)

    assert {(facts[1], *map(tuple, facts[2][:1])) for facts in cells_of(table)} == {
        (0, (1, 0)), (1, (1, 0)), (2, (1, 0)), (3, (1, 0)), (0, (0, 1)), (2, (0, 1)),
    }  # fmt: skip


def test_time_before_1970_and_the_ends_of_all_time_have_buckets_of_their_own():
    times_ns = [-1, 0, -10, -11, LEAST, LEAST + 1, GREATEST, GREATEST - 9]
    packets = packet_rows([packet(ts_ns=time_ns) for time_ns in times_ns])

    assert cells_of(table_of(packets, Bucketing(10))) == expected(packets, 10)


@pytest.mark.parametrize("bucketing", [Bucketing(10**9), Bucketing(1000)], ids=["as they are", "made wider"])
def test_what_one_cell_has_no_room_for_is_in_another_and_one_cell_for_who_reads(bucketing):
    packets = np.repeat(packet_rows([packet(wire=0xFFFFFFFF, payload=3), packet(payload=0xFFFFFFFF), packet()]), 70_000)
    packets["ts_ns"] = np.arange(len(packets))

    table = table_of(packets, bucketing)
    table.buckets.widen(10**9)

    [(_, number, sums, times)] = cells_of(table)
    assert (number, sums[0], times) == (0, [210_000, 0], [0, 209_999])
    assert sums[1:] == [[70_000 * 0xFFFFFFFF + 140_000 * 60, 0], [70_000 * 0xFFFFFFFF + 210_000, 0]]


def test_buckets_become_wider_before_there_are_too_many_cells():
    packets = np.repeat(packet_rows([packet()]), 640)
    packets["ts_ns"] = np.arange(len(packets)) % 2 * 10**9

    table = table_of(packets, Bucketing(1000), batch=64, max_cells=128)

    assert table.buckets.count <= 128
    assert table.buckets.width_ns == 5 * 10**9  # the first of the widths in which both times are
    assert [facts[2][0] for facts in cells_of(table)] == [[640, 0]]


def test_tables_that_are_full_at_the_widest_have_room_in_one():
    widest_ns = 1 << 62
    first, second = (np.repeat(packet_rows([packet()]), 70_000) for _ in range(2))
    for number, packets in enumerate((first, second)):
        packets["source_port"] = np.arange(70_000) % 65_536
        packets["source"][:, 15] = 10 * number + np.arange(70_000) // 65_536
        packets["ts_ns"] = np.arange(70_000)
    tables = [table_of(packets, Bucketing(widest_ns), max_cells=70_000) for packets in (first, second)]
    assert [table.buckets.count for table in tables] == [70_000, 70_000]

    tables[0].merge(tables[1])

    assert len(tables[0]) == tables[0].buckets.count == 140_000
    assert tables[0].buckets.cells["packets"].sum() == 140_000


# --- auto


def automatic(times_ns):
    """The least width of those that may be chosen under which few enough buckets are spanned."""
    width_ns = AUTO.width_ns
    while True:
        eras = {}
        for time_ns in times_ns:
            eras.setdefault(time_ns >> 53, set()).add(time_ns // width_ns)
        spanned = set()
        for numbers in eras.values():
            spanned |= set(range(min(numbers), min(max(numbers), min(numbers) + AUTO.most) + 1))
        if len(spanned) <= AUTO.most:
            return width_ns
        width_ns = next_width(width_ns)


@settings(max_examples=examples(30))
@given(
    spans=st.lists(st.tuples(st.integers(-(10**18), 4 * 10**18), st.integers(0, 10**16)), min_size=1, max_size=3),
    data=st.data(),
)
def test_auto_is_the_least_width_with_few_enough_buckets_in_any_order_and_shards(spans, data):
    times_ns = [time_ns + step * length // 9 for time_ns, length in spans for step in range(10)]
    times_ns = data.draw(st.permutations(times_ns))
    packets = packet_rows([packet(ts_ns=time_ns) for time_ns in times_ns])
    cut = data.draw(st.integers(0, len(packets)))
    first, later = table_of(packets[:cut], AUTO, batch=3), table_of(packets[cut:], AUTO)

    first.merge(later, frames_before=cut)

    assert first.buckets.width_ns == automatic(times_ns)
    assert cells_of(first) == expected(packets, first.buckets.width_ns)


def test_one_frame_of_a_clock_that_was_not_set_does_not_make_buckets_of_months():
    times_ns = [5, *(1_700_000_000 * 10**9 + second * 10**9 for second in range(60))]

    table = table_of(packet_rows([reply(ts_ns=time_ns) for time_ns in times_ns]), AUTO)

    assert table.buckets.width_ns == 500 * 10**6


@pytest.mark.parametrize(
    ("column", "value"), [("owner", 9), ("owner", 0x100001), ("owner", 0x80000000), ("last_ns", -9)]
)
def test_cells_that_no_table_has_are_refused(column, value):
    arrays = {name: rows.copy() for name, rows in table_of(packet_rows([packet()]), Bucketing(5)).arrays().items()}
    arrays["cells"][column] = value

    with pytest.raises(ValueError, match=r"owner is none|other times"):
        FlowTable.of_arrays(arrays, bucketing=Bucketing(5), width_ns=5)


def test_a_width_that_buckets_never_have_is_refused():
    arrays = table_of(packet_rows([packet()]), Bucketing(5)).arrays()

    with pytest.raises(ValueError, match="other times"):
        FlowTable.of_arrays(arrays, bucketing=Bucketing(5), width_ns=7)


def bytes_of_its_own(cells, table):
    """What reading takes besides the table itself."""
    counts = 0 if np.shares_memory(cells.counts, table.buckets.cells) else cells.counts.nbytes
    return cells.rows.nbytes + counts


def flows_in_turn(flows, buckets):
    """One packet of each flow in each of the buckets, in order of time, none of which is a fragment."""
    packets = np.repeat(packet_rows([packet()]), flows * buckets)
    packets["source_port"] = 1000 + np.arange(len(packets)) % flows
    packets["ts_ns"] = 10 * (np.arange(len(packets)) // flows)
    return packets


def test_who_reads_cells_by_row_takes_four_bytes_a_cell_besides_the_table():
    table = table_of(flows_in_turn(500, 20), Bucketing(10))

    cells = table.cells().of(np.arange(500))

    assert len(cells.rows) == 500 * 20
    assert bytes_of_its_own(cells, table) == 4 * len(cells.rows)


def test_a_table_whose_cells_were_read_goes_on_in_the_same_cells():
    packets = random_batch(600, 3)
    table = table_of(packets[:300], Bucketing(7))
    other = table_of(packets[:300], Bucketing(7))
    table.cells()

    for one in (table, other):
        one.update(packets[300:], 301)

    assert table.buckets.count == other.buckets.count
    assert cells_of(table) == expected(packets, 7)


def test_what_is_let_go_takes_no_memory_and_leaves_the_cells_of_later_rows():
    table = table_of(flows_in_turn(1000, 20), Bucketing(10))
    cells = table.cells()
    later = [cells.of(np.array([row])).counts.copy() for row in (500, 999)]

    cells.let_go(np.arange(500))

    former = table.buckets.cells[: 500 * 20]
    assert np.count_nonzero(former["packets"].any(axis=1)) * former.itemsize < 2 * mmap.PAGESIZE  # at both ends
    for row, counts in zip((500, 999), later, strict=True):
        assert cells.of(np.array([row])).counts.tobytes() == counts.tobytes()
