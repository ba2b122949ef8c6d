"""Every target of fuzzing, with what once broke it, its seeds, and some thousand changed ones, always the same.

``make fuzz`` goes on from there, with kernels that have sanitizers; ``fuzz/target_family.py`` says what a target is.
"""

from __future__ import annotations

import os

import pytest

from portcall.cli import main
from replay import FOUND, replayed
from target_family import find_targets

TARGETS = find_targets()
CPU_S = {"captures": 1, "conversations": 1, "partials": 0.5}
OTHERS_S = 0.06


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_a_target_stands_what_broke_it_once_and_what_is_nearly_right(target, monkeypatch):
    monkeypatch.setenv("PATH", os.environ["PATH"])  # a target may change it
    assert replayed(target, CPU_S.get(target.name, OTHERS_S)) > 0


def test_each_finding_is_of_a_target():
    known = {name for target in TARGETS for name in (target.name, target.name.partition("-")[0])}

    assert {path.name for path in FOUND.iterdir() if path.is_dir()} - known == set()


@pytest.mark.parametrize(
    "path", sorted(path for path in FOUND.rglob("*") if path.is_file()), ids=lambda path: path.name
)
def test_what_once_broke_a_target_is_read_as_a_capture_or_refused(path, capsys):
    assert main(["read", str(path), "--format", "json"]) in {0, 1, 3}
    assert "Traceback" not in capsys.readouterr().err
