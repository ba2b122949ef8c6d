"""What ``benchmarks/growth.py`` says of memory over time."""

from __future__ import annotations

import importlib.util
import random
from pathlib import Path

import pytest

PATH = Path(__file__).parents[2] / "benchmarks" / "growth.py"
SPECIFICATION = importlib.util.spec_from_file_location("growth", PATH)
MODULE = importlib.util.module_from_spec(SPECIFICATION)
SPECIFICATION.loader.exec_module(MODULE)
growth = MODULE.growth
HOUR_S, STEP_S = 3600, 5


def swinging(seed, *, an_hour=0.0, swing=15.0):
    """Samples of an hour that go up and down by as much above a floor, which rises."""
    drawn = random.Random(seed)
    return [
        (second, 200 + an_hour * second / HOUR_S + swing * drawn.random() ** 2)
        for second in range(0, HOUR_S + STEP_S, STEP_S)
    ]


@pytest.mark.parametrize("seed", range(5))
def test_swings_above_a_floor_that_stays_are_no_growth(seed):
    found = growth(swinging(seed))

    assert found.least <= found.slope <= found.most
    assert found.verdict(1.0) == "at most 1 MB an hour"


@pytest.mark.parametrize("seed", range(5))
def test_a_floor_that_rises_is_found_below_swings_that_are_larger(seed):
    found = growth(swinging(seed, an_hour=8.0))

    assert found.slope == pytest.approx(8, abs=0.5)
    assert found.verdict(1.0) == "more than 1 MB an hour"


def test_one_window_that_is_much_higher_turns_no_slope():
    samples = [(second, 300.0 if 1000 <= second < 1500 else 200.0) for second in range(0, HOUR_S, STEP_S)]

    assert growth(samples).slope == 0


def test_where_windows_contradict_each_other_a_longer_run_would_tell():
    samples = [(second, 200 + 10 * (second // 360 % 2)) for second in range(0, HOUR_S, STEP_S)]

    assert "longer run" in growth(samples).verdict(1.0)


@pytest.mark.parametrize("samples", [[], [(0, 1.0)], [(0, 1.0), (1, 2.0), (2, 3.0)]])
def test_a_few_samples_tell_no_slope(samples):
    assert growth(samples) is None
