"""Whom the packets of rows name: slots, the first and the others, weak ones, and bounds."""

from __future__ import annotations

import numpy as np

from portcall.ownership.row_claims import HIGH, LOW, RowClaims
from portcall.records.ownership import MatchQuality, Owner, Program
from portcall.records.packets import PACKET, Direction
from portcall.records.recorded.claims import Claim, ClaimedEnd, ClaimTable, RecordedOwner


def claims_of(table, **bounds):
    return RowClaims(table, lambda dtype: np.zeros(100, dtype), **bounds)


def packets(count, direction=Direction.OUTBOUND):
    made = np.zeros(count, PACKET)
    made["ip_version"], made["direction"] = 4, direction
    made["source"][:, 12:], made["target"][:, 12:] = [10, 0, 0, 1], [10, 0, 0, 2]
    return made


def rows(*numbers, side=0):
    """What the flow table tells of packets of these rows that one end sent."""
    return np.array([2 + 2 * number + side for number in numbers], np.uint32)


def table_of(count):
    table = ClaimTable()
    for pid in range(1, count + 1):
        number = table.number(RecordedOwner(Owner(pid, None, Program(f"p{pid}")), "test"))
        table.claim(Claim((number,), ClaimedEnd.BY_DIRECTION))
    return table


def test_a_row_has_the_owner_that_its_packets_name():
    claims = claims_of(table_of(3))

    claims.note(np.array([1, 2, 0, 1], np.uint32), packets(4), rows(5, 6, 7, 5))

    assert [claims.match(row, [LOW]) and claims.match(row, [LOW]).owner.pid for row in (5, 6, 7)] == [1, 2, None]
    assert claims.match(5, [HIGH]) is None


def test_what_came_in_is_the_other_ends():
    claims = claims_of(table_of(1))

    claims.note(np.array([1], np.uint32), packets(1, Direction.INBOUND), rows(5))

    assert claims.match(5, [HIGH]).owner.pid == 1


def test_packets_on_no_row_name_nobody():
    claims = claims_of(table_of(1))

    claims.note(np.array([1], np.uint32), packets(1), np.zeros(1, np.uint32))

    assert not len(claims.all())


def test_the_first_of_a_batch_is_the_first():
    claims = claims_of(table_of(5))

    claims.note(np.array([3, 1, 2, 3, 1], np.uint32), packets(5), rows(9, 9, 9, 9, 9))

    assert claims.all().tolist() == [(9, LOW, 3), (9, LOW, 1), (9, LOW, 2)]
    assert claims.match(9, [LOW]).quality is MatchQuality.AMBIGUOUS


def test_others_are_bounded_and_counted():
    claims = claims_of(table_of(50), most_others=10)

    claims.note(np.arange(1, 51, dtype=np.uint32), packets(50), rows(*[0] * 25, *[1] * 25))

    assert (len(claims.all()), claims.left_out) == (12, 38)


def test_weak_claims_count_where_there_are_no_others():
    table = table_of(1)
    weak = table.claim(Claim((table.number(RecordedOwner(Owner(9, None, Program("weak")), "test")),), 0, is_weak=True))
    claims = claims_of(table)

    claims.note(np.array([weak, weak, 1], np.uint32), packets(3), rows(1, 2, 2))

    assert [(claims.match(row, [LOW]).owner.pid, claims.match(row, [LOW]).quality) for row in (1, 2)] == [
        (9, MatchQuality.UNSURE),
        (1, MatchQuality.EXACT),
    ]


def test_a_row_that_goes_on_in_another_has_the_owners_of_both():
    claims = claims_of(table_of(2))
    claims.note(np.array([1], np.uint32), packets(1), rows(4))

    claims.continue_in(np.array([2, 3]), np.array([3, 4]))

    assert claims.match(2, [LOW]).owner.pid == 1


def test_all_that_is_claimed_can_be_taken_in_again():
    table = table_of(9)
    claims, again = claims_of(table), claims_of(table)
    claims.note(np.arange(1, 10, dtype=np.uint32), packets(9), rows(1, 1, 1, 2, 3, 4, 5, 6, 7))

    again.take(claims.all())

    assert again.all().tolist() == claims.all().tolist()


def test_more_owners_than_a_row_of_claims_holds_are_all_kept():
    table = table_of(9)
    several = table.claim(Claim((0, *range(1, 9)), ClaimedEnd.IN_ORDER))
    claims = claims_of(table)

    claims.note(np.array([several], np.uint32), packets(1, Direction.INTERNAL), rows(1))

    assert {owner for _, slot, owner in claims.all().tolist() if slot == HIGH} == set(range(1, 9))
