"""Which files are meant, and what is told of each."""

from __future__ import annotations

import pytest

from capture_bytes import enhanced, interface, pcap_header, pcap_record, section
from portcall.errors import UsageError
from portcall.sources.captures import expand, open_capture


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


def test_bytes_read_reach_the_size_of_the_file(tmp_path):
    path = tmp_path / "a.pcapng"
    path.write_bytes(section() + interface() + enhanced(b"x" * 1000) * 500)

    opened = open_capture(str(path))
    for _ in opened.source.batches():
        pass

    assert opened.bytes_read() == opened.bytes_total == path.stat().st_size
