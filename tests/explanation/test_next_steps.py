"""What to type next can be typed: every line is one that the program or a shell understands."""

from __future__ import annotations

import contextlib
import io
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from portcall import cli
from portcall.explanation.next_steps import STORY_CLASSIC, STORY_STEPS, classic_commands, next_steps
from portcall.explanation.subject import parse_subject
from portcall.system.remedies import with_sudo

SUBJECTS = [
    "443",
    "53/udp",
    "https",
    "ephemeral",
    "TIME_WAIT",
    "ESTABLISHED",
    "LISTEN",
    "udp",
    "10.0.0.1",
    "::1",
    "0.0.0.0:80",
    "[::1]:80",
    "192.168.1.5:54823-142.250.80.46:443",
]
TOOLBOX = {"ports", "conns", "who", "check", "explain", "live"}
STEPS = {step.command for words in SUBJECTS for step in next_steps(parse_subject(words))}
STEPS |= {step.command for step in STORY_STEPS}
CLASSIC = {step.command for words in SUBJECTS for step in classic_commands(parse_subject(words))}
CLASSIC |= {step.command for step in STORY_CLASSIC}


@pytest.mark.parametrize("step", sorted(STEPS))
def test_every_next_step_is_a_line_that_portcall_understands(step):
    words = shlex.split(step.removeprefix("sudo "))
    assert Path(words[0]).name == "portcall"
    assert words[1] in TOOLBOX
    if words[1] not in cli.COMMANDS:
        pytest.skip(f"portcall {words[1]} is not in this version")

    with contextlib.redirect_stderr(io.StringIO()) as sent:
        try:
            cli.parser_of(words[1:2]).parse_args(words[1:])
        except SystemExit:
            pytest.fail(sent.getvalue())


@pytest.mark.parametrize("words", [words for words in SUBJECTS if parse_subject(words).address or ":" in words])
def test_a_step_that_takes_rights_names_the_command_as_sudo_finds_it(words):
    (live,) = [step.command for step in next_steps(parse_subject(words)) if " live " in step.command]

    assert live.startswith(with_sudo("live"))


@pytest.mark.parametrize("words", SUBJECTS)
def test_every_subject_has_a_next_step_and_a_classic_command(words):
    assert next_steps(parse_subject(words))
    assert classic_commands(parse_subject(words))


@pytest.mark.parametrize("command", sorted(command for command in CLASSIC if command.startswith("ss ")))
def test_ss_understands_the_classic_commands(command):
    if not shutil.which("ss"):
        pytest.skip("needs ss: sudo apt install iproute2")

    run = subprocess.run(shlex.split(command), capture_output=True, text=True, check=False)

    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.parametrize("command", sorted(command for command in CLASSIC if "lsof" in command))
def test_lsof_understands_the_classic_commands(command):
    if not shutil.which("lsof"):
        pytest.skip("needs lsof: sudo apt install lsof")

    run = subprocess.run(shlex.split(command.removeprefix("sudo ")), capture_output=True, text=True, check=False)

    assert "usage" not in run.stderr
