"""Free memory goes back to the system."""

import subprocess
import sys

import pytest

HOLES = """
from pathlib import Path
import numpy as np
from portcall.system.heap import return_free_memory

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1])

held = [np.ones(5000) for _ in range(2000)]
kept = held[::20]
del held
before = resident()
assert return_free_memory()
print(before - resident())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc")
def test_pages_between_memory_in_use_go_back():
    told = subprocess.run([sys.executable, "-c", HOLES], capture_output=True, text=True, check=True)

    assert int(told.stdout) > 10_000  # of 20,000 pages that were freed
