"""``portcall live`` as people see it: on a real terminal, of a real conversation on loopback."""

from __future__ import annotations

import os
import pty
import re
import select
import socket
import subprocess
import sys
import time

import pytest

pytestmark = [
    pytest.mark.root,
    pytest.mark.usefixtures("alone_on_loopback"),
    pytest.mark.slow,  # some seconds
    pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="live capture on Linux needs root"),
]
DEADLINE_S = 180
SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture
def conversation():
    """(client, server): two ends of one connection on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        server, _ = listener.accept()
        with server:
            yield client, server


def shown(conversation, *options, is_enough):
    """(all that the terminal got, stdout): the two ends talk until the text is enough, then the command is ended."""
    client, server = conversation
    primary, secondary = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "portcall", "live", "-i", "lo", "--plain", *options],
        stdout=subprocess.PIPE,
        stderr=secondary,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TERM": "xterm", "COLUMNS": "120", "LINES": "30"},
        text=True,
    ) as process:
        os.close(secondary)
        text, deadline = "", time.monotonic() + DEADLINE_S
        while not is_enough(text) and time.monotonic() < deadline and process.poll() is None:
            client.sendall(bytes(1000))
            server.recv(1000)
            if select.select([primary], [], [], 0.1)[0]:
                text += SEQUENCE.sub("", os.read(primary, 1 << 16).decode(errors="replace"))
        process.terminate()
        printed, _ = process.communicate(timeout=DEADLINE_S)
        os.close(primary)
    return text, printed


def rows_of(text, port):
    return [line for line in text.replace("\r", "\n").splitlines() if f"127.0.0.1:{port} " in line]


def test_conversations_are_shown_while_they_talk_and_the_last_table_has_their_process(conversation):
    port = conversation[1].getsockname()[1]
    options = ["--by", "flow", "--filter", f"tcp port {port}"]

    text, printed = shown(conversation, *options, is_enough=lambda text: "kB" in "".join(rows_of(text, port)))

    assert f"{os.getpid()} → {os.getpid()}" in rows_of(text, port)[-1]
    assert f"{os.getpid()} → {os.getpid()}" in rows_of(printed, port)[0]


@pytest.mark.parametrize("by", ["host", "process"])
def test_only_groups_that_have_a_pid_have_a_column_for_it(conversation, by):
    port = conversation[1].getsockname()[1]
    options = ["--by", by, "--filter", f"tcp port {port}"]

    text, _ = shown(conversation, *options, is_enough=lambda text: f"\n{by} " in text.replace("\r", "\n"))

    (header, *_) = [line for line in text.replace("\r", "\n").splitlines() if line.startswith(f"{by} ")]
    assert ("pid" in header.split()) == (by == "process")
