import io
import json

import numpy as np
import pytest

from portcall.records.ownership import OwnerEvents, ProcessChange, ProcessEvent, Program
from portcall.records.recorded.owner_lines import (
    MOST_LINE_BYTES,
    MachineAddresses,
    OwnersBegin,
    OwnersUntil,
    UserNames,
    addresses_line,
    begin_line,
    event_lines,
    joined,
    lines_of,
    until_line,
    users_line,
)
from portcall.records.sightings import SIGHTING
from sightings import at, executed, sighting, started

CURL = Program("curl", "/usr/bin/curl", ("curl", "--key", "s3cret"), "1f2e3d4c5b6a", "a.service", "fetch")
SIGHTINGS = [
    sighting(1, 7, 100, "USED", "127.0.0.1:40000", "127.0.0.1:53", protocol="udp", user=1000),
    sighting(2, 2**64 - 1, 100, "LISTENING", "[::]:80"),
    sighting(3, 7, 0, "CLOSED"),
]
EVENTS = [
    started(0, 100),
    ProcessEvent(ProcessChange.EXECUTED, at(1), 100, user=0, program=CURL._replace(cmdline=())),
    ProcessEvent(ProcessChange.EXITED, at(4), 100),
]


def read(text):
    return list(lines_of(io.BytesIO(text.encode())))


def test_what_is_written_is_read_back():
    events = OwnerEvents(np.concatenate(SIGHTINGS), EVENTS, at(5))

    lines = read(event_lines(events, with_arguments=False))

    again = joined(
        [line for line in lines if isinstance(line, np.void)], lines[: len(EVENTS)], at(5), tells_closes=True
    )
    assert again.processes == EVENTS
    assert (again.sightings == events.sightings).all()


def test_what_stands_around_events_is_read_back():
    text = begin_line("ebpf", at(0), tells_closes=True) + addresses_line(["::1", "192.0.2.7"])
    text += users_line({1000: "alice"}) + until_line(at(1), 3)

    assert read(text) == [
        OwnersBegin("ebpf", at(0), True),  # noqa: FBT003 - a record's field
        MachineAddresses((bytes([192, 0, 2, 7]), bytes(15) + b"\1")),
        UserNames({1000: "alice"}),
        OwnersUntil(at(1), 3),
    ]


def test_arguments_are_written_only_where_they_are_wanted():
    events = OwnerEvents(np.zeros(0, SIGHTING), [executed(0, 1, "curl", cmdline=CURL.cmdline)], at(1))

    assert "s3cret" not in event_lines(events, with_arguments=False)
    assert read(event_lines(events, with_arguments=True))[0].program.cmdline == CURL.cmdline


def test_a_kind_that_is_not_known_is_passed_over():
    assert read('{"is": "news"}\n{"other": 1}\n') == []


def test_a_last_line_that_is_cut_is_passed_over():
    assert read(until_line(at(1), 0) + '{"is": "unt') == [OwnersUntil(at(1), 0)]


@pytest.mark.parametrize(
    "line",
    [
        "x",
        "[]",
        "[" * 100_000,
        '{"is": "until"}',
        '{"is": "until", "time_ns": -1}',
        '{"is": "owners", "version": 2, "source": "ebpf", "began_ns": 1}',
        '{"is": "sighting", "evidence": "GUESSED"}',
        '{"is": "sighting", "evidence": "USED", "local_port": 65536}',
        '{"is": "sighting", "evidence": "USED", "local": "1.2.3"}',
        '{"is": "process", "change": "born", "time_ns": 1, "pid": 1}',
        '{"is": "process", "change": "started", "time_ns": 1, "pid": "1"}',
        '{"is": "users", "names": {"root": "0"}}',
        '{"is": "addresses", "addresses": "::1"}',
    ],
)
def test_a_damaged_line_is_named(line):
    with pytest.raises(ValueError, match="line 2: "):
        read(until_line(at(1), 0) + line + "\n" + until_line(at(2), 0))


def test_a_line_without_an_end_is_not_read_whole():
    with pytest.raises(ValueError, match="longer"):
        read(json.dumps("x" * 2 * MOST_LINE_BYTES))
