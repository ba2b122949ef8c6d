"""``live --expect``: real processes talk in a network namespace, and the sensor says what is new, at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from namespaces import namespace

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,  # some seconds, as what is new is told after two
    pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="live capture on Linux needs root"),
]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
DEADLINE_S = 60
SERVE = """
import socket
servers = [socket.create_server(("127.0.0.1", port)) for port in (8101, 8102)]
print("ready", flush=True)
import selectors
waiting = selectors.DefaultSelector()
for server in servers:
    waiting.register(server, selectors.EVENT_READ)
while True:
    for key, _ in waiting.select():
        with key.fileobj.accept()[0] as connection:
            connection.sendall(b"hello")
"""
CALL = "import socket, sys; s = socket.create_connection(('127.0.0.1', int(sys.argv[1]))); s.recv(9); s.close()"


def portcall(name, *words):
    return ["ip", "netns", "exec", name, sys.executable, "-m", "portcall", *words]


def run(name, *words):
    return subprocess.run(
        portcall(name, *words), env=ENVIRONMENT, capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )


@pytest.fixture(scope="module")
def place():
    """A network namespace with two servers."""
    with namespace("expect") as name:
        words = ["ip", "netns", "exec", name, sys.executable, "-c", SERVE]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout.readline() == "ready\n"
            yield name
            server.kill()


@pytest.fixture(scope="module")
def baseline(place, tmp_path_factory):
    """What is usual there: that python calls port 8101."""
    folder = tmp_path_factory.mktemp("expect")
    recorded, path = str(folder / "it.pcapng"), str(folder / "usual.json")
    assert run(place, "live", "-i", "lo", "-w", recorded, "--", sys.executable, "-c", CALL, "8101").returncode == 0
    assert run(place, "baseline", recorded, "-o", path).returncode == 0
    (expected,) = json.loads((folder / "usual.json").read_text())["expected"]
    assert expected["app"].startswith("python")
    assert (expected["host"], expected["port"]) == ("127.0.0.1", "8101")
    return path


def test_a_command_that_does_the_usual_ends_with_0(place, baseline):
    wanted = ["--expect", baseline, "--format", "jsonl"]
    ended = run(place, "live", "-i", "lo", *wanted, "--", sys.executable, "-c", CALL, "8101")

    assert ended.returncode == 0, ended.stderr
    assert [json.loads(line)["expected"] for line in ended.stdout.splitlines()] == ["known"]


def test_another_program_at_a_usual_port_is_new_and_ends_with_4(place, baseline):
    call = ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8101; read -u 3 -n 5 x"]
    ended = run(place, "live", "-i", "lo", "--expect", baseline, "--", *call)

    assert ended.returncode == 4, ended.stderr
    assert "portcall: new: bash talks to 127.0.0.1, port 8101\n" in ended.stderr


def test_a_command_that_fails_keeps_its_status(place, baseline):
    program = f"{CALL}; sys.exit(3)"
    ended = run(place, "live", "-i", "lo", "--expect", baseline, "--", sys.executable, "-c", program, "8102")

    assert ended.returncode == 3


def test_what_is_new_is_told_while_it_runs_and_an_interrupt_stays_one(place, baseline):
    words = portcall(place, "live", "-i", "lo", "--duration", "20", "--expect", baseline)
    with subprocess.Popen(words, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as sensor:
        lines = iter(sensor.stderr.readline, "")
        next(line for line in lines if "packets" in line)
        subprocess.run(["ip", "netns", "exec", place, sys.executable, "-c", CALL, "8102"], check=True)
        told = next(line for line in lines if "new:" in line)
        sensor.send_signal(signal.SIGINT)
        out, rest = sensor.communicate(timeout=DEADLINE_S)

    assert "talks to 127.0.0.1, port 8102" in told
    assert "1 new, 0 unknown, 0 known" in rest
    assert "new" in out
    assert sensor.returncode == 130


def test_a_service_that_is_ended_says_by_its_status_that_something_was_new(place, baseline, tmp_path):
    output = tmp_path / "all.jsonl"
    words = portcall(
        place, "live", "-i", "lo", "--expect", baseline, "--every", "1", "--duration", "20", "-o", str(output)
    )
    with subprocess.Popen(words, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True) as sensor:
        lines = iter(sensor.stderr.readline, "")
        next(line for line in lines if "reports of each" in line)
        subprocess.run(["ip", "netns", "exec", place, sys.executable, "-c", CALL, "8102"], check=True)
        next(line for line in lines if "new:" in line)
        sensor.send_signal(signal.SIGTERM)
        sensor.communicate(timeout=DEADLINE_S)

    assert [json.loads(line)["expected"] for line in output.read_text().splitlines()] == ["new"]
    assert sensor.returncode == 4
