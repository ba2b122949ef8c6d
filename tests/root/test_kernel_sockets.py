"""The kernel's own sockets: a VXLAN tunnel between two network namespaces, with live on one of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import ExitStack

import pytest
from test_socket_kinds import DEADLINE_S, ENVIRONMENT, connect

from namespaces import ip, namespace
from portcall.cli import main

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="namespaces of Linux need root"),
]
PORT = 4789
TALK = """
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    for number in range(5):
        s.sendto(bytes(100), ("10.79.0.2", 9000 + number))
"""


@pytest.fixture
def ends():
    with ExitStack() as stack:
        near, far = (stack.enter_context(namespace(name)) for name in ("tunnel-near", "tunnel-far"))
        connect(near, far)
        yield near, far


def dig(ends):
    """Lay a tunnel; its address is 10.79.0.1 here and 10.79.0.2 there."""
    for number, name in enumerate(ends, 1):
        words = f"link add tunnel type vxlan id 5 dstport {PORT} local 10.78.0.{number} remote 10.78.0.{3 - number}"
        made = subprocess.run(["ip", "-n", name, *words.split()], capture_output=True, text=True, check=False)
        if made.returncode:
            pytest.skip(f"no VXLAN here: {made.stderr}")
        ip("-n", name, "addr", "add", f"10.79.0.{number}/24", "dev", "tunnel")
        ip("-n", name, "link", "set", "tunnel", "up")


@pytest.mark.parametrize("is_older", [True, False])
@pytest.mark.parametrize("back_end", ["ebpf", "netlink"])
def test_a_tunnel_is_the_kernels_both_ways_older_or_younger(ends, back_end, is_older):
    if is_older:
        dig(ends)
    near, _ = ends
    words = ["--netns", near, "-i", "wire", "--owners", back_end, "--by", "flow", "--format", "jsonl"]
    with subprocess.Popen(
        [sys.executable, "-m", "portcall", "live", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    ) as live:
        try:
            assert "packets" in live.stderr.readline()
            if not is_older:
                dig(ends)
            subprocess.run(["ip", "netns", "exec", near, sys.executable, "-c", TALK], check=True)
            assert "packets" in live.stderr.readline()
            live.send_signal(signal.SIGINT)
            printed, _ = live.communicate(timeout=DEADLINE_S)
        finally:
            live.kill()
    rows = [row for row in map(json.loads, printed.splitlines()) if PORT in (row["client_port"], row["server_port"])]

    told = {
        (row["client_ip"] == "10.78.0.1", row["client_process"], row["server_process"], row["unattributed_reason"])
        for row in rows
    }
    assert told == {(True, "[kernel]", None, "kernel"), (False, None, "[kernel]", "kernel")}


def test_who_says_that_the_kernel_has_the_port(ends, capsys):
    dig(ends)

    main(["who", str(PORT), "--netns", ends[0], "--format", "jsonl"])

    (row,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"0.0.0.0"' in line]
    assert (row["local_port"], row["holding"]) == (PORT, "kernel")
