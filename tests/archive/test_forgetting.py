"""What is forgotten is gone: from every level, from the texts, and from the bytes of the file and its log."""

from __future__ import annotations

import pytest

from archive.kept_windows import DAY_S, HOUR_S, MONDAY_S, counts, key, octets_of, stored
from portcall.archive.forgetting import forget_named, forget_period
from portcall.archive.history_file import HistoryError
from portcall.archive.period_sums import PeriodSums
from portcall.archive.store import HistoryStore

HIDDEN = "secret-host.example.org"


@pytest.fixture
def path(tmp_path):
    tmp_path.chmod(0o700)
    return tmp_path / "history.sqlite"


def left(path):
    """All bytes that lie there."""
    return b"".join(one.read_bytes() for one in path.parent.iterdir())


def test_a_host_is_gone_from_the_file_and_its_log_while_somebody_fills_it(path):
    stored(path, {MONDAY_S + 10 * n: {key("curl", HIDDEN): 1, key("ssh"): 2} for n in range(400)})
    writer = HistoryStore(path, makes_folder=False)
    at_s = MONDAY_S + DAY_S
    writer.write({at_s: {key("curl", HIDDEN): counts(at_s, 5)}}, final_s=at_s, now_s=at_s)
    assert HIDDEN.encode() in left(path)

    gone = forget_named(path, HIDDEN, ["host"])

    assert gone.rows > 400
    assert HIDDEN.encode() not in left(path)
    assert b"curl" not in left(path)  # nobody else had it
    writer.write({at_s + 10: {key("wget"): counts(at_s + 10, 5)}}, final_s=at_s + 20, now_s=at_s + 20)
    writer.close()
    assert octets_of(path)[0] == {"ssh": 800, "wget": 5}


def test_an_app_is_forgotten_with_hosts_that_nobody_else_met(path):
    stored(path, {MONDAY_S: {key("curl", HIDDEN): 1, key("ssh", "192.0.2.9"): 2}}, now_s=MONDAY_S + DAY_S)

    forget_named(path, "curl", ["app", "process"])

    assert HIDDEN.encode() not in left(path)
    assert octets_of(path) == [{"ssh": 2}] * 4


def test_a_period_is_forgotten_in_every_level_and_its_edges_stay(path):
    windows = {MONDAY_S + 10 * n: {key("curl", HIDDEN if n == 30 else "192.0.2.1"): 1} for n in range(0, 720, 5)}
    stored(path, windows, now_s=MONDAY_S + DAY_S)

    gone = forget_period(path, MONDAY_S + 290, MONDAY_S + 320)

    assert gone.rows
    assert not gone.is_wider
    assert octets_of(path) == [{"curl": 143}] * 4
    assert HIDDEN.encode() not in left(path)


def test_where_only_wider_windows_are_left_they_go_as_a_whole(path):
    windows = {MONDAY_S: {key("curl"): 1}, MONDAY_S + HOUR_S: {key("curl"): 2}, MONDAY_S + DAY_S: {key("curl"): 4}}
    stored(path, windows, now_s=MONDAY_S + 40 * DAY_S)

    gone = forget_period(path, MONDAY_S, MONDAY_S + 600)

    assert gone.is_wider
    assert octets_of(path)[-2:] == [{"curl": 6}, {"curl": 6}]


def test_all_of_it_is_forgotten(path):
    stored(path, {MONDAY_S: {key("curl"): 1}})

    assert forget_period(path, None, None).rows

    with PeriodSums(path) as sums:
        assert sums.span_s() is None
        assert sums._rows("SELECT count(*) FROM keys") == sums._rows("SELECT count(*) FROM names") == [(0,)]


def test_what_is_not_there_is_nothing(path):
    stored(path, {MONDAY_S: {key("curl"): 1}})

    assert forget_named(path, "wget", ["app"]).rows == 0


def test_no_file_is_an_error(path):
    with pytest.raises(HistoryError, match="no history yet"):
        forget_period(path, None, None)
