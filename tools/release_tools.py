"""What the programs behind ``make release-check`` share: other people's tools, and a folder that is no repository.

The tools are the group ``release`` of pyproject.toml, in the versions and with the hashes that are listed in
packaging/release-tools.txt, in an environment that is kept from run to run until that file changes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import venv
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[1]
LOCKED = ROOT / "packaging" / "release-tools.txt"


class ReleaseError(Exception):
    """Something that must not be published."""


def programs() -> Path:
    """The folder of the programs."""
    place = ROOT / "build" / "release-tools"
    stamp = place / "made-of"
    if not stamp.exists() or stamp.read_text() != digest(LOCKED):
        venv.create(place, with_pip=True, clear=True)
        run(str(place / "bin" / "pip"), "install", "-q", "--require-hashes", "-r", str(LOCKED))
        stamp.write_text(digest(LOCKED))
    return place / "bin"


def copy_tree(place: Path) -> None:
    """Put there what git knows, as the working copy has it: a folder that is no repository."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, place / name)


def run(*command: str, cwd: Path = ROOT, environment: Mapping[str, str] | None = None) -> str:
    """What it prints; ReleaseError with what it says where it fails."""
    kept = {"SOURCE_DATE_EPOCH": built_at()} | dict(os.environ) | dict(environment or {})
    ran = subprocess.run(command, cwd=cwd, env=kept, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise ReleaseError(f"{' '.join(command)}: status {ran.returncode}\n{ran.stdout[-2000:]}{ran.stderr[-2000:]}")
    return ran.stdout


def tell(what: str, path: Path, found: str) -> None:
    """Say what was found out about a file."""
    print(f"{what:<28} {path.name}: {found}", flush=True)


def digest(path: Path) -> str:
    """Its SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


@cache
def built_at() -> str:
    """Seconds since 1970 that everything is dated by: those of the last commit, asked once."""
    asked = ("git", "log", "-1", "--format=%ct")
    return subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
