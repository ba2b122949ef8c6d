"""``make cross-wheels``: wheels for other processors and C libraries than this machine's, by zig's C compiler.

For trying them; releases build each platform on a machine of it. The wheels are of the source archive in build/release,
for Python 3.11 and all later ones, whose limited C interface is the same on all 64-bit systems that are little-endian:
so this Python's headers will do. zig comes as the package ziglang, 100 MB to fetch, into an environment of its own.
"""

from __future__ import annotations

import shutil
import sys
import tarfile
import venv

import release_tools
from release_tools import ReleaseError, run, tell

PLACE = release_tools.ROOT / "build" / "cross"
TARGETS = {
    "manylinux2014_aarch64": ("aarch64-linux-gnu.2.17", "linux-aarch64"),
    "musllinux_1_2_aarch64": ("aarch64-linux-musl", "linux-aarch64"),
    "musllinux_1_2_x86_64": ("x86_64-linux-musl", "linux-x86_64"),
}
"""Tag of a wheel → zig's target, and what Python calls the platform."""


def main() -> int:
    """Build those that are named, or all; 1 where one cannot be built."""
    try:
        for tag in sys.argv[1:] or TARGETS:
            build(tag)
    except ReleaseError as error:
        print(f"cross-wheels: {error}", file=sys.stderr)
        return 1
    return 0


def build(tag: str) -> None:
    """One wheel, into build/cross."""
    target, platform = TARGETS[tag]
    archives = sorted((release_tools.ROOT / "build" / "release").glob("portcall-*.tar.gz"))
    if not archives or sys.version_info < (3, 11):
        raise ReleaseError("this needs Python 3.11 or later, and a source archive. First: make release-check")
    place, tools = PLACE / tag, PLACE / "tools"
    if not list(tools.glob("lib/python3*/site-packages/ziglang")):
        venv.create(tools, with_pip=True)
        run(str(tools / "bin" / "pip"), "install", "-q", "cython>=3.2", "setuptools>=77", "ziglang")
    shutil.rmtree(place, ignore_errors=True)
    with tarfile.open(archives[-1]) as opened:
        opened.extractall(place, filter="data")
    (source,) = place.iterdir()
    compiler = place / "cc"
    compiler.write_text(f'#!/bin/sh\nexec "{tools}/bin/python" -m ziglang cc -target {target} "$@"\n')
    compiler.chmod(0o755)
    surroundings = {
        "CC": str(compiler),
        "LDSHARED": f"{compiler} -shared",
        "_PYTHON_HOST_PLATFORM": platform,
        "CYTHON_CACHE_DIR": str(release_tools.ROOT / "build" / "cython"),
    }
    words = ("setup.py", "-q", "bdist_wheel", "--plat-name", tag, "--dist-dir", str(PLACE))
    run(str(tools / "bin" / "python"), *words, cwd=source, environment=surroundings)
    (wheel,) = PLACE.glob(f"portcall-*-{tag}.whl")
    run(str(release_tools.programs() / "abi3audit"), "--strict", str(wheel))
    tell("wheel, by zig", wheel, f"{wheel.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    sys.exit(main())
