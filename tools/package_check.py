"""``make package-check``: install the packages in build/release where no compiler is, read a capture, remove them.

    mmdebstrap → a root with Python and nothing else that portcall needs → the package for Debian: dpkg installs it
    → the one for Fedora: rpm does, into the same root, whose Python it is for

Each time, ``portcall read`` must find the rows that it finds here, and after removal no file may be left that was not
there before. Needs root, and Debian's packages mmdebstrap and rpm.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import shutil
import sys
import time
from typing import TYPE_CHECKING

from release_tools import ROOT, ReleaseError, run

if TYPE_CHECKING:
    from pathlib import Path

PLACE = ROOT / "build" / "package-check"
PACKAGES = ROOT / "build" / "release"
CAPTURE = "office.pcapng"
READ = ("read", CAPTURE, "--format", "json")
PATH = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
COMPILERS = ("cc", "gcc", "clang", "tcc")
OF_THE_INSTALLERS = ("var/lib/dpkg", "var/lib/rpm", "var/log", "var/cache")
"""Where dpkg and rpm keep what they did."""
NO_ROOT_OF_FEDORA = ("--nodeps", "--dbpath=/var/lib/rpm")


def main() -> int:
    """Try both; 1 where one does not do what it should."""
    root = PLACE / "root"
    try:
        packages = [*PACKAGES.glob("portcall_*.deb"), *PACKAGES.glob("portcall-*.rpm")]
        _bring(root, packages)
        for package in packages:
            _try(package, root)
    except ReleaseError as error:
        print(f"package-check: {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(PLACE, ignore_errors=True)
    return 0


def _bring(root: Path, packages: list[Path]) -> None:
    """Make the root, of the Debian that is here: its Python is the one that the packages are for."""
    if not packages:
        raise ReleaseError("there is no package yet. First: make release-check package-deb package-rpm")
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir(parents=True)
    suite = platform.freedesktop_os_release()["VERSION_CODENAME"]
    run("mmdebstrap", "--quiet", "--variant=minbase", "--include=python3", suite, str(root))
    if there := [name for name in COMPILERS if shutil.which(name, path=str(root / "usr/bin"))]:
        raise ReleaseError(f"a compiler is there: {there[0]}")
    shutil.copy2(ROOT / "captures" / CAPTURE, root / "root")


def left_behind(before: set[str], after: set[str]) -> list[str]:
    """What was not there before, but for what installers note for themselves."""
    return sorted(path for path in after - before if not path.startswith(OF_THE_INSTALLERS))


def below(root: Path) -> set[str]:
    """Every path in it, from it."""
    return {os.path.relpath(path, root) for path in root.rglob("*")}


def _try(package: Path, root: Path) -> None:
    before, size_before = below(root), _bytes_of(root)
    began_s, cpu_before_s = time.monotonic(), _cpu_s()
    if package.suffix == ".deb":
        shutil.copy2(package, root / "root")
        _inside(root, "dpkg", "--install", f"/root/{package.name}")
        (root / "root" / package.name).unlink()
    else:
        run("rpm", f"--root={root}", *NO_ROOT_OF_FEDORA, "--install", str(package))
    wall_s, cpu_s = time.monotonic() - began_s, _cpu_s() - cpu_before_s
    began_s = time.monotonic()
    rows = json.loads(_inside(root, "portcall", *READ))["rows"]
    read_s = time.monotonic() - began_s
    if rows != json.loads(run(sys.executable, "-m", "portcall", *READ, cwd=ROOT / "captures"))["rows"]:
        raise ReleaseError(f"from {package.name}, {CAPTURE} is read otherwise than it is read here")
    megabytes = (_bytes_of(root) - size_before) / 1e6
    if package.suffix == ".deb":
        _inside(root, "dpkg", "--purge", "portcall")
    else:
        run("rpm", f"--root={root}", *NO_ROOT_OF_FEDORA, "--erase", "portcall")
    if left := left_behind(before, below(root)):
        raise ReleaseError(f"{package.name}, removed, leaves behind: {', '.join(left[:5])}")
    print(
        f"{package.name}: installed in {wall_s:.1f} s ({cpu_s:.1f} s of CPU), read in {read_s:.2f} s, "
        f"{megabytes:.0f} MB; removed, nothing is left"
    )


def _inside(root: Path, *command: str) -> str:
    return run("chroot", str(root), "/usr/bin/env", "-i", "-C", "/root", PATH, *command)


def _bytes_of(root: Path) -> int:
    return sum(path.lstat().st_size for path in root.rglob("*") if path.is_file() and not path.is_symlink())


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.exit(main())
