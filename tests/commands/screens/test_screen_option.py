"""Where there can be a screen, and what is said where not; and the real program in tmux, as an ordinary user has it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from portcall.cli import main
from terminals import Tmux

CAPTURES = Path(__file__).parents[3] / "captures"
OFFICE = str(CAPTURES / "office.pcapng")
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def said(capfd, *words):
    status = main(["read", OFFICE, "--screen", *words])
    return status, capfd.readouterr().err


def test_without_a_terminal_there_is_no_screen_and_that_is_said(capfd):
    status, error = said(capfd)

    assert status == 2
    assert "is no terminal. Leave it out for a table" in error


@pytest.mark.parametrize(
    "option", [("--explain", "ssh"), ("--follow",), ("--bucket", "1s"), ("--dissect",)], ids=lambda option: option[0]
)
def test_it_goes_with_nothing_that_shows_something_else(capfd, option):
    status, error = said(capfd, *option)

    assert status == 2
    assert "leave out one" in error or "--dissect" in error


tmux = pytest.mark.skipif(not shutil.which("tmux"), reason="tmux is not installed")


@tmux
def test_a_capture_is_looked_through_in_tmux():
    command = [sys.executable, "-m", "portcall", "read", OFFICE, "--screen"]

    with Tmux(command, 80, 24, ENVIRONMENT) as screen:
        assert screen.shows("q quit  ? help")
        screen.press("/")
        screen.type("app=example.org")
        screen.press("Enter")
        assert screen.shows("leaves out 11")
        screen.press("Enter")
        assert screen.shows("app example.org · [conversations]")
        screen.press("Enter")
        assert screen.shows("the client asked for it when it began TLS")
        screen.press("Escape")
        assert screen.shows("[conversations]")
        screen.resize(120, 40)
        assert screen.shows("lasted")
        screen.press("Escape")
        assert screen.shows("by app ·")
        screen.press("s", "s")
        assert screen.shows("sorted by up")
        screen.press("q")
        assert screen.shows("of bytes attributed")
        assert screen.shows("ended with 0")
        assert "q quit" not in screen.text()


@tmux
@pytest.mark.parametrize(("term", "says"), [("dumb", "can only write lines"), ("", "can only write lines")])
def test_a_terminal_that_can_only_write_lines_has_no_screen(term, says):
    command = ["env", f"TERM={term}", sys.executable, "-m", "portcall", "read", OFFICE, "--screen"]

    with Tmux(command, 100, 24, ENVIRONMENT) as screen:
        assert screen.shows("ended with 2")
        assert says in screen.text()


@tmux
def test_a_pipe_takes_the_report_while_stderr_shows_the_screen(tmp_path):
    file = tmp_path / "report.json"
    read = shlex.join([sys.executable, "-m", "portcall", "read", OFFICE, "--screen", "--format", "json"])

    with Tmux(["sh", "-c", f"{read} > {shlex.quote(str(file))}"], 80, 24, ENVIRONMENT) as screen:
        assert screen.shows("q quit  ? help")
        screen.press("q")
        assert screen.shows("ended with 0")
    assert '"rows":' in file.read_text()


@tmux
def test_ctrl_c_ends_it_as_elsewhere():
    with Tmux([sys.executable, "-m", "portcall", "read", OFFICE, "--screen"], 80, 24, ENVIRONMENT) as screen:
        assert screen.shows("q quit  ? help")
        screen.press("C-c")
        assert screen.shows("ended with 130")


def test_who_wants_no_screen_does_not_load_what_it_is_made_of():
    program = "import sys; from portcall.cli import main; main(sys.argv[1:]); print('textual' in sys.modules)"

    ran = subprocess.run(
        [sys.executable, "-c", program, "read", OFFICE], capture_output=True, text=True, env=ENVIRONMENT, check=True
    )

    assert ran.stdout.splitlines()[-1] == "False"
