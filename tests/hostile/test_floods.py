"""Floods: each is read within 10 s of a processor and 300 MB, and every frame of it counts."""

from __future__ import annotations

import json
from pathlib import Path

import floods
import pytest

from corpus.measured_run import run_all

OFFICE = Path(__file__).resolve().parents[2] / "captures" / "office.pcapng"
MOST_S, MOST_MB = 10, 300
"""Of one file, whoever made it."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Of each flood by its name: one run of the command."""
    folder = tmp_path_factory.mktemp("floods")
    commands = {}
    for flood in floods.FLOODS:
        path = folder / f"{flood.__name__}.pcapng"
        path.write_bytes(flood())
        commands[flood.__name__] = ("read", str(path), "--by", "app", "--format", "json")
    first = ("read", str(OFFICE), "--by", "app", "--format", "json")
    return dict(zip(commands, run_all(list(commands.values()), first), strict=True))


@pytest.mark.parametrize("name", [flood.__name__ for flood in floods.FLOODS])
def test_a_flood_is_read_within_bounds_of_time_and_memory(runs, name):
    run = runs[name]

    assert run.status in {0, 1, 3}, run
    assert b"Traceback" not in run.stderr
    assert run.cpu_s < MOST_S
    assert run.peak_bytes < MOST_MB << 20
    if run.status == 0:
        coverage = json.loads(run.stdout)["coverage"]
        assert coverage["frames"] == sum(coverage["verdicts"].values()) > 0
