"""Answers are bounded, and say nothing that may hold secrets."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from portcall.errors import UsageError
from portcall.runs.agents import bounded_answers as room
from portcall.runs.agents.bounded_answers import MOST_BYTES, MOST_ROWS, Answers
from portcall.runs.agents.folder import Folder

CAPTURES = Path(__file__).resolve().parents[3] / "captures"


@pytest.fixture
def answers():
    return Answers(Folder(str(CAPTURES)))


def test_without_a_capture_an_overview_says_which_there_are(answers):
    told = answers.overview()

    assert {"office.pcapng", "compressed/dns.pcap.gz"} <= set(told["captures"])
    assert not told["has_more"]


def test_what_there_is_no_room_for_is_counted(answers, monkeypatch):
    monkeypatch.setattr(room, "MOST_BYTES", 3000)

    told = answers.rows("office.pcapng", by="flow", top=MOST_ROWS)

    monkeypatch.setattr(room, "MOST_BYTES", 10**9)
    whole = answers.rows("office.pcapng", by="flow", top=MOST_ROWS)
    assert whole["rows_left_out"] == 0
    assert 0 < len(told["rows"]) < len(whole["rows"])
    assert len(told["rows"]) + told["rows_left_out"] == len(whole["rows"])


@pytest.mark.parametrize("by", ["app", "host", "service", "flow", "query", "time", "process", "user"])
@pytest.mark.parametrize("capture", ["owners.pcapng"])
def test_every_answer_is_json_within_its_bounds(answers, capture, by):
    text = json.dumps(answers.rows(capture, by=by, top=MOST_ROWS))

    assert len(text) < 2 * MOST_BYTES


def test_sockets_are_told_without_command_lines(answers):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        (held,), listening = answers.who(str(port))["rows"], answers.ports(where=f"port={port}")["rows"]

    assert held["process"] == listening[0]["process"]
    assert "cmdline" not in {*held, *listening[0]}


def test_a_conversation_is_explained_by_what_its_capture_says(answers):
    told = answers.explain("1", "office.pcapng")

    assert told["title"] == "10.20.0.10:44854-198.51.100.20:443/tcp"
    assert told["sections"]


@pytest.mark.parametrize("top", [0, -1, MOST_ROWS + 1])
def test_no_more_rows_are_asked_for_than_an_answer_has(answers, top):
    with pytest.raises(UsageError, match=f"1 to {MOST_ROWS} rows"):
        answers.rows("office.pcapng", top=top)
