"""Where files or memory are scarce, a sentence says of which there is too little: real limits, real processes."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from portcall.isolation import has_rights
from portcall.system.scarcity import what_is_scarce

CAPTURE = str(Path(__file__).parents[2] / "captures" / "dns.pcap")
needs_root = pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="live capture needs root")
DEADLINE_S = 60


def run_within(limit, *words):
    """Run portcall within ``ulimit``'s limit; a shell sets it, as this process may be larger already."""
    return subprocess.run(
        ["sh", "-c", f'ulimit {limit}; exec "$@"', "sh", sys.executable, "-m", "portcall", *words],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="macOS does not keep to this limit")
def test_too_little_memory_is_one_line():
    ran = run_within(f"-v {160 << 10}", "read", CAPTURE)

    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (1, "", 1), ran.stderr
    assert "not enough memory" in ran.stderr
    assert "160 MiB" in ran.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="macOS does not keep to this limit")
@pytest.mark.parametrize(
    ("most_mib", "words"),
    [(39, ["read", CAPTURE]), (78, ["read", CAPTURE]), (240, ["read", CAPTURE]), (78, ["history"]), (97, ["doctor"])],
    ids=lambda one: one[0] if isinstance(one, list) else one,
)
def test_whatever_a_library_says_of_too_little_memory_it_is_one_line_of_ours(most_mib, words):
    """Some cannot be loaded, some fail while they are begun, and OpenBLAS ends the process."""
    ran = run_within(f"-v {most_mib << 10}", *words)

    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (1, "", 1), ran.stderr
    assert ran.stderr.startswith(f"portcall: there is not enough memory, of which this process may use {most_mib} MiB")


@needs_root
@pytest.mark.root
@pytest.mark.slow
@pytest.mark.parametrize("most_mib", [190, 230, 270, 283, 288, 293, 305])
def test_live_in_too_little_memory_ends_with_one_line_or_counts(most_mib):
    """It waited for ever for a thread that had no memory to begin."""
    ran = run_within(f"-v {most_mib << 10}", "live", "-i", "lo", "--duration", "0.2", "--format", "csv")

    told = [line for line in ran.stderr.splitlines() if "memory" in line]
    assert ran.returncode == 0 or (ran.returncode, len(told), ran.stdout) == (1, 1, ""), ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has files of memory")
@pytest.mark.skipif(not has_rights(), reason="who has no rights does not begin anew")
def test_who_may_not_even_begin_is_told_so():
    """With rights it begins anew where PYTHONPATH names code, and hands its environment on in a file of memory."""
    ran = run_within("-f 0", "read", CAPTURE)

    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == "portcall: it cannot begin: File too large; allow more: ulimit -a says what\n"


@pytest.mark.skipif(sys.platform != "linux", reason="macOS does not keep to this limit")
def test_commands_about_sockets_need_hardly_any():
    ran = run_within(f"-v {39 << 10}", "ports")

    assert (ran.returncode, ran.stderr) == (0, "")


@needs_root
@pytest.mark.root
def test_too_few_files_for_all_namespaces_are_named():
    many = (
        "mkdir -p /run/netns; mount -t tmpfs none /run/netns; for i in $(seq 10); do ip netns add n$i; done; "
        'ulimit -n 36; exec "$@"'
    )
    words = [sys.executable, "-m", "portcall", "live", "--netns", "all", "--duration", "0.2"]
    ran = subprocess.run(
        ["unshare", "-m", "sh", "-c", many, "sh", *words],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=DEADLINE_S,
    )  # fmt: skip

    assert (ran.returncode, ran.stdout) == (1, ""), ran.stderr
    assert "this process may not open more than 36 files; allow more: ulimit -n 4096" in ran.stderr.splitlines()[-1]


@needs_root
@pytest.mark.root
@pytest.mark.slow
@pytest.mark.parametrize("most", [8, 10, 12, 16, 20, 24, 28, 32, 36])
def test_too_few_files_are_named_as_what_is_missing_and_nobody_else_is_blamed(most):
    ran = run_within(f"-n {most}", "live", "-i", "lo", "--duration", "0.2", "--format", "csv")

    told = [line for line in ran.stderr.splitlines() if f"not open more than {most} files" in line]
    assert told, ran.stderr
    assert all("ulimit -n 4096" in line for line in told)
    assert "Traceback" not in ran.stderr
    assert ran.returncode == 0 or ran.stderr.count("\n") == 1, ran.stderr


@pytest.mark.parametrize("error", [OSError(errno.EACCES, "no"), OSError(errno.ENOSPC, "full"), ValueError("other")])
def test_other_errors_are_about_something_else(error):
    assert what_is_scarce(error) is None


def test_a_system_without_room_for_files_is_told_from_a_limit_of_this_process():
    assert "fs.file-max" in what_is_scarce(OSError(errno.ENFILE, ""))
