"""Which windows a question about a period is put to, which are made, and which may go."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from examples import examples
from portcall.archive.levels import DAY_S, LEVELS, Extent, complete, due, pieces

NOW_S = 1_700_000_000
NOTHING_GONE = Extent(dict.fromkeys((level.name for level in LEVELS), NOW_S // DAY_S * DAY_S), {})


def told(found):
    return [(piece.level.name, piece.begin_s, piece.end_s) for piece in found]


def test_whole_days_are_asked_of_days():
    begin_s = 1_699_920_000

    assert told(pieces(begin_s - 2 * DAY_S, begin_s, NOTHING_GONE)) == [("days", begin_s - 2 * DAY_S, begin_s)]


def test_what_is_not_made_yet_is_asked_of_finer_windows():
    made = {"ten_seconds": 0, "minutes": 7260, "hours": 7200, "days": 0}

    found = told(pieces(0, 7280, Extent(made, {})))

    assert found == [("hours", 0, 7200), ("minutes", 7200, 7260), ("ten_seconds", 7260, 7280)]


@settings(max_examples=examples(50))
@given(
    st.integers(0, 3 * DAY_S // 10),
    st.integers(0, 3 * DAY_S // 10),
    st.integers(0, 4 * DAY_S // 60),
    st.sampled_from(LEVELS),
)
def test_each_moment_is_asked_once(begin, length, made, widest):
    made_s = {level.name: made * 60 // level.width_s * level.width_s for level in LEVELS}

    found = pieces(begin * 10, (begin + length) * 10, Extent(made_s, {}), widest.width_s)

    edges = [begin * 10, *(edge for piece in found for edge in piece[1:]), (begin + length) * 10]
    assert length == 0 or (edges == sorted(edges) and edges[::2] == edges[1::2])
    assert all(piece.level.width_s <= widest.width_s for piece in found)
    assert all(edge % piece.level.width_s == 0 for piece in found for edge in piece[1:])


def test_where_finer_windows_are_gone_the_wider_one_counts_as_a_whole():
    extent = NOTHING_GONE._replace(kept={"ten_seconds": NOW_S, "minutes": NOW_S})

    assert told(pieces(3700, 10_000, extent)) == [("hours", 3600, 10_800)]


def test_windows_are_made_when_all_of_them_is_known():
    made = Extent({"ten_seconds": 0, "minutes": 3540, "hours": 0, "days": 0}, {})

    assert told(complete(3659, made)) == [("minutes", 3540, 3600), ("hours", 0, 3600)]


def test_what_is_old_goes_at_a_boundary_of_what_was_made_of_it():
    made = {"ten_seconds": 0, "minutes": NOW_S - 3 * DAY_S, "hours": NOW_S, "days": NOW_S}

    found = {one.level.name: one.before_s for one in due(NOW_S, Extent(made, {}))}

    assert found["ten_seconds"] == NOW_S - 3 * DAY_S
    assert found["minutes"] == (NOW_S - 30 * DAY_S) // 3600 * 3600
    assert found["hours"] % DAY_S == 0
