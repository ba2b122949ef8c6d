"""The recipes that ask a history are put to one of last night; the others test_readme.py runs or parses."""

from __future__ import annotations

import re
import shlex
import time
from pathlib import Path

import pytest

from archive.kept_windows import HOUR_S, key, stored
from portcall.cli import main

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")
QUESTIONS = re.findall(r"^    (?:sudo )?portcall (history .+)$", PAGE, re.MULTILINE)
OF_THE_SERVICE = "/var/lib/portcall/history.sqlite"


@pytest.fixture
def last_night(tmp_path, monkeypatch):
    """The file that ``portcall history`` asks without a name, with eight hours ago in it and what was long before."""
    folder = tmp_path / "portcall"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    now_s = int(time.time()) // 60 * 60
    long_ago_s = now_s - 40 * HOUR_S
    windows = {
        long_ago_s: {key("ssh", "old.example.org"): 500},
        now_s - 8 * HOUR_S: {key("curl", "www.example.org"): 7000},
    }
    return stored(folder / "history.sqlite", windows, now_s=now_s)


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_about_last_night_is_answered(question, last_night, capsys):
    words = [str(last_night) if word == OF_THE_SERVICE else word for word in shlex.split(question)]

    status = main(words)

    told = capsys.readouterr().out
    assert status == 0
    assert "7.70 kB" in told
    assert "ssh" not in told


def test_every_recipe_has_its_heading():
    assert re.findall(r"^## (.+)$", PAGE, re.MULTILINE) == [
        "Who used the line last night?",
        "Which app talks to this network?",
        "What is in this capture?",
        "Watch one command",
        "Record for later",
        "As a service",
        "DuckDB",
        "Grafana",
        "The lake",
    ]
