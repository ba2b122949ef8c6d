"""The tutorial's hands-on steps 1 to 3 and its bonus, with portcall on real sockets."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from contextlib import closing

import pytest

from portcall.cli import main


@pytest.fixture
def rows(capsys):
    """A function: command line → its rows."""

    def rows_of(*words):
        main([*words, "--format", "jsonl"])
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return rows_of


def test_step_1_see_all_listening_ports(rows):
    with socket.create_server(("0.0.0.0", 0)) as everywhere, socket.create_server(("127.0.0.1", 0)) as here:
        ports = [server.getsockname()[1] for server in (everywhere, here)]
        told = {row["port"]: row["exposed_to"] for row in rows("ports")}

    assert [told[port].partition(",")[0] for port in ports] == ["every interface", "this machine only"]


def test_step_2_see_all_active_connections(rows):
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
        closing(server.accept()[0]) as accepted,
    ):
        ends = {client.getsockname()[1], server.getsockname()[1]}

        def states():
            return {row["state"] for row in rows("conns") if {row["local_port"], row["remote_port"]} == ends}

        during = states()
        client.close()
        accepted.close()
        afterwards = states()

    assert (during, afterwards) == ({"ESTAB"}, {"TIME-WAIT"})


def test_step_3_see_which_process_owns_a_specific_port(rows):
    with socket.create_server(("127.0.0.1", 0)) as server:
        (row,) = rows("who", str(server.getsockname()[1]))

    assert (row["pid"], row["state"]) == (os.getpid(), "LISTEN")


def test_bonus_a_python_web_server_on_9999_appears(rows):
    server = subprocess.Popen(
        [sys.executable, "-u", "-m", "http.server", str(port_9999_or_a_free_one())],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    with server:
        port = int(server.stdout.readline().split("port ")[1].split()[0])
        (row,) = rows("ports", "--where", f"port={port}")
        server.terminate()

    assert (row["pid"], row["protocol"], row["outside"]) == (server.pid, "tcp", "yes")
    assert row["cmdline"][-2:-1] == ["http.server"]


def port_9999_or_a_free_one():
    try:
        with socket.create_server(("0.0.0.0", 9999)):
            return 9999
    except OSError:
        return 0
