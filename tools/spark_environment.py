"""build/spark: an environment with Apache Spark itself, for the tests that want it, where there is Java.

Spark brings the same files as ``pyspark-client``, which Sail's tests need, so both cannot be in one environment. This
one has only what differs, 490 MB, and takes all other packages from the environment that runs this. What it installs is
the group ``spark`` of pyproject.toml in the versions, and with the hashes, of tests/locked-spark.txt; it is kept until
that file changes.
"""

from __future__ import annotations

import shutil
import sys
import sysconfig
import venv
from pathlib import Path

import release_tools

PLACE = release_tools.ROOT / "build" / "spark"
LOCKED = release_tools.ROOT / "tests" / "locked-spark.txt"


def main() -> int:
    """Have it there, and say where; 1 with a sentence where it is not to be had."""
    if not shutil.which("java"):
        print("Spark wants Java 17; without it its tests are skipped. On Debian: apt install default-jre-headless")
        return 1
    stamp, wanted = PLACE / "made-of", f"{release_tools.digest(LOCKED)} {sysconfig.get_path('purelib')}"
    if not stamp.exists() or stamp.read_text() != wanted:
        try:
            make()
        except release_tools.ReleaseError as error:
            print(f"Spark is not to be had here, so its tests are skipped: {error}")
            return 1
        stamp.write_text(wanted)
    print(PLACE / "bin" / "python")
    return 0


def make() -> None:
    """Make it anew."""
    venv.create(PLACE, clear=True, symlinks=True)
    packages = PLACE / Path(sysconfig.get_path("purelib")).relative_to(sys.prefix)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(packages)]
    release_tools.run(*pip, "--require-hashes", "--no-deps", "-r", str(LOCKED))
    others = sysconfig.get_path("purelib")
    (packages / "others.pth").write_text(f"import site; site.addsitedir({others!r})\n")


if __name__ == "__main__":
    sys.exit(main())
