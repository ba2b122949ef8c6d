"""Expectations: which conversations were announced, by whom and when."""

import pytest

import oracle
from packet_rows import packet, packet_rows
from portcall.inspection.expected_flows import ExpectedFlows
from portcall.inspection.inspection_bounds import InspectionBounds
from portcall.records.detections import TCP, UDP, ExpectedFlow
from portcall.records.packets import NO_TIME

SERVER, CLIENT = bytes(12) + bytes([10, 0, 0, 2]), bytes(12) + bytes([10, 0, 0, 1])
SECOND_NS = 10**9
TRANSFER = ExpectedFlow("ftp-data", TCP, 50000)


def flow(source=("10.0.0.1", 40000), target=("10.0.0.2", 50000), **fields):
    return oracle.as_flows(oracle.flow_rows(packet_rows([packet(source, target, **fields)])))


def noted(*times_ns, expected=TRANSFER):
    expectations = ExpectedFlows()
    for number, time_ns in enumerate(times_ns, 7):
        expectations.note((SERVER, CLIENT), time_ns, number, (expected,))
    return expectations


@pytest.mark.parametrize("ends", [(("10.0.0.1", 40000), ("10.0.0.2", 50000)), (("10.0.0.2", 50000), ("10.0.0.1", 9))])
def test_what_was_announced_is_found_whoever_speaks_first(ends):
    assert noted(SECOND_NS).find(flow(*ends, ts_ns=2 * SECOND_NS)) == [(0, 1, "ftp-data", 7)]


def test_an_address_may_be_announced_that_is_not_the_speakers():
    elsewhere = noted(SECOND_NS, expected=ExpectedFlow("ftp-data", TCP, 50000, bytes([10, 0, 0, 9])))

    assert elsewhere.find(flow(ts_ns=SECOND_NS)) == []
    assert elsewhere.find(flow(target=("10.0.0.9", 50000), ts_ns=SECOND_NS)) == [(0, 1, "ftp-data", 7)]


@pytest.mark.parametrize(
    ("time_ns", "is_found"),
    [(SECOND_NS - 1, False), (SECOND_NS, True), (301 * SECOND_NS, True), (302 * SECOND_NS, False)],
)
def test_it_holds_from_the_announcement_on_for_five_minutes(time_ns, is_found):
    assert bool(noted(SECOND_NS).find(flow(ts_ns=time_ns))) is is_found


def test_a_port_that_is_announced_again_keeps_what_was_said_first():
    expectations = noted(SECOND_NS, 2 * SECOND_NS, 1000 * SECOND_NS)

    assert expectations.find(flow(ts_ns=SECOND_NS)) == [(0, 1, "ftp-data", 7)]
    assert expectations.find(flow(ts_ns=1000 * SECOND_NS)) == [(0, 1, "ftp-data", 9)]
    assert expectations.find(flow(ts_ns=700 * SECOND_NS)) == []


def test_without_times_the_order_is_unknown_and_counts_not():
    assert noted(NO_TIME).find(flow(ts_ns=NO_TIME)) == [(0, 1, "ftp-data", 7)]


@pytest.mark.parametrize(
    "other",
    [
        {"source": ("10.0.0.3", 40000)},
        {"target": ("10.0.0.2", 50001)},
        {"target": ("10.0.0.3", 50000)},
        {"protocol": UDP},
        {"source": ("10.0.0.1", 50000), "target": ("10.0.0.2", 40000)},
    ],
    ids=["another client", "another port", "another server", "another transport", "the wrong end's port"],
)
def test_others_were_not_announced(other):
    assert noted(SECOND_NS).find(flow(ts_ns=SECOND_NS, **other)) == []


def test_what_was_announced_longest_ago_goes_first():
    bounds = InspectionBounds(most_announced=2)
    expectations = ExpectedFlows(bounds)
    for port in (50000, 50001, 50002):
        expectations.note((SERVER, CLIENT), SECOND_NS, port, (ExpectedFlow("ftp-data", TCP, port),))

    known = [
        bool(expectations.find(flow(target=("10.0.0.2", port), ts_ns=SECOND_NS))) for port in (50000, 50001, 50002)
    ]

    assert known == [False, True, True]
    assert bounds.announcements_forgotten == 1


@pytest.mark.parametrize("cut", range(4))
@pytest.mark.parametrize("seconds", [(1, 2, 3), (1, 1000, 1100), (1, 200, 3000)])
def test_what_shards_were_told_is_what_the_whole_was_told(seconds, cut):
    times_ns = [second * SECOND_NS for second in seconds]
    whole, first, later = noted(*times_ns), noted(*times_ns[:cut]), ExpectedFlows()
    for number, time_ns in enumerate(times_ns[cut:], 1):
        later.note((SERVER, CLIENT), time_ns, number, (TRANSFER,))

    first.merge(ExpectedFlows.of_plain(later.plain()), frames_before=6 + cut)

    for second in (2, 150, 1001, 3100):
        assert first.find(flow(ts_ns=second * SECOND_NS)) == whole.find(flow(ts_ns=second * SECOND_NS))


def test_what_a_conversation_announced_that_is_something_else_is_forgotten():
    expectations = ExpectedFlows()
    for row, target in enumerate((CLIENT, SERVER)):
        expectations.note((SERVER, target), SECOND_NS, 7, (TRANSFER,), (row, "ftp"))

    expectations.forget(lambda row, teller: (row, teller) == (1, "ftp"))

    assert [entry[3] for entry in expectations.plain()] == [CLIENT.hex()]


def test_what_is_told_once_more_changes_nothing():
    expectations = noted(SECOND_NS, 1000 * SECOND_NS)
    before = expectations.plain()

    expectations.merge(noted(SECOND_NS))

    assert expectations.plain() == before
