"""The hostile captures, through the real command: it ends by itself, soon and small, and says what is wrong."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest
from measured_run import run_all

SHIPPED = Path(__file__).resolve().parents[2] / "captures" / "office.pcapng"
FORMATS = ("table", "jsonl")
MAX_SECONDS = 10
MAX_BYTES = 300 << 20
CONTROLS = ("Cc", "Cf", "Co", "Cs")
"""Unicode categories: control and format characters, such as those that turn the direction of text, and worse."""


JUDGED = {
    "ha001_pcap_trunc_header_02.pcap": "capinfos takes its three bytes for a media file; tcpdump refuses it",
    "ha010_pcap_hdr_ver_huge.pcap": "version 65535.4: tcpdump refuses it as we do, capinfos does not look",
    "ha050_pcap_header_again.pcap": "a second capture, which both take for a frame of 2055 without bytes",
    "ha054_pcap_header_then_zeros.pcap": "zeros are padding; both take them for frames of 1970 without bytes",
    "ha061_gz_bomb_400MB.pcap.gz": "the same",
    "ha066_ng_len_max.pcapng": "the same seven that capinfos names in its error; tcpdump wants one snap length",
    "ha075_ng_shb_len_huge.pcapng": "capinfos takes it for a mail; tcpdump refuses it as we do",
    "ha118_ng_swap_section_middle.pcapng": "the same two that capinfos names in its error",
}
"""Files of which we read a number of frames that is neither reader's, and why ours is right."""


@pytest.fixture(scope="session")
def runs(corpus_folder):
    """A run of every hostile file in every format."""
    files = sorted(path for path in (corpus_folder / "hostile").iterdir() if path.name != "index.json")
    words = [("read", str(path), "--by", "flow", "--format", form) for path in files for form in FORMATS]
    return run_all(words, ("read", str(SHIPPED), "--by", "flow"))


def told(runs):
    return "\n".join(map(str, runs))


def test_all_hostile_files_were_run(corpus_folder, runs):
    files = {entry["file"] for entry in json.loads((corpus_folder / "hostile" / "index.json").read_text())}

    assert {Path(run.arguments[1]).name for run in runs} == files
    assert len(runs) == len(FORMATS) * len(files)


def test_every_run_ends_by_itself_with_a_status_of_its_own(runs):
    assert not (odd := [run for run in runs if run.status not in (0, 1, 3)]), told(odd)


def test_every_run_ends_within_ten_seconds(runs):
    assert not [(run.arguments[1], run.seconds) for run in runs if run.seconds > MAX_SECONDS]


def test_no_run_takes_more_than_300_megabytes(runs):
    assert not [(run.arguments[1], run.peak_bytes) for run in runs if run.peak_bytes > MAX_BYTES]


def test_no_run_shows_a_traceback_or_a_warning(runs):
    assert not (odd := [run for run in runs if b"Traceback" in run.stderr or b"Warning" in run.stderr]), told(odd)


def test_no_run_prints_control_characters(runs):
    odd = {}

    for run in runs:
        for stream in (run.stdout, run.stderr):
            characters = set(stream.decode("utf-8")) - {"\n"}
            controls = {character for character in characters if unicodedata.category(character) in CONTROLS}
            if controls:
                odd[run.arguments] = controls

    assert not odd


def test_whatever_could_not_be_read_is_said_with_the_path(runs):
    silent = [run for run in runs if run.status and run.arguments[1] not in run.stderr.decode()]

    assert not silent, told(silent)


def test_what_was_read_before_the_damage_is_shown(runs):
    """Status 3 is "done, but": there is a table, if only of totals, and every row of jsonl is json."""
    for run in runs:
        if run.arguments[-1] == "jsonl":
            rows = [json.loads(line) for line in run.stdout.splitlines()]
            assert all(isinstance(row, dict) for row in rows), run
        elif run.status == 3:
            assert run.stdout, run


def test_as_many_frames_are_read_as_other_readers_read(corpus_folder, runs, score):
    """Two readers' opinion, where they have one: ours is one of theirs, but for what was judged by hand."""
    frames = {
        Path(run.arguments[1]).name: sum(
            row["packets_to_server"] + row["packets_to_client"] for row in map(json.loads, run.stdout.splitlines())
        )
        for run in runs
        if run.arguments[-1] == "jsonl"
    }
    differing = {}

    for entry in json.loads((corpus_folder / "hostile" / "index.json").read_text()):
        opinions = {entry["capinfos_packets"], entry["tcpdump_packets"]} - {None}
        if opinions and frames[entry["file"]] not in opinions:
            differing[entry["file"]] = frames[entry["file"]]

    score.append(f"hostile files: {len(frames)}, in {len(differing)} our number of frames is neither reader's")
    score += [f"    {name}: {ours} frames, {JUDGED.get(name)}" for name, ours in differing.items()]
    assert differing.keys() == JUDGED.keys()
