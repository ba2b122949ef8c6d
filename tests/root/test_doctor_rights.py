"""``portcall doctor`` with root's rights, and with root's rights taken away."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root has rights to take away"),
]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
WITHOUT_RIGHTS = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]


def doctor(*subjects: str, before=()) -> dict[str, dict]:
    command = [*before, sys.executable, "-m", "portcall", "doctor", *subjects, "--format", "json"]
    run = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    return {row["subject"]: row for row in json.loads(run.stdout)["rows"]}


def test_root_may_capture_by_the_ring():
    rows = doctor("capture", "ring")

    assert [row["state"] for row in rows.values()] == ["works", "works"]


def test_programs_that_load_are_named_and_owners_are_chosen_by_them():
    rows = doctor("bpf", "owners")

    assert "sock_create" in rows["bpf"]["detail"]
    assert rows["owners"]["detail"].startswith("ebpf would be chosen")


def test_root_without_rights_is_not_told_to_become_root():
    row = doctor("capture", before=WITHOUT_RIGHTS)["capture"]

    assert row["state"] == "missing"
    assert "container" in row["remedy"]
    assert "sudo" not in row["remedy"]


def test_without_rights_programs_are_missing_and_a_lesser_back_end_is_chosen():
    rows = doctor("bpf", "owners", before=WITHOUT_RIGHTS)

    assert (rows["bpf"]["state"], rows["owners"]["state"]) == ("missing", "works less well")
    assert rows["owners"]["detail"].startswith(("netlink", "psutil"))


def test_a_hierarchy_that_is_mounted_nowhere_is_missing_with_the_line_that_mounts_it():
    """The line is tried where it was said."""
    before = ["unshare", "-m", "sh", "-c", 'umount -a -t cgroup2; exec "$@"', "sh"]
    row = doctor("cgroup2", before=before)["cgroup2"]

    mended = ["unshare", "-m", "sh", "-c", 'umount -a -t cgroup2; sh -c "$MENDS" && exec "$@"', "sh"]
    command = [*mended, sys.executable, "-m", "portcall", "doctor", "cgroup2", "--format", "jsonl"]
    environment = {**ENVIRONMENT, "MENDS": row["remedy"]}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)

    assert (row["state"], json.loads(run.stdout)["state"]) == ("missing", "works")
