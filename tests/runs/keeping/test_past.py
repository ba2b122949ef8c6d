"""What a history says of a period."""

from __future__ import annotations

import pytest

from archive.kept_windows import DAY_S, HOUR_S, MONDAY_S, key, stored
from portcall.errors import UsageError
from portcall.records.kept.windows import CountedIn
from portcall.runs.keeping.past import PastOptions, Period, period_of, report_of


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("past")
    folder.chmod(0o700)
    return stored(
        folder / "history.sqlite",
        {
            MONDAY_S: {key("curl", "old.example.org"): 1000, key("ssh", "192.0.2.9", "ssh", "bob"): 30},
            MONDAY_S + HOUR_S: {key("curl", "old.example.org"): 500},
            MONDAY_S + DAY_S: {key("curl", "new.example.org"): 7000, key("firefox", "old.example.org"): 90},
            MONDAY_S + 30 * DAY_S: {key("curl", "new.example.org"): 11},
        },
        now_s=MONDAY_S + 30 * DAY_S + 20,
    )


def asked(path, by="app", column=None, **how):
    return [(row[column or by], row["bytes_in"]) for row in report_of(path, PastOptions(by=by, **how))]


def test_rows_are_sums_of_all_that_was_kept_the_most_bytes_first(path):
    assert asked(path) == [("curl", 8511), ("firefox", 90), ("ssh", 30)]
    assert asked(path, "host") == [("new.example.org", 7011), ("old.example.org", 1590), ("192.0.2.9", 30)]
    assert asked(path, "user") == [("amy", 8601), ("bob", 30)]
    assert asked(path, "process") == [("curl", 8511), ("firefox", 90), ("ssh", 30)]
    assert asked(path, "service") == [("https", 8601), ("ssh", 30)]


def test_rows_by_time_are_of_utc(path):
    days = [MONDAY_S, MONDAY_S + DAY_S, MONDAY_S + 30 * DAY_S]
    first_of_march, first_of_april = 1_709_251_200, 1_711_929_600

    assert asked(path, "day", "bucket_ns") == [(days[0] * 10**9, 1530), (days[1] * 10**9, 7090), (days[2] * 10**9, 11)]
    assert asked(path, "month", "bucket_ns") == [(first_of_march * 10**9, 8620), (first_of_april * 10**9, 11)]
    assert [octets for _, octets in asked(path, "hour", "bucket_ns")] == [1030, 500, 7090, 11]


def test_a_period_is_cut_to_the_window(path):
    assert asked(path, period=Period(MONDAY_S + 60, MONDAY_S + DAY_S)) == [("curl", 500)]
    assert asked(path, period=Period(MONDAY_S + DAY_S, MONDAY_S + DAY_S + 10), by="host") == [
        ("new.example.org", 7000),
        ("old.example.org", 90),
    ]


def test_names_choose_what_is_summed_and_counts_which_rows_are_shown(path):
    assert asked(path, "day", "bucket_ns", where="app=curl and bytes>1kB") == [
        (MONDAY_S * 10**9, 1500),
        ((MONDAY_S + DAY_S) * 10**9, 7000),
    ]
    assert asked(path, "host", where="user=amy and not app=curl") == [("old.example.org", 90)]
    with pytest.raises(UsageError, match="Join them with 'and' alone"):
        report_of(path, PastOptions(where="app=curl or bytes>1MB"))


def test_what_is_chosen_changes_nothing_of_what_is_covered(path):
    report = report_of(path, PastOptions(by="host", where="app=ssh"))

    assert report.coverage.bytes == sum(octets + octets // 10 for octets in (1000, 30, 500, 7000, 90, 11))
    assert report.rows_left_out == 2


def test_what_is_new_was_never_met_before(path):
    period = Period(MONDAY_S + DAY_S, MONDAY_S + 2 * DAY_S)

    assert asked(path, is_new=True, period=period) == [("firefox", 90)]
    assert asked(path, "host", is_new=True, period=period) == [("new.example.org", 7000)]
    with pytest.raises(UsageError, match="no day is new"):
        report_of(path, PastOptions(by="day", is_new=True))


def test_a_page_has_every_grouping_and_traffic_over_time(path):
    report = report_of(path, PastOptions(page=True))

    assert [one.by for one in report.page.groupings] == ["process", "host", "service"]
    over_time = report.page.over_time
    assert sum(row["bytes_in"] for row in over_time) == 8631
    assert {row["app"] for row in over_time} == {"curl", "firefox", "ssh"}


def test_it_says_for_how_long_nobody_watched(path, tmp_path):
    later = stored(tmp_path / "history.sqlite", {MONDAY_S: {key("curl"): 1}})
    stored(later, {MONDAY_S + 3 * HOUR_S: {key("curl"): 1}})

    reasons = [note.reason for note in report_of(later, PastOptions()).degradations]

    assert reasons == ["nobody watched for 3 h of 3 h"]
    assert report_of(path, PastOptions()).degradations == []


def test_where_only_wide_windows_are_left_it_says_that_they_count_as_a_whole(path):
    report = report_of(path, PastOptions(period=Period(MONDAY_S + 5, MONDAY_S + 15)))

    assert [row["app"] for row in report]
    assert any("so long ago only" in note.reason for note in report.degradations)


def test_traffic_between_two_local_ends_is_of_both_and_by_time_once(tmp_path):
    tmp_path.chmod(0o700)
    second = int(CountedIn.APP | CountedIn.PROCESS)
    rows = {key("client"): 100, key("server", ends=second): 100}
    path = stored(tmp_path / "history.sqlite", {MONDAY_S: rows})

    assert asked(path) == [("client", 100), ("server", 100)]
    assert [row["flows"] for row in report_of(path, PastOptions(by="host"))] == [1]
    assert asked(path, "day", "bucket_ns") == [(MONDAY_S * 10**9, 100)]
    assert report_of(path, PastOptions()).coverage.bytes_credited_twice == 110


def test_a_period_that_is_none_is_refused():
    with pytest.raises(UsageError, match="it is not after --from"):
        period_of("2024-05-02", "2024-05-01", 0)
    with pytest.raises(UsageError, match=r"--from soon: not a time.*7d"):
        period_of("soon", None, 0)
