"""``portcall check`` in a network namespace of its own, where every packet on loopback is looked at."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="network namespaces need root"),
]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
WATCH = """
import json, socket, struct, subprocess, sys
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
watched = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))  # IPv4, as it arrives: once
subprocess.run([sys.executable, "-m", "portcall", "check", *sys.argv[1:]], stdout=subprocess.DEVNULL)
watched.setblocking(False)
packets = []
while True:
    try:
        frame = watched.recv(2048)
    except BlockingIOError:
        break
    packets.append((frame[23], *struct.unpack_from(">HH", frame, 34), len(frame) - 14))
print(json.dumps(packets))
"""
SYN_AND_RST = [60, 40]  # IPv4 and TCP with and without options
TCP, UDP, ICMP = 6, 17, 1


def packets_of(*arguments: str) -> list[list[int]]:
    """(protocol, source port, target port, bytes) of every packet that the command and its answers made."""
    run = subprocess.run(
        ["unshare", "-n", sys.executable, "-c", WATCH, *arguments],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(run.stdout)


def test_a_tcp_port_is_asked_by_one_syn():
    packets = packets_of("127.0.0.1", "9")

    (asker,) = {source for _, source, target, _ in packets if target == 9}
    assert packets == [[TCP, asker, 9, SYN_AND_RST[0]], [TCP, 9, asker, SYN_AND_RST[1]]]


def test_an_unknown_udp_port_that_is_closed_is_asked_by_one_empty_datagram():
    packets = packets_of("127.0.0.1", "9/udp")

    assert [(protocol, length) for protocol, _, _, length in packets] == [(UDP, 28), (ICMP, 56)]
    assert packets[0][2] == 9
