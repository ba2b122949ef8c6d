"""``portcall read --dissect``, as people use it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
needs_tshark = pytest.mark.skipif(not shutil.which("tshark"), reason="needs tshark: apt install tshark")


MAIN = "import sys; from portcall.cli import main; sys.exit(main(sys.argv[1:]))"
"""The command without what keeps root from a PATH of somebody else."""


def read(*options, search_path=os.environ["PATH"]):
    return subprocess.run(
        [sys.executable, "-c", MAIN, "read", *options],
        cwd=ROOT / "captures",
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "PATH": search_path},
        check=False,
        capture_output=True,
        text=True,
    )


@needs_tshark
def test_the_fields_of_the_chosen_flows_follow_the_table():
    told = read("dns.pcap", "--by", "flow", "--where", "service=dns and protocol=udp", "--top", "1", "--dissect")

    table, _, fields = told.stdout.partition("\nudp ")
    assert "dns" in table
    assert re.search(r"^  packet \d+: eth ip(v6)? udp dns$", fields, re.MULTILINE)
    assert re.search(r"^    Name: \S+\.", fields, re.MULTILINE)
    assert told.returncode == 0


@needs_tshark
def test_the_captures_of_a_folder_are_looked_into(tmp_path):
    shutil.copy(ROOT / "captures/dns.pcap", tmp_path / "capture")
    (tmp_path / "notes.txt").write_text("dear diary")

    told = read(str(tmp_path), "--by", "flow", "--where", "service=dns", "--top", "1", "--dissect")

    assert re.search(r"^  packet \d+: eth ip", told.stdout, re.MULTILINE)
    assert "passed over 1 other file" in " ".join(told.stdout.split() + told.stderr.split())
    assert told.returncode == 0


@needs_tshark
def test_names_with_escapes_are_shown_escaped():
    told = read("broken/names-with-escapes.pcap", "--by", "flow", "--top", "3", "--dissect")

    assert "packet" in told.stdout
    assert [character for character in told.stdout if not character.isprintable() and character != "\n"] == []


@needs_tshark
def test_the_flows_of_a_converted_format_have_fields_too(tmp_path):
    subprocess.run(["editcap", "-F", "snoop", ROOT / "captures/dns.pcap", tmp_path / "dns.snoop"], check=True)

    told = read(str(tmp_path / "dns.snoop"), "--by", "flow", "--top", "1", "--dissect")

    assert "packet" in told.stdout
    assert told.returncode == 0


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ([], "--by flow"),
        (["--by", "flow", "--format", "json"], "leave out --format"),
        (["--by", "flow", "-o", "out.txt"], "leave out --format and -o"),
        (["-", "--by", "flow"], "name a file"),
    ],
)
def test_options_that_it_cannot_go_with_are_a_usage_error(options, remedy):
    told = read("dns.pcap", *options, "--dissect")

    assert remedy in told.stderr
    assert (told.stdout, told.returncode) == ("", 2)


def test_without_tshark_the_way_to_it_is_said_before_anything_is_read():
    told = read("dns.pcap", "--by", "flow", "--dissect", search_path="/nowhere")

    assert "sudo apt install tshark" in told.stderr
    assert (told.stdout, told.returncode) == ("", 1)
