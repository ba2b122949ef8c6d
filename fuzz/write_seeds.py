"""Have each target's seeds in its corpus; print the targets, with the bytes that an input may have, as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from run_fuzzers import seed_corpus
from target_family import find_targets


def main(folder: str, *names: str) -> None:
    """For these targets, or all."""
    try:
        chosen = find_targets(names)
    except ValueError as error:
        sys.exit(f"{error}; --list names them")
    for target in chosen:
        seed_corpus(target, Path(folder))
    print(json.dumps({target.name: target.most_bytes for target in chosen}))


if __name__ == "__main__":
    main(*sys.argv[1:])
