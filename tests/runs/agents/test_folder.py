"""Only what lies beneath the folder is opened."""

from __future__ import annotations

import os

import pytest

from portcall.errors import UsageError
from portcall.runs.agents.folder import Folder


@pytest.fixture
def folder(tmp_path):
    outside, inside = tmp_path / "outside.pcap", tmp_path / "inside"
    (inside / "deep").mkdir(parents=True)
    outside.write_bytes(b"secret")
    (inside / "a.pcap").write_bytes(b"a")
    (inside / "deep" / "b.pcap").write_bytes(b"b")
    (inside / "out.pcap").symlink_to(outside)
    (inside / "up").symlink_to(tmp_path)
    (inside / "here.pcap").symlink_to(inside / "a.pcap")
    (inside / "circle").symlink_to(inside / "circle")
    os.mkfifo(inside / "pipe")
    return inside


@pytest.mark.parametrize("name", ["a.pcap", "deep/b.pcap", "./deep/../a.pcap", "here.pcap"])
def test_a_file_beneath_it_is_found_by_its_path(folder, name):
    found = Folder(str(folder)).file(name)

    assert found.startswith(str(folder.resolve()))


@pytest.mark.parametrize(
    "name",
    [
        *("", "-", "../outside.pcap", "out.pcap", "up/outside.pcap", "circle", "pipe", "deep", "missing", "a.pcap\0"),
        *("x" * 5000, "file:///etc/passwd", "s3://bucket/a.pcap", "/etc/passwd", "~/a.pcap", "*.pcap"),
    ],
)
def test_anything_else_is_no_capture_beneath_it(folder, name):
    with pytest.raises(UsageError, match="no such capture beneath the folder"):
        Folder(str(folder)).file(name)


def test_an_absolute_path_is_refused_even_of_its_own_files(folder):
    with pytest.raises(UsageError, match="no such capture"):
        Folder(str(folder)).file(str(folder / "a.pcap"))


def test_names_are_its_files_without_links_and_so_many_at_the_most(folder):
    assert Folder(str(folder)).names(10) == (["a.pcap", "deep/b.pcap"], False)
    assert Folder(str(folder)).names(1) == (["a.pcap"], True)
