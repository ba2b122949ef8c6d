"""``make release-check``: all that a release is checked for and that can be run on this machine.

    the release workflow: what zizmor finds wrong with it
    → source archive and wheel, each built twice (``make reproducible``) → audits
    → for each Python that is here, a new environment without a compiler, into which the wheel is installed and where it
    reads a capture like the working copy does

What comes of it is left in build/release: the archive, the wheel with its platform's tag, and the list of what an
environment holds (SBOM, ``make sbom``). The release workflow runs the same audits on the wheels of the other platforms.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tarfile
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import bill_of_materials
import release_tools
import reproducible_builds
from release_tools import ROOT, ReleaseError, run, tell

if TYPE_CHECKING:
    from collections.abc import Mapping

PLACE = ROOT / "build" / "release"
WORKFLOW = ROOT / ".github" / "workflows" / "release.yml"
CAPTURE = ROOT / "captures" / "office.pcapng"
READ = ("read", str(CAPTURE), "--format", "json")
MOST_WHEEL_BYTES = 3_000_000
SOURCES = (".pyx", ".pxd", ".c", ".h")
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")


def main() -> int:
    """Check everything; 1 where something must not be published."""
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir(parents=True)
    try:
        tools = release_tools.programs()
        run(str(tools / "zizmor"), "--offline", "--no-progress", str(WORKFLOW))
        tell("zizmor", WORKFLOW, "nothing found")
        archive, wheel = reproducible_builds.build(PLACE / "tree" / "reproducible")
        shutil.copy2(archive, PLACE)
        _audit(tools, archive, wheel)
        repaired = _repaired(tools, wheel)
        _install_everywhere(repaired, archive)
        bill_of_materials.write(repaired, PLACE)
    except ReleaseError as error:
        print(f"release-check: {error}", file=sys.stderr)
        return 1
    print(f"\nbuild/release: {', '.join(sorted(path.name for path in PLACE.iterdir() if path.is_file()))}")
    return 0


def unwanted_in(names: list[str]) -> list[str]:
    """What no wheel may have in it: sources of kernels, byte code, and anything outside of the package and its data."""
    tops = ("portcall/", "portcall-")
    return [name for name in names if name.endswith((*SOURCES, ".pyc")) or not name.startswith(tops)]


def _audit(tools: Path, archive: Path, wheel: Path) -> None:
    built = [name for name in _names_in(archive) if "/src/" in name and name.endswith((".so", ".c", ".pyc"))]
    if built:
        raise ReleaseError(f"{archive.name} has in it what a build left: {', '.join(built[:3])}")
    with zipfile.ZipFile(wheel) as opened:
        unwanted = unwanted_in(opened.namelist())
    if unwanted:
        raise ReleaseError(f"{wheel.name} has in it what nobody needs: {', '.join(unwanted[:3])}")
    if wheel.stat().st_size > MOST_WHEEL_BYTES:
        raise ReleaseError(f"{wheel.name} has {wheel.stat().st_size} bytes, more than {MOST_WHEEL_BYTES}")
    tell("no sources in it", wheel, f"{wheel.stat().st_size / 1e6:.2f} MB")
    run(str(tools / "twine"), "check", "--strict", str(archive), str(wheel))
    tell("twine check", wheel, "passed")
    if "-abi3-" in wheel.name:
        run(str(tools / "abi3audit"), "--strict", str(wheel))
        tell("abi3audit", wheel, "no symbol outside of the limited interface")


def _names_in(archive: Path) -> list[str]:
    with tarfile.open(archive) as opened:
        return opened.getnames()


def _repaired(tools: Path, wheel: Path) -> Path:
    """The wheel with the tag of the oldest systems that it runs on."""
    if sys.platform != "linux":
        return Path(shutil.copy2(wheel, PLACE))
    path = {"PATH": f"{tools}:{os.environ['PATH']}"}
    run(str(tools / "auditwheel"), "repair", "--wheel-dir", str(PLACE), str(wheel), environment=path)
    (repaired,) = PLACE.glob("portcall-*.whl")
    tell("auditwheel", repaired, f"{repaired.stat().st_size / 1e6:.2f} MB")
    return repaired


def _install_everywhere(wheel: Path, archive: Path) -> None:
    """In a new environment of each Python that is here and that the wheel is for; of 3.10, one made for it."""
    expected = _rows([sys.executable, "-m", "portcall"], ROOT)
    for version in PYTHONS:
        python = interpreter(version)
        if python is None:
            print(f"python {version:<8} not here: not tried")
            continue
        chosen = wheel
        if version == "3.10":
            run(python, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", str(PLACE), str(archive))
            (chosen,) = PLACE.glob("portcall-*-cp310-cp310-*.whl")
        place = PLACE / "tree" / f"python-{version}"
        run(python, "-m", "venv", str(place))
        without_compiler = {"PATH": f"{place / 'bin'}", "CC": "/nonexistent/cc"}
        began_s = time.monotonic()
        run(
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


def interpreter(version: str) -> str | None:
    """A Python of that version: on the PATH, or as pyenv keeps them."""
    kept = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    return str(kept[-1]) if kept else shutil.which(f"python{version}")


def _rows(command: list[str], cwd: Path, environment: Mapping[str, str] | None = None) -> object:
    return json.loads(run(*command, *READ, cwd=cwd, environment=environment))["rows"]


if __name__ == "__main__":
    sys.exit(main())
