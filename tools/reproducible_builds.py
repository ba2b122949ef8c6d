"""``make reproducible``: source archive and wheel, each built twice, must have the same bytes.

The second build differs in what a build should not see: its folder, the times of all files (a day later), time zone,
language, the mask of new files' modes, the seed of hashes. What both share is SOURCE_DATE_EPOCH, the time of the last
commit, and the tools of packaging/release-tools.txt.
"""

from __future__ import annotations

import os
import shutil
import sys
import tarfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import release_tools
from release_tools import ReleaseError, digest, tell

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACE = release_tools.ROOT / "build" / "reproducible"
DAY_S = 86_400


@dataclass(frozen=True)
class Surroundings:
    """What one of the two builds sees."""

    folder: str
    umask: int
    later_s: int
    environment: dict[str, str]


FIRST = Surroundings("one", 0o022, 0, {"TZ": "UTC", "LC_ALL": "C", "PYTHONHASHSEED": "1"})
SECOND = Surroundings(
    "another/much-deeper/folder", 0o077, DAY_S, {"TZ": "Asia/Tokyo", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "2"}
)


def main() -> int:
    """Build both twice; 1 where they differ."""
    try:
        build(PLACE)
    except ReleaseError as error:
        print(f"reproducible: {error}", file=sys.stderr)
        return 1
    return 0


def build(place: Path) -> tuple[Path, Path]:
    """The source archive and the wheel of it, below ``place``; ReleaseError where a second build makes other bytes."""
    shutil.rmtree(place, ignore_errors=True)
    tools = release_tools.programs()
    archives = [source_archive(tools, place / around.folder, around) for around in (FIRST, SECOND)]
    _same(*archives)
    wheels = [
        _wheel(tools, archive, place / around.folder, around)
        for archive, around in zip(archives, (FIRST, SECOND), strict=True)
    ]
    _same(*wheels)
    return archives[0], wheels[0]


def source_archive(tools: Path, place: Path, around: Surroundings) -> Path:
    """Built of what git knows, in a folder that is no repository."""
    source = place / "tree" / "portcall"
    release_tools.copy_tree(source)
    _age(source, around)
    for path in filter(Path.is_file, source.rglob("*")):  # as git checks out; who unpacks an archive has its modes
        path.chmod(path.stat().st_mode & ~around.umask)
    _build(tools, source, place / "dist", around, "--sdist")
    (archive,) = (place / "dist").glob("*.tar.gz")
    tell("source archive", archive, f"{digest(archive)[:16]}, {archive.stat().st_size / 1e6:.1f} MB")
    return archive


def _wheel(tools: Path, archive: Path, place: Path, around: Surroundings) -> Path:
    with tarfile.open(archive) as opened:
        opened.extractall(place / "unpacked", filter="data")
    (source,) = (place / "unpacked").iterdir()
    _age(source, around)
    began_s = time.monotonic()
    _build(tools, source, place / "dist", around, "--wheel")
    (wheel,) = (place / "dist").glob("*.whl")
    tell(
        f"wheel, built in {time.monotonic() - began_s:.0f} s",
        wheel,
        f"{digest(wheel)[:16]}, {wheel.stat().st_size / 1e6:.2f} MB",
    )
    return wheel


def _build(tools: Path, source: Path, output: Path, around: Surroundings, kind: str) -> None:
    arguments = ("-m", "build", "-q", kind, "--no-isolation", "--outdir", str(output), ".")
    before = os.umask(around.umask)
    try:
        release_tools.run(str(tools / "python"), *arguments, cwd=source, environment=around.environment)
    finally:
        os.umask(before)


def _age(source: Path, around: Surroundings) -> None:
    """Give all files the time that they would have, laid down then."""
    for path in filter(Path.is_file, source.rglob("*")):
        os.utime(path, (time.time() + around.later_s,) * 2)


def _same(one: Path, other: Path) -> None:
    if digest(one) != digest(other):
        differing = sorted({name for name, _ in set(_entries(one)) ^ set(_entries(other))})
        raise ReleaseError(
            f"two builds of {one.name} differ: {', '.join(differing[:5]) or 'only in how they are packed'}"
        )
    tell("built twice", one, "the same bytes")


def _entries(path: Path) -> Iterator[tuple[str, object]]:
    """Each name in an archive, and what a build could make of it otherwise."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            for entry in wheel.infolist():
                yield entry.filename, (entry.CRC, entry.date_time, entry.external_attr)
        return
    with tarfile.open(path) as archive:
        for member in archive:
            kept = archive.extractfile(member) if member.isfile() else None
            yield member.name, (kept.read() if kept else None, member.mtime, member.mode, member.uid, member.uname)


if __name__ == "__main__":
    sys.exit(main())
