"""``make lock``: write which versions CI, releases and packagers install, with the hash of every file of theirs.

    tests/locked.txt              what portcall and its tests need, for every system and Python that it supports
    tests/locked-spark.txt        Spark itself, which has an environment of its own
    packaging/release-tools.txt   what a release is built and checked with
    packaging/wheel-tools.txt     what it builds the wheels of every platform with
    packaging/installed.txt       what portcall itself needs, for who packages it; build-tools.txt is what builds it

What is listed already stays, unless pyproject.toml wants another one; ``make lock UPGRADE=--upgrade`` takes the newest
of all. A developer's own environment is not held to either of them.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import release_tools

if TYPE_CHECKING:
    from pathlib import Path

TESTS = release_tools.ROOT / "tests" / "locked.txt"
SPARK = release_tools.ROOT / "tests" / "locked-spark.txt"
INSTALLED = release_tools.ROOT / "packaging" / "installed.txt"
BUILD = release_tools.ROOT / "packaging" / "build-tools.txt"
WHEELS = release_tools.ROOT / "packaging" / "wheel-tools.txt"
OLDEST_PYTHON = "3.10"
WANTED = {
    TESTS: ("--extra", "test", "pyproject.toml"),
    SPARK: ("--no-deps", "--group", "spark"),
    release_tools.LOCKED: ("--group", "release"),
    WHEELS: ("--group", "wheels", "--python-version", "3.11"),
    INSTALLED: ("pyproject.toml",),
    BUILD: ("--group", "build"),
}
"""Each list, and what of pyproject.toml it is of."""


def main() -> None:
    """Write them all."""
    for path, wanted in WANTED.items():
        write(path, *wanted, *sys.argv[1:])
        print(f"{path.relative_to(release_tools.ROOT)}: {path.read_text().count('==')} packages")


def write(path: Path, *wanted: str) -> None:
    """Let uv find versions that go together everywhere, and write them with their hashes."""
    release_tools.run(
        str(release_tools.programs() / "uv"),
        *("pip", "compile", "--quiet", "--universal", "--generate-hashes"),
        *(() if "--python-version" in wanted else ("--python-version", OLDEST_PYTHON)),
        *("--annotation-style", "line", "--no-emit-index-url", "--custom-compile-command", "make lock"),
        *("--output-file", str(path)),
        *wanted,
    )


if __name__ == "__main__":
    main()
