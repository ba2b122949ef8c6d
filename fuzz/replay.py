"""Inputs given to targets once more: ``python fuzz/replay.py [TARGET [FILE…]]``; without files, seeds and findings."""

from __future__ import annotations

import sys
import time
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from capture_seeds import ROOT
from mutations import mutations
from run_fuzzers import HANG_S
from target_family import find_targets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from target_family import Target

FOUND = ROOT / "tests" / "hostile" / "found"
"""Inputs that once broke something: a folder a target."""


def found(target: Target) -> list[Path]:
    """The findings that are kept of a target; those of a family are for each of its members."""
    folders = (FOUND / target.name, FOUND / target.name.partition("-")[0])
    return sorted({path for folder in folders if folder.is_dir() for path in folder.iterdir()})


def replayed(target: Target, seconds: float) -> int:
    """Have a target examine its findings, and then seeds and changed ones for so long; gives how many inputs.

    What breaks it is raised, with a note that has the input.
    """
    count = 0
    for content in _inputs(target, seconds):
        _examine(target, content)
        count += 1
    return count


def _inputs(target: Target, seconds: float) -> Iterator[bytes]:
    for path in found(target):
        yield path.read_bytes()
    end_s = time.process_time() + seconds
    seeds = [content[: target.most_bytes] for content in target.seeds()]
    for content in chain(mixed(seeds), mutations(seeds, target.most_bytes)):
        if time.process_time() > end_s:
            return
        yield content


def mixed(seeds: list[bytes]) -> Iterable[bytes]:
    """All of them, those first that lie far from each other."""
    step = 17
    return (seed for start in range(step) for seed in seeds[start::step])


def _examine(target: Target, content: bytes) -> None:
    try:
        target.examine(content)
    except BaseException as error:
        error.args = (*error.args, f"{target.name}: {content.hex()}")
        raise


def main(*arguments: str) -> None:
    """What the words ask for."""
    targets = find_targets(arguments[:1])
    for target in targets:
        if arguments[1:]:
            for path in arguments[1:]:
                began_s = time.process_time()
                _examine(target, Path(path).read_bytes())
                if time.process_time() - began_s > HANG_S:
                    sys.exit(f"{target.name}: more than {HANG_S} s for {path}")
        print(f"{target.name}: {len(arguments) - 1 if arguments[1:] else replayed(target, 1)} inputs", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
