"""The table of claims: numbers, bounds and counters, and when two descriptions are of one process."""

from __future__ import annotations

import pytest

from portcall.records.ownership import Owner, Program
from portcall.records.packets import CapturePoint
from portcall.records.recorded.claims import (
    UNKNOWN_PROGRAM,
    Claim,
    ClaimedEnd,
    ClaimTable,
    EndClaim,
    RecordedOwner,
    clean,
    is_same_process,
    united,
)


def recorded(pid, name="x"):
    return RecordedOwner(Owner(pid, None, Program(name)), "test")


def test_an_owner_that_is_named_again_has_the_same_number():
    table = ClaimTable()

    assert [table.number(recorded(pid)) for pid in (5, 6, 5)] == [1, 2, 1]


def test_owners_beyond_the_bound_have_no_number_and_are_counted():
    table = ClaimTable(most_owners=2)

    numbers = [table.number(recorded(pid)) for pid in (1, 2, 3, 4)]

    assert (numbers, table.left_out, len(table.owners)) == ([1, 2, 0, 0], 2, 3)


def test_claims_and_ends_beyond_their_bounds_are_counted():
    table = ClaimTable(most_claims=1, most_ends=1)
    end = EndClaim(1, 6, "10.0.0.1", 1, "10.0.0.2", 2, 0, 1, "test")

    numbers = [table.claim(Claim((owner,), ClaimedEnd.BY_DIRECTION)) for owner in (1, 2)]
    for _ in range(3):
        table.add_end(end)

    assert (numbers, table.claims_left_out, len(table.ends), table.ends_left_out) == ([1, 0], 1, 1, 2)


def test_a_claim_that_names_nobody_is_none():
    assert ClaimTable().claim(Claim((0, 0), ClaimedEnd.IN_ORDER)) == 0


def test_rows_of_claims_follow_them():
    table = ClaimTable()
    for owner in range(1, 200):
        table.claim(Claim(tuple(range(owner, owner + owner % 6)), ClaimedEnd.IN_ORDER, is_weak=owner % 2 == 0))

    rows = table.claim_rows

    assert [(row["count"], bool(row["is_weak"])) for row in rows] == [
        (len(one.owners), one.is_weak) for one in table.claims
    ]
    assert [row["owners"].tolist()[: row["count"]] for row in rows] == [list(one.owners[:4]) for one in table.claims]


def test_capture_points_are_numbered_once_and_bounded():
    table = ClaimTable()
    numbers = [table.point(CapturePoint(f"eth{number}")) for number in [0, 1, 0, *range(5000)]]

    assert numbers[:3] == [0, 1, 0]
    assert len(table.points) == max(numbers) + 1 < 5000


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ((7, None), (7, 5), True),
        ((7, 5), (7, 5), True),
        ((7, 4), (7, 5), False),
        ((7, None), (8, None), False),
    ],
)
def test_processes_are_told_by_pid_and_start(one, other, is_same):
    assert is_same_process(Owner(*one, Program("a")), Owner(*other, Program("b"))) is is_same


def test_without_pids_processes_are_told_by_name_and_user():
    apps = [Owner(0, None, Program(name), user) for name, user in (("a", "1"), ("a", None), ("a", "2"), ("b", "1"))]

    assert [is_same_process(apps[0], other) for other in apps] == [True, True, False, False]


def test_what_two_descriptions_say_is_put_together():
    known = Owner(7, None, UNKNOWN_PROGRAM)
    told = Owner(7, 5, Program("curl", "/curl", container="web"), "ann", ((1, "init"),))

    assert united(known, told) == told
    assert united(told, known) == told
    assert united(told, Owner(7, 5, Program("other", script="s"), "bob")).program == Program(
        "curl", "/curl", (), "web", None, "s"
    )


def test_texts_are_cut_and_can_be_written():
    assert clean(b"ab\0cd") == "ab"
    assert clean("x\ud800") == "x?"
    assert len(clean(b"\xff" * 100_000)) == 4096
