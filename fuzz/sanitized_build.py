"""The kernels built with sanitizers, in a folder of their own, and the environment in which Python runs with them.

The build that everybody uses is left as it is. Compiling takes a minute or two of a processor; again only what changed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "sanitized"
LIBRARY = BUILD / "lib"
_SANITIZERS = "address,undefined,fuzzer-no-link"
_COMPILERS = ("clang", "clang-19", "clang-18", "clang-17", "clang-16", "clang-15", "clang-14")
_REMEDY = "on Debian: sudo apt install clang-14 libclang-rt-14-dev"


def build() -> None:
    """Bring that build up to date; exits with a sentence where a compiler is missing."""
    compiler = next(filter(shutil.which, _COMPILERS), None)
    if compiler is None:
        sys.exit(f"fuzzing needs clang, whose coverage libFuzzer reads; {_REMEDY}")
    subprocess.run(
        [sys.executable, "setup.py", "-q", "build", f"--build-base={BUILD}", f"--build-lib={LIBRARY}"],
        cwd=ROOT,
        env={**os.environ, "CC": compiler, "PORTCALL_SANITIZE": _SANITIZERS},
        check=True,
    )


def environment() -> dict[str, str]:
    """For a Python that imports them. Each allocation is the system's own, so that the sanitizer sees its end."""
    from importlib.util import find_spec

    spec = find_spec("atheris")
    if spec is None or spec.origin is None:
        sys.exit("fuzzing needs atheris: .venv/bin/pip install -e '.[fuzz]'")
    runtime = Path(spec.origin).parent.parent / "asan_with_fuzzer.so"
    return {
        **os.environ,
        "LD_PRELOAD": str(runtime),
        "PYTHONPATH": os.pathsep.join([str(LIBRARY), str(ROOT / "fuzz"), str(ROOT / "tests")]),
        "PYTHONMALLOC": "malloc",
        "PYTHONDONTWRITEBYTECODE": "1",
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:malloc_context_size=8:quarantine_size_mb=32",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
