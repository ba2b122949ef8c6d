"""Sentences of the definition, told to the oracle and to the engine; then both on batches where everything collides."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oracle
from drawn_packets import batches, random_batch
from examples import examples
from packet_rows import CLIENT, SERVER, first_fragment, later_fragment, packet, packet_rows, reply
from portcall.flows.table import FlowTable
from portcall.records.flows import FLOW, NEVER, FlowKind
from portcall.records.packets import NO_TIME, Direction, Tally, Verdict

LAW = settings(max_examples=examples(60))  # a slow machine is no broken law
FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10
LAND = {"source": CLIENT, "target": CLIENT}


def table_of(packets, first_number=1, batch=1 << 16, seed=0):
    table = FlowTable(seed=seed)
    for start in range(0, len(packets), batch):
        table.update(packets[start : start + batch], first_number + start)
    return table


def table_rows(table):
    return [oracle.row_facts(row) for row in table.records()]


def engine_rows(packets):
    return table_rows(table_of(packets))


@pytest.fixture(params=[oracle.flow_rows, engine_rows], ids=["oracle", "engine"])
def rows_of(request):
    """The rows of packets given as dictionaries."""
    return lambda *packets: request.param(packet_rows(packets))


# --- what a flow is


def test_both_directions_are_one_flow(rows_of):
    [row] = rows_of(packet(wire=60, payload=6), reply(wire=80, payload=20), packet(wire=61, payload=7))

    assert (row["packets"], row["bytes"], row["payload"]) == ((2, 1), (121, 80), (13, 20))


def test_low_is_the_end_with_the_smaller_address_whoever_sends(rows_of):
    [row] = rows_of(reply())

    assert (row["low"][-4:], row["low_port"], row["first_sender"]) == (b"\x0a\0\0\x01", CLIENT[1], 1)


def test_ends_on_one_address_are_ordered_by_port(rows_of):
    [row] = rows_of(packet(("127.0.0.1", 50000), ("127.0.0.1", 80)))

    assert (row["low_port"], row["high_port"], row["packets"]) == (80, 50000, (0, 1))


def test_tcp_port_53_and_udp_port_53_are_different_flows(rows_of):
    rows = rows_of(packet(protocol=6, target=("10.0.0.2", 53)), packet(protocol=17, target=("10.0.0.2", 53)))

    assert sorted(row["protocol"] for row in rows) == [6, 17]


def test_an_ipv4_address_is_not_the_ipv6_address_of_the_same_bytes(rows_of):
    rows = rows_of(packet(), packet(("::10.0.0.1", CLIENT[1]), ("::10.0.0.2", SERVER[1])))

    assert sorted(row["ip_version"] for row in rows) == [4, 6]


def test_network_namespaces_are_kept_apart(rows_of):
    rows = rows_of(packet(namespace=0), packet(namespace=7))

    assert sorted(row["namespace"] for row in rows) == [0, 7]


def test_a_protocol_without_ports_is_one_row_per_pair_of_addresses(rows_of):
    icmp = {"protocol": 1, "verdict": Verdict.NO_PORTS}

    [row] = rows_of(packet(("10.0.0.1", 0), ("10.0.0.2", 0), **icmp), packet(("10.0.0.2", 0), ("10.0.0.1", 0), **icmp))

    assert (row["low_port"], row["high_port"], row["packets"]) == (0, 0, (1, 1))


def test_a_packet_to_itself_counts_as_sent_by_low(rows_of):
    [row] = rows_of(packet(**LAND), packet(**LAND))

    assert (row["packets"], row["first_sender"]) == ((2, 0), 0)


@pytest.mark.parametrize("verdict", [v for v in Verdict if v.reason and v is not Verdict.LATER_FRAGMENT])
def test_what_has_a_reason_is_on_no_flow(rows_of, verdict):
    assert rows_of(packet(verdict=verdict)) == []


def test_sums_do_not_overflow_the_fields_of_a_packet(rows_of):
    [row] = rows_of(*[packet(wire=0xFFFFFFFF, payload=0xFFFFFFF0)] * 3)

    assert (row["bytes"], row["payload"]) == ((3 * 0xFFFFFFFF, 0), (3 * 0xFFFFFFF0, 0))


def test_rows_come_in_order_of_first_appearance(rows_of):
    rows = rows_of(*[packet(target=("10.0.0.2", port)) for port in (9, 443, 80, 9)])

    assert [row["high_port"] for row in rows] == [9, 443, 80]


# --- times and places


def test_times_are_the_least_and_the_greatest_even_where_they_run_backwards(rows_of):
    [row] = rows_of(packet(ts_ns=50), packet(ts_ns=20), reply(ts_ns=70), packet(ts_ns=60))

    assert (row["first_ns"], row["last_ns"]) == (20, 70)


def test_a_packet_without_a_time_counts_but_moves_no_time(rows_of):
    [row] = rows_of(packet(ts_ns=NO_TIME), packet(ts_ns=5))

    assert (row["packets"], row["first_ns"], row["last_ns"]) == ((2, 0), 5, 5)


def test_a_flow_without_any_time_says_so(rows_of):
    [row] = rows_of(packet(ts_ns=NO_TIME))

    assert (row["first_ns"], row["last_ns"]) == (NEVER, NO_TIME)


def test_outbound_makes_the_sender_local_and_inbound_the_receiver(rows_of):
    [row] = rows_of(packet(direction=Direction.OUTBOUND))
    [other] = rows_of(packet(direction=Direction.INBOUND))

    assert (row["local"], other["local"]) == (0b0101, 0b1010)


def test_the_way_of_each_ends_packets_is_kept(rows_of):
    [row] = rows_of(packet(direction=Direction.OUTBOUND), reply(direction=Direction.INBOUND))
    [forwarded] = rows_of(packet(direction=Direction.INBOUND), packet(direction=Direction.OUTBOUND))

    assert (row["local"], forwarded["local"]) == (0b100101, 0b1111)


@pytest.mark.parametrize("direction", [Direction.INBOUND, Direction.OUTBOUND, Direction.INTERNAL])
@pytest.mark.parametrize("kind", [packet, lambda *ends, **fields: later_fragment(7, *ends, **fields)])
@pytest.mark.parametrize("ports", [(53, 53), (40000, 53), (53, 40000)])
def test_an_address_that_speaks_to_itself_is_local_at_both_ends(rows_of, direction, kind, ports):
    [row] = rows_of(kind(("10.0.0.1", ports[0]), ("10.0.0.1", ports[1]), direction=direction))

    assert row["local"] == 0b11


# --- connections on one key


def test_milestones_are_the_first_segment_of_their_kind_each_way(rows_of):
    [row] = rows_of(
        packet(ts_ns=1, tcp_flags=SYN),
        packet(ts_ns=2, tcp_flags=SYN),
        reply(ts_ns=3, tcp_flags=SYN | ACK),
        packet(ts_ns=4, tcp_flags=FIN | ACK),
        reply(ts_ns=5, tcp_flags=RST),
    )

    assert (row["syn_ns"], row["syn_ack_ns"]) == ((1, NEVER), (NEVER, 3))
    assert (row["fin_ns"], row["rst_ns"]) == ((4, NEVER), (NEVER, 5))


def test_flags_are_ored_each_way(rows_of):
    [row] = rows_of(packet(tcp_flags=SYN), packet(tcp_flags=ACK), reply(tcp_flags=RST))

    assert row["tcp_flags"] == (SYN | ACK, RST)


def test_a_retransmitted_syn_is_no_new_connection(rows_of):
    [row] = rows_of(packet(tcp_flags=SYN, tcp_sequence=9), packet(tcp_flags=SYN, tcp_sequence=9))

    assert (row["packets"], row["has_syn"], row["syn_sequence"]) == ((2, 0), 1, 9)


def test_a_retransmitted_syn_after_a_reset_is_no_new_connection(rows_of):
    syn = packet(tcp_flags=SYN, tcp_sequence=9)

    assert len(rows_of(syn, reply(tcp_flags=RST | ACK), syn, reply(tcp_flags=RST | ACK))) == 1


@pytest.mark.parametrize("closing", [FIN | ACK, RST, SYN], ids=["fin", "rst", "syn"])
def test_a_syn_with_another_sequence_number_is_a_new_row_after(rows_of, closing):
    rows = rows_of(packet(tcp_flags=closing, tcp_sequence=1), packet(tcp_flags=SYN, tcp_sequence=2), packet())

    assert [row["packets"] for row in rows] == [(1, 0), (2, 0)]


def test_a_syn_on_a_flow_met_in_mid_stream_joins_it(rows_of):
    [row] = rows_of(packet(tcp_flags=ACK), packet(tcp_flags=SYN, tcp_sequence=0))

    assert (row["packets"], row["has_syn"]) == ((2, 0), 1)


def test_a_syn_of_the_other_end_with_another_sequence_number_is_a_new_row_once_it_was_answered(rows_of):
    syn, answer = packet(tcp_flags=SYN, tcp_sequence=1), reply(tcp_flags=RST | ACK)
    rows = rows_of(syn, answer, reply(tcp_flags=SYN, tcp_sequence=2))

    assert [row["packets"] for row in rows] == [(1, 1), (0, 1)]


@pytest.mark.parametrize("congestion", [0, 0xC0], ids=["plain", "with ECN"])
def test_what_both_ends_open_at_once_is_one_connection(rows_of, congestion):
    open_low, open_high = (one(tcp_flags=SYN | congestion, tcp_sequence=n) for n, one in enumerate((packet, reply)))
    answer_low, answer_high = (one(tcp_flags=SYN | ACK, tcp_sequence=n) for n, one in enumerate((packet, reply)))

    [row] = rows_of(open_low, open_low, open_high, open_high, answer_low, answer_high, packet(), reply(tcp_flags=FIN))

    assert (row["packets"], row["first_sender"]) == ((4, 4), 0)


def test_a_third_syn_with_a_number_of_its_own_is_another_connection(rows_of):
    rows = rows_of(*(one(tcp_flags=SYN, tcp_sequence=n) for n, one in enumerate((packet, reply, packet))))

    assert [row["packets"] for row in rows] == [(1, 1), (1, 0)]


def test_what_was_met_in_mid_stream_goes_on_in_one_row_at_most(rows_of):
    before = packet(tcp_flags=ACK)
    rows = rows_of(before, packet(tcp_flags=SYN, tcp_sequence=1), reply(tcp_flags=SYN, tcp_sequence=2))

    assert [row["packets"] for row in rows] == [(2, 0), (0, 1)]


def test_a_syn_ack_is_never_a_new_row(rows_of):
    [row] = rows_of(packet(tcp_flags=FIN), reply(tcp_flags=SYN | ACK, tcp_sequence=8))

    assert (row["has_syn"], row["syn_sequence"]) == (0, 0)


def test_udp_never_starts_a_second_row(rows_of):
    assert len(rows_of(packet(protocol=17), reply(protocol=17), packet(protocol=17, ts_ns=10**18))) == 1


# --- fragments


def test_a_later_fragment_joins_the_flow_of_its_first(rows_of):
    [row] = rows_of(first_fragment(7, wire=1500, payload=1400), later_fragment(7, wire=600, payload=500, ts_ns=8))

    assert (row["packets"], row["bytes"], row["payload"], row["last_ns"]) == ((2, 0), (2100, 0), (1900, 0), 8)


def test_a_fragment_before_its_first_joins_it(rows_of):
    [row] = rows_of(later_fragment(7, ts_ns=3), first_fragment(7, ts_ns=4))

    assert (row["packets"], row["first_ns"], row["first_frame"]) == ((2, 0), 3, 1)


def test_a_fragment_joins_the_nearest_earlier_first_rather_than_the_next(rows_of):
    old, between, new = ({"target": (SERVER[0], port)} for port in (1, 2, 3))

    rows = rows_of(*(first_fragment(7, **end) for end in (old, between)), later_fragment(7), first_fragment(7, **new))

    assert [row["packets"] for row in rows] == [(1, 0), (2, 0), (1, 0)]


def test_a_fragment_from_the_other_side_is_another_datagram(rows_of):
    rows = rows_of(first_fragment(7), later_fragment(7, SERVER, CLIENT))

    assert [FlowKind(row["kind"]) for row in rows] == [FlowKind.CONVERSATION, FlowKind.UNMATCHED]


@pytest.mark.parametrize("other", [{"namespace": 1}, {"fragment_of": (8, 17)}, {"fragment_of": (7, 60)}])
def test_a_fragment_of_another_datagram_does_not_join(rows_of, other):
    rows = rows_of(first_fragment(7), later_fragment(7, **other))

    assert [row["packets"] for row in rows] == [(1, 0), (1, 0)]


def test_a_fragment_stays_with_the_connection_its_first_was_counted_in(rows_of):
    tcp = {"protocol": 6, "fragment_of": (7, 6)}

    rows = rows_of(
        first_fragment(7, tcp_flags=FIN | ACK, **tcp),
        packet(tcp_flags=SYN, tcp_sequence=5),
        later_fragment(7, **tcp),
    )

    assert [row["packets"] for row in rows] == [(2, 0), (1, 0)]


def test_orphan_fragments_of_two_addresses_are_one_row_without_ports(rows_of):
    [row] = rows_of(later_fragment(7), later_fragment(8, SERVER, CLIENT), later_fragment(9))

    assert (row["kind"], row["low_port"], row["high_port"], row["packets"]) == (FlowKind.UNMATCHED, 0, 0, (2, 1))


def test_the_direction_of_a_fragment_says_which_end_is_local(rows_of):
    [row] = rows_of(later_fragment(7, direction=Direction.INBOUND), first_fragment(7))
    [unmatched] = rows_of(later_fragment(7, direction=Direction.OUTBOUND))

    assert (row["local"], unmatched["local"]) == (0b1010, 0b0101)


def test_a_fragment_that_came_first_is_the_first_sender(rows_of):
    [row] = rows_of(
        later_fragment(7, SERVER, CLIENT), packet(protocol=17), first_fragment(7, source=SERVER, target=CLIENT)
    )

    assert (row["first_frame"], row["first_sender"]) == (1, 1)


# --- the table


def test_an_empty_table_has_no_rows_and_no_tallies():
    table = FlowTable()

    assert (table.records().dtype, len(table.records()), table.tallies()) == (FLOW, 0, {})


def test_every_verdict_is_tallied_with_its_span():
    packets = packet_rows([packet(verdict=Verdict.TRUNCATED, ts_ns=when, wire=70) for when in (9, NO_TIME, 4)])

    assert table_of(packets).tallies() == {Verdict.TRUNCATED: Tally(frames=3, bytes=210, first_ns=4, last_ns=9)}


def test_a_tally_without_times_spans_nothing():
    packets = packet_rows([packet(verdict=Verdict.NOT_IP, ts_ns=NO_TIME)])

    assert table_of(packets).tallies() == {Verdict.NOT_IP: Tally(frames=1, bytes=60, first_ns=None, last_ns=None)}


def test_records_may_be_asked_for_between_batches():
    packets = packet_rows([later_fragment(7), packet(), first_fragment(7), packet(tcp_flags=SYN), later_fragment(7)])
    table = FlowTable()

    for number in range(len(packets)):
        table.update(packets[number : number + 1], number + 1)
        assert_rows(table_rows(table), oracle.flow_rows(packets[: number + 1]))


def test_merging_with_an_empty_table_changes_nothing():
    packets = packet_rows([packet(tcp_flags=SYN), reply(), later_fragment(3)])
    before, after = FlowTable(), table_of(packets)

    after.merge(FlowTable())
    before.merge(after)

    assert_rows(table_rows(before), oracle.flow_rows(packets))


# --- laws: batches drawn from so small a world that everything collides


def assert_rows(rows, expected):
    for row, other in zip(oracle.canonical(rows), oracle.canonical(expected), strict=True):
        assert row == other


def shards_of(packets, cuts):
    """A table for each of the consecutive pieces between the cuts."""
    edges = [0, *sorted(min(cut, len(packets)) for cut in cuts), len(packets)]
    return [table_of(packets[start:stop], start + 1) for start, stop in itertools.pairwise(edges)]


def merged(tables, pick):
    """One table out of consecutive ones, neighbours joined in the order that ``pick`` says."""
    tables = list(tables)
    while len(tables) > 1:
        position = pick(len(tables) - 1)
        tables[position].merge(tables.pop(position + 1))
    return tables[0]


@LAW
@given(packets=batches(), batch=st.integers(1, 41))
def test_the_engine_equals_the_oracle_in_any_batch_size(packets, batch):
    table = table_of(packets, batch=batch)

    assert_rows(table_rows(table), oracle.flow_rows(packets))


@LAW
@given(packets=batches())
def test_tallies_equal_the_oracle_and_count_every_frame(packets):
    tallies = table_of(packets).tallies()

    assert tallies == {verdict: Tally(*facts) for verdict, facts in oracle.verdict_tallies(packets).items()}
    assert sum(tally.frames for tally in tallies.values()) == len(packets)


@LAW
@given(packets=batches())
def test_what_is_on_a_row_is_what_the_verdicts_allow(packets):
    rows = table_of(packets).records()

    on_flows = packets[packets["verdict"] <= Verdict.LATER_FRAGMENT]
    assert int(rows["packets"].sum()) == len(on_flows)
    assert int(rows["bytes"].sum()) == int(on_flows["wire"].astype("u8").sum())


@LAW
@given(packets=batches(), cuts=st.lists(st.integers(0, 40), max_size=5), data=st.data())
def test_shards_merged_in_any_grouping_equal_the_whole(packets, cuts, data):
    table = merged(shards_of(packets, cuts), lambda last: data.draw(st.integers(0, last - 1)))

    assert_rows(table_rows(table), oracle.flow_rows(packets))
    assert table.tallies() == table_of(packets).tallies()


@LAW
@given(packets=batches(), cut=st.integers(0, 40))
def test_a_merged_table_goes_on_counting(packets, cut):
    half = cut // 2
    table = merged(shards_of(packets[:cut], [half]), lambda _: 0)

    table.update(packets[cut:], cut + 1)

    assert_rows(table_rows(table), oracle.flow_rows(packets))


@LAW
@given(packets=batches(), seed=st.integers(0, 2**64 - 1))
def test_the_seed_changes_no_result(packets, seed):
    rows = table_of(packets, seed=seed).records()

    assert np.array_equal(rows, table_of(packets).records())


@pytest.mark.parametrize("seed", range(3))
def test_a_long_capture_equals_the_oracle_whole_and_in_shards(seed):
    packets = random_batch(3000, seed)
    random = np.random.default_rng(seed)

    table = merged(shards_of(packets, random.integers(0, len(packets), 20)), lambda last: int(random.integers(last)))

    assert_rows(engine_rows(packets), oracle.flow_rows(packets))
    assert_rows(table_rows(table), oracle.flow_rows(packets))


def test_a_table_grows_through_many_flows():
    packets = np.repeat(packet_rows([packet(protocol=17)]), 200_000)
    packets["source_port"] = np.arange(len(packets)) % 50_000
    packets["target_port"] = 53 + np.arange(len(packets)) // 100_000

    rows = table_of(packets).records()

    assert len(rows) == 100_000
    assert (rows["packets"] == (2, 0)).all()


@LAW
@given(packets=batches(), cut=st.integers(0, 41))
def test_shards_that_number_their_frames_from_one_merge_all_the_same(packets, cut):
    cut = min(cut, len(packets))
    table = table_of(packets[:cut])

    table.merge(table_of(packets[cut:]), frames_before=cut)

    assert_rows(table_rows(table), oracle.flow_rows(packets))


@LAW
@given(packets=batches(), cut=st.integers(0, 41))
def test_a_table_made_of_the_arrays_of_another_goes_on_like_that(packets, cut):
    cut = min(cut, len(packets))
    table = FlowTable.of_arrays(table_of(packets[:cut]).arrays(), seed=99)

    if cut < len(packets):
        table.update(packets[cut:], cut + 1)

    assert_rows(table_rows(table), oracle.flow_rows(packets))


@pytest.mark.parametrize(
    ("name", "column", "value"),
    [
        ("flows", "earlier", 1),
        ("flows", "first_sender", 2),
        ("flows", "has_syn", 7),
        ("flows", "kind", 3),
        ("datagrams", "first_flow", 9),
        ("datagrams", "latest_flow", 0),
        ("datagrams", "latest_side", 2),
    ],
)
def test_arrays_that_no_table_has_are_refused(name, column, value):
    arrays = table_of(packet_rows([packet(), first_fragment(7)])).arrays()
    arrays = {name: rows.copy() for name, rows in arrays.items()}
    arrays[name][column][0] = value

    with pytest.raises(ValueError, match=r"out of its bounds|on no flow"):
        FlowTable.of_arrays(arrays)
