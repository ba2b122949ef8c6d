"""`live --source scapy --owners psutil`, all that a system without Linux's own has, names who has the traffic."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from namespaces import ip, namespace

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="network namespaces need root on Linux"),
]
SERVE = """
import socket
listening = socket.create_server(("10.79.0.2", 7007))
print("listens", flush=True)
connection, _ = listening.accept()
while data := connection.recv(1000):
    connection.sendall(data)
"""
TALK = """
import select, socket, sys
connection = socket.create_connection(("10.79.0.2", 7007))
for _ in range(600):
    connection.sendall(b"x" * 200)
    connection.recv(1000)
    if select.select([sys.stdin], [], [], 0.05)[0]:
        break
"""


def test_a_conversation_over_a_wire_has_its_owner():
    with namespace("here") as here, namespace("there") as there:
        ip("-n", here, "link", "add", "wire0", "type", "veth", "peer", "name", "wire0", "netns", there)
        for number, name in enumerate((here, there), 1):
            ip("-n", name, "address", "add", f"10.79.0.{number}/24", "dev", "wire0")
            ip("-n", name, "link", "set", "wire0", "up")
        within = ("ip", "netns", "exec")
        with subprocess.Popen([*within, there, sys.executable, "-c", SERVE], stdout=subprocess.PIPE) as server:
            server.stdout.readline()
            with subprocess.Popen([*within, here, sys.executable, "-c", TALK], stdin=subprocess.PIPE) as client:
                back_ends = ("--source", "scapy", "--owners", "psutil", "--filter", "tcp port 7007")
                words = ("live", "-i", "wire0", "--duration", "2", *back_ends, "--by", "process", "--format", "json")
                ran = subprocess.run(
                    [*within, here, sys.executable, "-P", "-m", "portcall", *words],
                    capture_output=True,
                    text=True,
                    check=False,
                )
                client.stdin.close()

    assert ran.returncode == 0, ran.stderr
    (row,) = json.loads(ran.stdout)["rows"]
    assert (row["pid"], row["bytes_out"] > 0, row["bytes_in"] > 0) == (client.pid, True, True)
