"""``portcall read --explain``, as people use it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

import capture_damage
from portcall.cli import main

CAPTURES = Path(__file__).parents[3] / "captures"
OFFICE = str(CAPTURES / "office.pcapng")
MUSIC = "10.20.0.10:44854-198.51.100.20:443"


@pytest.fixture
def read(capsys):
    """Runs ``portcall read``; gives status, stdout and stderr."""

    def run(*options, capture=OFFICE):
        status = main(["read", capture, *options])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def test_the_story_says_in_words_what_the_row_has_in_columns(read):
    status, story, _ = read("--explain", MUSIC)

    lines = story.splitlines()
    assert status == 0
    assert lines[0] == f"{MUSIC}/tcp (row 1 of --by flow)"
    assert "name      music.example.net: the client asked for it when it began TLS (SNI), frame 38" in lines
    assert "dns       0.000295 s before, 10.20.0.10 was told that music.example.net is at 198.51.100.20" in lines
    assert "protocol  tls, recognised by what was said in frame 38" in lines


def test_a_folder_is_explained_as_its_capture_is(read, tmp_path):
    shutil.copy(OFFICE, tmp_path)

    assert read("--explain", MUSIC, capture=str(tmp_path)) == read("--explain", MUSIC)


def test_the_order_of_the_ends_makes_no_difference(read):
    forwards, backwards = read("--explain", MUSIC), read("--explain", "198.51.100.20:443-10.20.0.10:44854/tcp")

    assert forwards == backwards


def test_the_frame_of_the_evidence_is_the_one_that_tshark_calls_so():
    if not shutil.which("tshark"):
        pytest.skip("needs tshark: sudo apt install tshark")
    fields = ["-T", "fields", "-e", "tls.handshake.extensions_server_name"]

    sent = subprocess.run(
        ["tshark", "-n", "-r", OFFICE, "-Y", "frame.number == 38", *fields], capture_output=True, text=True, check=True
    )

    assert sent.stdout.strip() == "music.example.net"


def test_the_frame_of_a_name_is_the_one_that_brought_it(read, tmp_path):
    ends = Ether() / IP(src="10.0.0.1", dst="192.0.2.1")
    pieces = [b"GET / HTTP/1.1\r\nHo", b"st: www.example.org\r\n", b"Accept: */*\r\n\r\n"]
    at = [2 + sum(map(len, pieces[:number])) for number in range(len(pieces))]
    frames = [ends / TCP(sport=4000, dport=80, seq=1, flags="S")]
    frames += [
        ends / TCP(sport=4000, dport=80, seq=seq, flags="PA") / sent for seq, sent in zip(at, pieces, strict=True)
    ]
    capture_damage._write_pcap(tmp_path / "pieces.pcap", list(map(bytes, frames)))

    _, out, _ = read("--explain", "1", capture=str(tmp_path / "pieces.pcap"))

    assert "name      www.example.org: the client's HTTP request is to it (Host), frame 3" in out.splitlines()


def test_json_has_one_object_a_conversation_with_its_row_and_its_evidence(read):
    _, out, _ = read("--explain", ":443", "--format", "json")

    stories = json.loads(out)["stories"]
    assert [story["row_number"] for story in stories] == [1, 2, 5, 6]
    assert stories[0]["row"]["tls_server_name"] == "music.example.net"
    assert stories[0]["evidence"]["service_evidence"] == "curated 443/tcp"
    assert stories[0]["evidence"]["told"][0]["name"] == "music.example.net"
    assert stories[0]["sections"][0]["heading"] == "client"


def test_json_lines_have_a_story_each(read):
    _, out, _ = read("--explain", ":443", "--format", "jsonl")

    assert [json.loads(line)["title"].rpartition(":")[2] for line in out.splitlines()] == ["443/tcp"] * 4


def test_the_number_of_a_row_counts_in_what_where_leaves(read):
    _, out, _ = read("--explain", "1", "--where", "app=ntp")

    assert out.splitlines()[0].endswith("-192.0.2.53:123/udp (row 1 of --by flow)")


def test_of_many_conversations_the_first_are_told_and_the_rest_counted(read):
    status, out, err = read("--explain", "10.20.0.10")

    assert status == 0
    assert out.count("of --by flow)") == 5
    assert "these are the 5 with most bytes" in err


def test_a_conversation_that_is_not_there_is_status_1_and_what_is_near(read):
    status, out, err = read("--explain", "10.20.0.10:44855-198.51.100.20:443")

    assert (status, out) == (1, "")
    assert f"Nearest: {MUSIC}/tcp" in err


def test_a_capture_without_conversations_says_so(read):
    status, _, err = read("--explain", ":443", capture=str(CAPTURES / "broken" / "no-frames.pcap"))

    assert status == 1
    assert "There are no conversations" in err


def test_every_row_of_every_capture_has_a_story(read):
    for capture in sorted([*CAPTURES.glob("*.pcap*"), CAPTURES / "broken" / "names-with-escapes.pcap"]):
        _, rows, _ = read("--by", "flow", "--format", "jsonl", capture=str(capture))
        for number in range(1, 1 + min(12, len(rows.splitlines()))):
            status, out, _ = read("--explain", str(number), capture=str(capture))

            assert status == 0
            assert out.endswith("\n")


def test_without_names_it_tells_what_the_ports_say(read):
    status, out, _ = read("--explain", MUSIC, "--no-names")

    assert status == 0
    assert "app       https: only by the server's port (curated 443/tcp)" in out
    assert "music.example.net" not in out


def test_a_file_takes_the_story_too(read, tmp_path):
    status, out, _ = read("--explain", MUSIC, "-o", str(tmp_path / "story.txt"))

    assert (status, out) == (0, "")
    assert (tmp_path / "story.txt").read_text(encoding="utf-8").startswith(MUSIC)


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        (["--by", "host"], "leave out --by host"),
        (["--format", "csv"], "use table, json, jsonl"),
        (["--by", "flow", "--dissect"], "leave out one of them"),
    ],
)
def test_options_that_it_cannot_go_with_are_a_usage_error(read, options, remedy):
    status, out, err = read("--explain", MUSIC, *options)

    assert (status, out) == (2, "")
    assert remedy in err


@pytest.mark.parametrize("words", ["22/tcp", "tcp/22", "*:22", "ssh", "10.20.0.1:ssh", "10.20.0.10 -> 10.20.0.1:22"])
def test_every_form_of_an_end_chooses_the_conversations_that_have_it(read, words):
    status, out, _ = read("--explain", words)

    assert status == 0
    assert "-10.20.0.1:22/tcp (row " in out.splitlines()[0]


def test_a_number_beyond_the_rows_is_said_to_be_a_port(read):
    assert "so it is taken for a port" in read("--explain", "443")[2]
    assert "so it is taken for a port" not in read("--explain", "4")[2]


def test_words_that_name_no_conversation_are_a_usage_error(read):
    status, out, err = read("--explain", "music.example.net")

    assert (status, out) == (2, "")
    assert "Write it like" in err
