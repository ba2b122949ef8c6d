"""``make oldest``: the tests of what portcall is about, with the oldest of each package that pyproject.toml allows.

uv finds the lowest version of everything that portcall and its extras for users ask for themselves; what those need,
and what tests are run with, is the newest that goes with them. They are installed into an environment of the oldest
Python that is here, kernels are compiled for it in a copy of the repository, and the tests of SUITES run there.
A bound that does not hold fails here, and is raised in pyproject.toml.
"""

from __future__ import annotations

import shutil
import subprocess
import sys

import release_tools
from release_check import PYTHONS, interpreter
from release_tools import ReleaseError, run

PLACE = release_tools.ROOT / "build" / "oldest"
EXTRAS = ("arrow", "geo", "mcp")
"""Not sail and spark: their lowest pyarrow is another one, and Java starts for minutes."""
TOOLS = (
    *("aioquic", "cython", "duckdb", "hypothesis", "mmdb_writer", "polars", "prometheus_client", "pyopenssl", "pytest"),
    *("pytest-xdist", "setuptools", "zstandard"),
)
SUITES = (
    *(
        "attribution",
        "configuration",
        "decoding",
        "dissectors",
        "enrichment",
        "exports",
        "flows",
        "inspection",
        "labels",
    ),
    *("ownership", "queries", "records", "recording", "sources", "views"),
    *("commands/agents", "commands/test_completion.py", "commands/test_configured_options.py"),
)
"""Below ``tests``: all that a capture passes from its file to a table, and each package's home."""


def main() -> int:
    """Build it, test it; the status of pytest, or 1 where it cannot be built."""
    python = next(found for found in map(interpreter, PYTHONS) if found)
    tree, environment, listed = PLACE / "tree", PLACE / "environment", PLACE / "oldest.txt"
    shutil.rmtree(PLACE, ignore_errors=True)
    try:
        uv = str(release_tools.programs() / "uv")
        release_tools.copy_tree(tree)
        wanted = [word for extra in EXTRAS for word in ("--extra", extra)]
        lowest = ("--resolution", "lowest-direct", "--python", python, "--no-annotate", "--no-header")
        run(uv, "pip", "compile", "-q", *lowest, *wanted, "pyproject.toml", "-o", str(listed))
        run(uv, "venv", "-q", "--python", python, str(environment))
        within = ("--python", str(environment / "bin" / "python"))
        run(uv, "pip", "install", "-q", *within, "-r", str(listed), *TOOLS)
        built = {"CYTHON_CACHE_DIR": str(release_tools.ROOT / "build" / "cython")}
        install = ("--no-deps", "--no-build-isolation", "-e", str(tree))
        run(uv, "pip", "install", "-q", *within, *install, environment=built)
    except ReleaseError as error:
        print(f"oldest: {error}", file=sys.stderr)
        return 1
    print(listed.read_text())
    tests = ("-m", "pytest", "-q", *sys.argv[1:], *(f"tests/{suite}" for suite in SUITES))
    return subprocess.run([environment / "bin" / "python", *tests], cwd=tree, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
