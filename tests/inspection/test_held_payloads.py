"""Payloads that shards hold: no more than somebody can ask for, and no more than there is room for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples import examples
from made_conversations import batch_of, client_hello, connection, dialogue
from portcall.decoding.decoder import Decoder
from portcall.flows.table import FlowTable
from portcall.inspection import held_payloads
from portcall.inspection.held_payloads import HELD, PayloadHolder, Payloads
from portcall.inspection.server_names import ServerNames

RECORD = b"\x17\x03\x03\x05\x00" + bytes(range(256)) * 5


def fed(packets, *, follows, batch_size=1000, **bounds):
    """A table that was fed these in a shard, what it held, and how many payloads of the last batch it wanted."""
    table, names, decoder = FlowTable(inspects=True, max_flows=4096), ServerNames(), Decoder()
    holder = PayloadHolder(table, follows=follows, **bounds)
    inspector, wanted = names.inspector_for(table, holder), None
    for start in range(0, len(packets), batch_size):
        batch = batch_of(packets[start : start + batch_size])
        decoded = decoder.decode(batch)
        wanted = table.update(decoded, start + 1)
        inspector.inspect(batch, decoded, wanted, start + 1)
    inspector.take()
    return table, holder, holder.payloads(inspector.marks), len(wanted)


@st.composite
def payloads(draw):
    sizes = st.sampled_from([0, 1, 1460, 9000, 32768, 65000])
    ends = draw(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), sizes), max_size=60))
    held = np.zeros(len(ends), HELD)
    for row, (conversation, side, size) in zip(held, ends, strict=True):
        row["row"], row["side"], row["length"] = conversation, side, size
    return Payloads(held, np.zeros(int(held["length"].sum()), np.uint8))


def within(one):
    return one.kept(one.within_an_end())


@settings(max_examples=examples(60), deadline=None)
@given(payloads(), payloads())
def test_the_first_of_two_shards_are_those_of_the_first_ones_of_each(one, later):
    whole, of_parts = within(one.followed(later)), within(within(one).followed(within(later)))

    assert whole.held.tobytes() == of_parts.held.tobytes()
    assert len(whole.content) == len(of_parts.content)


def test_what_is_known_is_not_held_where_nothing_goes_before():
    known, unknown = connection([client_hello("www.example.com")]), dialogue([b"\x16\x03"], 443, client_port=40001)

    table, _, held, _ = fed(known + unknown, follows=False)

    assert [int(table.rows()["low_port"][row]) for row in held.held["row"]] == [40001]
    assert held.content.tobytes() == b"\x16\x03"


def test_of_a_connection_met_in_the_middle_the_first_payloads_are_held_though_it_is_known():
    packets = dialogue([RECORD, b""] * 60, 443)[3:]

    _, _, held, wanted = fed(packets, follows=True, batch_size=10)

    assert 26 <= len(held.held) <= 26 + 10  # 32 KiB are 26 of them, and a batch is looked at as one
    assert wanted == 0


def test_the_same_is_not_held_where_nothing_goes_before():
    _, _, held, wanted = fed(dialogue([RECORD] * 60, 443)[3:], follows=False, batch_size=10)

    assert (len(held.held), wanted) == (0, 0)


@pytest.mark.parametrize("follows", [True, False])
def test_a_shard_that_is_fed_holds_no_more_than_there_is_room_for(monkeypatch, follows):
    monkeypatch.setattr(held_payloads, "_FEW_BYTES", 5_000)
    packets = [
        packet
        for port in range(40000, 40400)
        for packet in dialogue([b"\x16\x03\x01\x05\x00" + bytes(200)], 443, client_port=port)
    ]

    table, holder, held, _ = fed(packets, follows=follows, batch_size=20, most_bytes=20_000)

    lost = holder.lost[: len(table)]
    assert held.held.nbytes + len(held.content) <= 20_000
    assert 0 < lost.sum() < 400
    assert lost[held.held["row"]].sum() == 0
    assert lost[:10].all()  # the first conversations went first
