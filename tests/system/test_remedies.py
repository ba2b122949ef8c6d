"""Commands that mend things: they name this interpreter and this command, and root is not told to become root."""

from __future__ import annotations

import ast
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import portcall
from portcall.cli import COMMANDS, main
from portcall.sources.devices.capture_devices import capture_remedy
from portcall.system.remedies import (
    examples_here,
    is_private_interpreter,
    more_rights,
    pip_install,
    this_command,
    with_sudo,
)

SOURCE = Path(portcall.__file__).parent
ROOT_LACKS = "something else"


@pytest.fixture
def as_user(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(sys, "argv", ["/usr/bin/portcall", "live", "-i", "a b"])


@pytest.fixture
def with_capture(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")


def test_packages_are_installed_for_this_interpreter():
    words = shlex.split(pip_install("portcall[geo]"))

    assert words == [sys.executable, "-m", "pip", "install", "portcall[geo]"]
    assert subprocess.run([*words[:3], "--version"], check=False, capture_output=True).returncode == 0


@pytest.mark.usefixtures("as_user")
def test_sudo_gets_the_full_path_and_the_words_that_were_typed():
    words = shlex.split(more_rights(ROOT_LACKS).partition(": ")[2])

    assert words[0] == "sudo"
    assert Path(words[1]).is_absolute()
    assert words[-3:] == ["live", "-i", "a b"]


def test_the_command_that_is_told_runs():
    run = subprocess.run([*shlex.split(this_command("--version"))], check=True, capture_output=True, text=True)

    assert run.stdout.startswith("portcall")


@pytest.mark.usefixtures("as_user")
def test_examples_name_the_command_as_sudo_finds_it():
    words = shlex.split(examples_here("sudo portcall live"))

    assert words[0] == "sudo"
    assert [Path(word).is_absolute() for word in words] == [False, True, False]


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_every_command_in_a_help_that_takes_rights_can_be_typed(command, capsys):
    with pytest.raises(SystemExit):
        main([*filter(None, [command]), "--help"])

    lines = [line for line in capsys.readouterr().out.splitlines() if "portcall " in line and "usage" not in line]
    assert lines
    assert not [line for line in lines if "sudo portcall" in line]


def test_no_command_that_takes_rights_is_written_down_but_in_the_examples_of_help():
    written = [
        (path.name, node.value)
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "sudo portcall" in node.value
    ]

    assert [name for name, text in written if "examples:\n" not in text and name != "remedies.py"] == []


@pytest.mark.usefixtures("as_user")
def test_of_a_very_long_command_line_the_subcommand_is_told(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["portcall", "live", "--where", "x" * 1000])

    assert shlex.split(with_sudo())[-1] == "live"


@pytest.mark.usefixtures("as_user")
def test_a_program_that_is_not_the_command_is_told_in_words(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/home/anna/notebook.py", "x"])

    assert more_rights(ROOT_LACKS) == "run it as root"


def test_root_is_told_what_it_lacks(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    assert more_rights(ROOT_LACKS) == ROOT_LACKS
    assert "sudo" not in with_sudo("live")


@pytest.mark.usefixtures("as_user", "with_capture")
@pytest.mark.parametrize("is_private", [True, False])
def test_rights_for_an_interpreter_are_offered_only_where_nobody_else_uses_it(monkeypatch, tmp_path, is_private):
    shared = tmp_path / "usr" / "python3"
    own = tmp_path / "venv" / "bin" / "python"
    for place in (shared, own):
        place.parent.mkdir(parents=True)
    shared.touch()
    if is_private:
        own.touch()
    else:
        own.symlink_to(shared)
    monkeypatch.setattr(sys, "executable", str(own))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "venv"))
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path / "usr"))

    assert is_private_interpreter() == is_private
    assert ("setcap" in capture_remedy()) == is_private
    assert "sudo /" in capture_remedy()


def test_an_interpreter_outside_of_environments_is_everybodys(monkeypatch):
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)

    assert not is_private_interpreter()
