"""The tests of the kernels, and the targets' findings and seeds, with the kernels that have sanitizers.

It takes some minutes, and makes that build where there is none: so it is no part of ``tests/run``. Words behind it are
for pytest, in place of the suites.
"""

from __future__ import annotations

import os
import subprocess
import sys

from sanitized_build import LIBRARY, ROOT, build, environment

_SUITES = ("kernels", "decoding", "flows", "sources/test_pcap.py", "sources/test_pcapng.py")


def main(*words: str) -> int:
    """The exit status: 0 where nothing was found."""
    build()
    os.environ.update(environment())
    suites = words or [str(ROOT / "tests" / suite) for suite in _SUITES]
    places = f"pythonpath={LIBRARY} {ROOT / 'tests'} {ROOT / 'tools'} {ROOT / 'fuzz'}"
    tests = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider"]
    tests += ["-p", "patient_examples", "-o", places, *suites]
    replay = [sys.executable, str(ROOT / "fuzz" / "replay.py")]
    return max(subprocess.run(command, cwd=ROOT, check=False).returncode for command in (tests, replay))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
