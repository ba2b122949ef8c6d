"""What is beyond a bound is counted, and the report says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from capture_bytes import enhanced, interface, name_resolution, secrets, section
from frame_bytes import ETHERNET, ethernet, ipv4, udp
from portcall.attribution.attribution import Attribution
from portcall.inspection.inspection_bounds import InspectionBounds
from portcall.inspection.server_names import ServerNames
from portcall.labels.registry import Registry
from portcall.records.packets import FrameBatch
from portcall.runs.capture_tracker import CaptureTracker
from portcall.runs.tracker import Tracker
from portcall.sources.captures import open_capture

OFFICE = Path(__file__).parents[2] / "captures" / "office.pcapng"
LINE = "CLIENT_RANDOM {:064x} " + "0b" * 48 + "\n"


def test_bounds_that_hold_say_nothing():
    assert InspectionBounds().notes() == []


@pytest.mark.parametrize("name", ["given_up", "answers_forgotten", "addresses_left_out", "secrets_left_out"])
def test_what_is_beyond_a_bound_is_a_note_with_its_count(name):
    (note,) = InspectionBounds(**{name: 7}).notes()

    assert note.reason.startswith("7 ")
    assert "--filter" in note.remedy


def test_counts_of_shards_add_up():
    one, later = InspectionBounds(given_up=2), InspectionBounds(given_up=3, secrets_left_out=1)

    one.count_more(later.counts())

    assert (one.given_up, one.secrets_left_out) == (5, 1)


@pytest.mark.parametrize("counts", [None, [1], [1, 2, 3, 4, -5], [1, 2, 3, 4, "5"]])
def test_counts_of_no_run_are_refused(counts):
    with pytest.raises(ValueError, match="something else"):
        InspectionBounds().count_more(counts)


def test_secrets_beyond_the_bound_are_counted_and_known_ones_are_replaced():
    names = ServerNames(bounds=InspectionBounds(most_secrets=3))
    lines = "".join(LINE.format(number % 5) for number in range(10)).encode()

    names.note_capture(FrameBatch(np.zeros(0), np.zeros(0, np.uint8), 1, key_log=lines))

    assert len(names.key_log) == 3
    assert [note.reason for note in names.shortfalls()] == ["4 secrets of TLS sessions found no room"]


def test_hosts_and_apps_beyond_the_bound_count_without_and_are_counted():
    registry = Registry(most=2)

    numbers = [registry.host_number(f"{number}.example") for number in range(4)]

    assert numbers == [1, 2, 0, 0]
    assert registry.left_out == 2


def shortfalls_of(path, names=None, **bounds):
    """What the report of a capture says of bounds."""
    tracker = Tracker(names=names, **bounds)
    run = CaptureTracker(Attribution("app", (), names), tracker)
    for batch in open_capture(str(path)).source.batches():
        run.feed(batch)
    run.finish()
    return [note.reason for note in run.shortfalls()]


def test_the_report_of_a_capture_says_what_was_beyond_a_bound(tmp_path):
    path = tmp_path / "flood.pcapng"
    named = [(bytes([192, 0, 2, number]), b"a.example") for number in range(20)]
    keys = secrets("".join(map(LINE.format, range(20))).encode())
    path.write_bytes(section() + interface() + name_resolution(*named) + keys + enhanced(ETHERNET))

    reasons = shortfalls_of(path, ServerNames(bounds=InspectionBounds(most_addresses=5, most_secrets=3)))

    assert reasons == [
        "15 addresses that the capture names found no room",
        "17 secrets of TLS sessions found no room",
    ]


def test_the_report_says_how_many_fragmented_datagrams_were_forgotten(tmp_path):
    path = tmp_path / "fragments.pcapng"
    frames = []
    for number in range(100):
        first = bytearray(ipv4(udp(), fragment=0x2000))
        first[4:6] = number.to_bytes(2, "big")
        frames.append(ethernet(0x0800, bytes(first)))
    between = section() + interface()  # which ends a batch
    path.write_bytes(b"".join(between + enhanced(frame) for frame in frames))

    (reason,) = shortfalls_of(path, max_datagrams=60)

    assert reason == "64 fragmented datagrams were forgotten; later fragments of them are on no conversation"


def test_a_capture_that_is_usual_has_no_shortfalls():
    assert shortfalls_of(OFFICE, ServerNames(with_details=True)) == []
