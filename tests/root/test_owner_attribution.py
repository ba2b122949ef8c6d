"""Attribution against ground truth: every flow end of the workload has the right owner."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

WORKLOAD = Path(os.environ.get("PORTCALL_ATTRIBUTION", Path(__file__).parents[2].parent / "shared" / "attribution"))

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="back ends of Linux need root"),
    pytest.mark.skipif(not (WORKLOAD / "workload.py").exists(), reason="no workload: set PORTCALL_ATTRIBUTION"),
    pytest.mark.skipif(not shutil.which("tcpdump"), reason="tcpdump is not installed"),
    pytest.mark.skipif(not shutil.which("cc"), reason="the workload needs a C compiler"),
]


@pytest.mark.parametrize("late", [False, True], ids=["owners started first", "owners started later"])
def test_every_end_of_the_workload_has_the_right_owner(tmp_path, late):
    from attribution import run

    figures = run(WORKLOAD, "ebpf", 0.1, late=late, keep=tmp_path)

    assert (figures["wrong"], figures["unattributed"], figures["no_flow"], figures["lost"]) == (0, 0, 0, 0)
    assert figures["right"] == figures["ends"] > 300


@pytest.mark.parametrize("back_end", ["ebpf-cgroup", "ebpf-tracing"])
def test_half_of_the_programs_name_almost_every_owner(tmp_path, back_end):
    from attribution import run

    figures = run(WORKLOAD, back_end, 0.1, late=False, keep=tmp_path)

    assert figures["wrong"] <= 0.01 * figures["ends"]
    assert figures["right"] >= 0.95 * figures["ends"]
