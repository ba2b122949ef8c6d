"""``portcall doctor`` as people run it: what it says is compared with what is so, here or on a machine made worse."""

from __future__ import annotations

import csv
import fcntl
import importlib.metadata
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from typing import TYPE_CHECKING

import pytest

from confined_program import LANDLOCK, SECCOMP, kernel_without
from portcall.owners.ebpf import btf
from portcall.records.schema import column_names
from portcall.runs import doctor as examinations
from portcall.runs.doctor import EXAMINATIONS
from portcall.system.confinement import landlock

if TYPE_CHECKING:
    from pathlib import Path

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has Landlock and seccomp")
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
COMMAND = [sys.executable, "-m", "portcall", "doctor"]
UNGUARDED = [sys.executable, "-c", "import sys; from portcall.cli import main; sys.exit(main(sys.argv[1:]))", "doctor"]
"""The command without what keeps root from a PATH of somebody else."""
WITHOUT = """
import sys
from portcall.cli import main
for name in sys.argv[1].split(","):
    sys.modules[name] = None
sys.exit(main(sys.argv[2:]))
"""


def doctor(*arguments: str, command=COMMAND, **options) -> subprocess.CompletedProcess[str]:
    options.setdefault("env", ENVIRONMENT)
    return subprocess.run([*command, *arguments], capture_output=True, text=True, check=False, **options)


def rows_of(run: subprocess.CompletedProcess[str]) -> dict[str, dict]:
    return {row["subject"]: row for row in json.loads(run.stdout)["rows"]}


def without(*modules: str) -> list[str]:
    """The command on a Python where these cannot be imported."""
    return [sys.executable, "-c", WITHOUT, ",".join(modules), "doctor"]


def detection_of(subject: str) -> examinations.CheckResult:
    (examination,) = (examination for examination in EXAMINATIONS if examination.subject == subject)
    return examinations.examine(examination)


def program(directory: Path, name: str, lines: str) -> None:
    (directory / name).write_text(f"#!/bin/sh\n{lines}\n")
    (directory / name).chmod(0o755)


def test_every_subject_is_tried_once_in_documented_columns():
    run = doctor("--format", "csv")

    header, *lines = csv.reader(run.stdout.splitlines())
    assert tuple(header) == column_names("doctor")
    assert [line[0] for line in lines] == [examination.subject for examination in EXAMINATIONS]


def test_here_the_kernels_work_and_the_status_is_0():
    run = doctor("kernels", "--format", "json")

    assert (rows_of(run)["kernels"]["state"], run.returncode) == ("works", 0)


def test_a_kernel_that_cannot_be_loaded_is_missing_and_the_status_is_1():
    run = doctor("kernels", "--format", "json", command=without("portcall.kernels.flow_update"))

    row = rows_of(run)["kernels"]
    assert (row["state"], "flow_update" in row["detail"], run.returncode) == ("missing", True, 1)


def test_what_only_live_needs_does_not_fail_the_status(tmp_path):
    run = doctor("tshark", "--format", "json", command=UNGUARDED, env={**ENVIRONMENT, "PATH": str(tmp_path)})

    assert (rows_of(run)["tshark"]["state"], run.returncode) == ("missing", 0)


def test_it_runs_without_the_packages_whose_absence_it_is_there_to_tell():
    run = doctor("kernels", "terminal", command=without("numpy", "rich"))

    assert re.search("kernels +missing", run.stdout)
    assert re.search("terminal +missing", run.stdout)
    assert "Traceback" not in run.stderr


def test_a_missing_program_is_mended_by_the_package_manager_that_is_there(tmp_path):
    program(tmp_path, "dnf", "exit 1")

    run = doctor("tshark", "--format", "json", command=UNGUARDED, env={**ENVIRONMENT, "PATH": str(tmp_path)})

    assert rows_of(run)["tshark"]["remedy"] == "sudo dnf install wireshark-cli"


def test_a_program_that_is_there_and_does_not_run_is_missing(tmp_path):
    program(tmp_path, "tshark", "exit 3")

    run = doctor("tshark", "--format", "json", command=UNGUARDED, env={**ENVIRONMENT, "PATH": str(tmp_path)})

    row = rows_of(run)["tshark"]
    assert (row["state"], "does not run" in row["detail"]) == ("missing", True)


def test_a_programs_version_is_its_own_word(tmp_path):
    program(tmp_path, "tshark", "echo 'TShark (Wireshark) 9.8.7.'; echo more")

    run = doctor("tshark", "--format", "json", command=UNGUARDED, env={**ENVIRONMENT, "PATH": str(tmp_path)})

    row = rows_of(run)["tshark"]
    assert (row["state"], row["detail"]) == ("works", f"TShark (Wireshark) 9.8.7, {tmp_path}/tshark")


def test_a_package_that_is_needed_and_not_there_is_named(monkeypatch):
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: ["numpy>=1", "not-on-earth>=2"])

    detection = detection_of("packages")

    assert (detection.state, detection.remedy) == ("missing", f"{sys.executable} -m pip install not-on-earth")


def test_an_optional_package_that_is_not_there_names_its_extra(monkeypatch):
    requirements = [
        "numpy>=1",
        'not-on-earth; extra == "moon"',
        'numpy; extra == "sun"',
        *(f'never-asked; extra == "{developers}"' for developers in ("docs", "fuzz", "test")),
    ]
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: requirements)

    detection = detection_of("extras")

    assert (detection.state, detection.remedy) == (
        "works less well",
        f"{sys.executable} -m pip install 'portcall[moon]'",
    )


@pytest.mark.parametrize("content", [b"", b"no BTF", bytes(4096)])
def test_type_information_that_cannot_be_read_is_missing(monkeypatch, tmp_path, content):
    vmlinux = tmp_path / "vmlinux"
    vmlinux.write_bytes(content)
    monkeypatch.setattr(btf, "VMLINUX", vmlinux)

    detection = detection_of("btf")

    assert (detection.state, "CONFIG_DEBUG_INFO_BTF" in detection.remedy) == ("missing", True)


def test_a_narrow_terminal_works_less_well():
    unsized = {name: value for name, value in ENVIRONMENT.items() if name != "COLUMNS"}
    screen, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))

    with os.fdopen(screen, "rb", buffering=0) as shown, os.fdopen(terminal, "wb") as stdout:
        subprocess.run([*COMMAND, "terminal", "--format", "jsonl"], stdout=stdout, env=unsized, check=True)
        row = json.loads(shown.read(4096))

    assert (row["state"], row["detail"].startswith("60 columns")) == ("works less well", True)


def test_characters_that_stdout_cannot_show_are_said():
    run = doctor("terminal", "--format", "json", command=UNGUARDED, env={**ENVIRONMENT, "PYTHONIOENCODING": "ascii"})

    row = rows_of(run)["terminal"]
    assert (row["state"], row["remedy"]) == ("works less well", "export PYTHONUTF8=1")


def test_verbose_shows_how_one_looks_without_portcall():
    run = doctor("cgroup2", "--verbose")

    assert "findmnt -t cgroup2" in run.stderr


def test_a_subject_that_there_is_not_is_refused_with_the_nearest():
    run = doctor("kernel")

    assert run.returncode == 2
    assert "kernels" in run.stderr


def test_rows_can_be_chosen():
    run = doctor("kernels", "cgroup2", "--where", "subject=kernels", "--format", "json")

    assert set(rows_of(run)) == {"kernels"}
    assert json.loads(run.stdout)["rows_left_out"] == 1


@on_linux
@pytest.mark.parametrize(
    ("numbers", "lacking"),
    [((LANDLOCK,), "Landlock"), ((SECCOMP,), "seccomp"), ((LANDLOCK, SECCOMP), "Landlock and seccomp")],
)
def test_what_the_kernel_lacks_to_confine_is_named_with_what_would_bring_it(numbers, lacking):
    row = rows_of(doctor("confinement", "--format", "json", command=[*kernel_without(*numbers), *COMMAND]))[
        "confinement"
    ]

    assert row["state"] == "works less well"
    assert f"lacks {lacking}:" in row["detail"]
    assert "a kernel" in row["remedy"]


@on_linux
def test_a_kernel_that_has_all_to_confine_works():
    if landlock.abi() < max(landlock.SINCE):
        pytest.skip("this kernel has an older Landlock")
    row = rows_of(doctor("confinement", "--format", "json"))["confinement"]

    assert (row["state"], row["remedy"]) == ("works", None)
    assert f"ABI {landlock.abi()}" in row["detail"]
