"""Which files are meant, and in what order they are one capture."""

from __future__ import annotations

import pytest

from capture_bytes import enhanced, interface, pcap_header, pcap_record, section, simple
from portcall.errors import UsageError
from portcall.sources.captures import expand, in_time_order, open_capture


def capture(path, *seconds):
    path.write_bytes(pcap_header() + b"".join(pcap_record(b"x" * 60, seconds=second) for second in seconds))
    return str(path)


def test_a_pattern_that_the_shell_left_alone_is_its_files_in_order(tmp_path):
    paths = [capture(tmp_path / name, 1) for name in ("b.pcap", "a.pcap", "[1].pcap")]

    assert expand([str(tmp_path / "[ab].pcap")]) == [paths[1], paths[0]]


def test_a_pattern_may_go_through_folders(tmp_path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    path = capture(tmp_path / "deep" / "er" / "a.pcap", 1)

    assert expand([str(tmp_path / "**" / "*.pcap")]) == [path]


def test_a_pattern_without_files_stays_to_be_complained_about():
    assert expand(["/nowhere/*.pcap"]) == ["/nowhere/*.pcap"]


def test_a_file_whose_name_looks_like_a_pattern_is_itself(tmp_path):
    path = capture(tmp_path / "[1].pcap", 1)

    assert expand([path]) == [path]


def test_standard_input_can_be_read_only_once():
    with pytest.raises(UsageError, match="only once"):
        expand(["-", "-"])


def test_files_are_ordered_by_the_time_of_their_first_frame(tmp_path):
    late, early, middle = (capture(tmp_path / f"{second}.pcap", second, 1) for second in (30, 10, 20))

    assert in_time_order([late, early, middle]) == ([early, middle, late], [])


def test_files_without_times_come_first_and_stay_in_order(tmp_path):
    timed = capture(tmp_path / "timed.pcap", 30)
    untimed = tmp_path / "untimed.pcapng"
    untimed.write_bytes(section() + interface() + simple(b"x"))
    empty = capture(tmp_path / "empty.pcap")

    assert in_time_order([timed, str(untimed), empty])[0] == [str(untimed), empty, timed]


def test_what_cannot_be_opened_is_a_problem_and_not_in_the_order(tmp_path):
    good, missing = capture(tmp_path / "good.pcap", 1), str(tmp_path / "missing.pcap")

    ordered, problems = in_time_order([missing, good, str(tmp_path)])

    assert ordered == [good]
    assert [(problem.path, problem.is_whole) for problem in problems] == [(missing, True), (str(tmp_path), True)]


def test_bytes_read_reach_the_size_of_the_file(tmp_path):
    path = tmp_path / "a.pcapng"
    path.write_bytes(section() + interface() + enhanced(b"x" * 1000) * 500)

    opened = open_capture(str(path))
    for _ in opened.source.batches():
        pass

    assert opened.bytes_read() == opened.bytes_total == path.stat().st_size
