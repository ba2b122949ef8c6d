"""``portcall live`` on a terminal: the screen in tmux, of real conversations in a network namespace of their own."""

from __future__ import annotations

import itertools
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from namespaces import namespace
from terminals import Tmux

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="live capture on Linux needs root"),
    pytest.mark.skipif(not shutil.which("tmux"), reason="tmux is not installed"),
]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
NOBODY = "65534"
TALK = """
import socket, time
listener = socket.create_server(("127.0.0.1", 8444))
client = socket.create_connection(("127.0.0.1", 8444))
server, _ = listener.accept()
print("talks", flush=True)
while True:
    client.sendall(bytes(2000)); server.recv(2000); time.sleep(0.05)
"""


@pytest.fixture
def place():
    """A network namespace in which two ends talk."""
    with (
        namespace("screen") as name,
        subprocess.Popen(["ip", "netns", "exec", name, sys.executable, "-c", TALK], stdout=subprocess.PIPE) as talking,
    ):
        talking.stdout.readline()
        yield name
        talking.kill()


def live(place, *options):
    return ["ip", "netns", "exec", place, sys.executable, "-m", "portcall", "live", "-i", "lo", *options]


def test_live_traffic_is_filtered_sorted_opened_frozen_resized_and_left(place):
    with Tmux(live(place), 100, 24, ENVIRONMENT) as screen:
        assert screen.shows("by process 100 %")
        assert "drop" in screen.text()
        screen.press("/")
        screen.type("bytes<1")
        screen.press("Enter")
        assert screen.shows("no rows")
        screen.press("Escape")
        assert screen.shows("1–1 of 1")
        screen.press("j", "s")
        assert screen.shows("sorted by name")
        screen.press("Enter")
        assert screen.shows("[conversations]")
        assert screen.shows("127.0.0.1:8444")
        screen.press("z")
        assert screen.shows("FROZEN")
        screen.press("z", "Enter")
        assert screen.shows("its process is python")
        screen.resize(130, 40)
        screen.press("Escape")
        assert screen.shows("up/s")
        screen.press("Tab", "Tab", "Tab")
        assert screen.shows("[processes]")
        assert screen.shows("root ")
        screen.press("Escape")
        assert screen.shows("by app")
        screen.press("Space")
        assert screen.shows("▾ python")
        screen.press("q")
        assert screen.shows("of bytes attributed")
        assert screen.shows("ended with 0")


def write(screen, path):
    screen.press("w", "C-u")
    screen.type(path)
    screen.press("Enter")


@pytest.mark.parametrize(
    ("options", "taken", "refused"),
    [
        pytest.param([], "here", "elsewhere", id="here"),
        pytest.param(["-o", "{}/end.json"], "elsewhere", "here", id="beside-the-output"),
    ],
)
def test_the_screen_works_after_rights_are_given_up_and_writes_as_that_user(place, tmp_path, options, taken, refused):
    tmp_path.chmod(0o777)
    for folder in itertools.takewhile(lambda one: one != Path(tempfile.gettempdir()), tmp_path.parents):
        folder.chmod(0o755)  # all that pytest made: one more with workers
    environment = {**ENVIRONMENT, "SUDO_UID": NOBODY, "SUDO_GID": NOBODY, "SUDO_USER": "nobody"}
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    for folder in (here, elsewhere):
        folder.mkdir()
        folder.chmod(0o777)
    words = live(place, "--duration", "600", *(word.format(elsewhere) for word in options))

    with Tmux(["sh", "-c", f'cd {here}; exec "$@"', "sh", *words], 200, 24, environment) as screen:
        assert screen.shows("by process 100 %")
        write(screen, str(tmp_path / refused / "report.csv"))
        assert screen.shows("not written: w writes beneath")
        write(screen, str(tmp_path / taken / "report.csv"))
        assert screen.shows("by app written to")
        screen.press("w", "Enter")  # the name that is proposed
        assert screen.shows("portcall.json")
        screen.press("C-c")
        assert screen.shows("ended with 130")
        assert options or "of bytes attributed" in screen.text()
    assert not list((tmp_path / refused).iterdir())
    written = ["portcall.json", "report.csv", *(["end.json"] if options else [])]
    files = sorted((tmp_path / taken).iterdir(), key=str)
    assert [file.name for file in files] == sorted(written)
    assert {file.stat().st_uid for file in files} == {int(NOBODY)}


@pytest.mark.parametrize("option", [["--plain"], ["--", "sleep", "2"]], ids=["plain", "command"])
def test_a_table_is_shown_in_place_where_that_is_wanted(place, option):
    with Tmux(live(place, *option), 100, 24, ENVIRONMENT) as screen:
        assert screen.shows("; Ctrl-C ends it")
        assert "q quit" not in screen.text()
        screen.press("C-c")
        assert screen.shows("ended with")


def test_the_end_of_the_time_and_a_signal_end_the_screen_with_the_report(place, tmp_path):
    pid_file = tmp_path / "pid"
    command = ["sh", "-c", f'echo $$ > {pid_file}; exec "$@"', "sh", *live(place)]

    with Tmux(live(place, "--duration", "2"), 100, 24, ENVIRONMENT) as screen:
        assert screen.shows("ended with 0")
        assert "of bytes attributed" in screen.text()
    with Tmux(command, 100, 24, ENVIRONMENT) as screen:
        assert screen.shows("q quit  ? help")
        os.kill(int(Path(pid_file).read_text()), signal.SIGTERM)
        assert screen.shows("ended with 130")
        assert "of bytes attributed" in screen.text()


def test_when_its_terminal_goes_it_ends(place, tmp_path):
    pid_file, file = tmp_path / "pid", tmp_path / "report.json"
    command = ["sh", "-c", f'echo $$ > {pid_file}; exec "$@"', "sh", *live(place, "-o", str(file))]

    with Tmux(command, 100, 24, ENVIRONMENT) as screen:
        assert screen.shows("q quit  ? help")
        descriptor = os.pidfd_open(int(pid_file.read_text()))
    assert select.select([descriptor], [], [], 60)[0]
    os.close(descriptor)
    assert '"rows"' in file.read_text()
