"""``portcall live`` where packets come faster than it is let read them: what the ring had no room for is counted."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys

import pytest

from namespaces import ip, namespace
from portcall.system.network_namespaces import find_namespace, inside

pytestmark = [
    pytest.mark.root,
    pytest.mark.usefixtures("alone_on_loopback"),
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="live capture on Linux needs root"),
]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
SENT = 20_000  # 144 bytes of a ring each: 2.9 MB
PORT = 9


def datagram(number):
    """A frame of 60 bytes with UDP from one of many ports."""
    ends = bytes([10, 99, 0, 1]) + bytes([10, 99, 0, 2])
    header = struct.pack(">BBHHHBBH", 0x45, 0, 46, number & 0xFFFF, 0, 64, socket.IPPROTO_UDP, 0)
    frame = bytes(6) + b"sender" + b"\x08\x00" + header + ends
    return frame + struct.pack(">HHHH", 1024 + number % 50_000, PORT, 26, 0) + bytes(18)


def send_all(interface):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind((interface, 0))
        for number in range(SENT):
            sender.send(datagram(number))


@pytest.fixture
def pair():
    with namespace("left") as left, namespace("right") as right:
        ip("-n", left, "link", "add", "wire0", "type", "veth", "peer", "name", "wire0", "netns", right)
        for name in (left, right):
            ip("-n", name, "link", "set", "wire0", "up")
        yield left, right


def report_of_a_reader_that_is_held_up(pair, *options):
    """What live says of SENT packets that all came while it did not run."""
    left, right = pair
    words = [sys.executable, "-m", "portcall", "live", "--netns", right, "-i", "wire0", "--filter", f"udp port {PORT}"]
    words += ["--by", "service", "--format", "json", *options]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT) as live:
        live.stderr.readline()  # with the first line it listens
        live.send_signal(signal.SIGSTOP)
        inside(find_namespace(left), lambda: send_all("wire0"))
        live.send_signal(signal.SIGCONT)
        live.send_signal(signal.SIGINT)
        return json.loads(live.communicate(timeout=60)[0])


def test_what_a_small_ring_has_no_room_for_is_counted_as_dropped(pair):
    report = report_of_a_reader_that_is_held_up(pair, "--ring-size", "1MiB")

    coverage = report["coverage"]
    assert 1000 < coverage["frames"] < SENT
    assert coverage["frames"] + coverage["dropped_by_kernel"] == SENT
    assert [note["remedy"] for note in report["degradations"] if note["feature"] == "packets"] == [
        "choose with --filter, listen on fewer interfaces, or give --ring-size more memory"
    ]


def test_a_ring_that_is_large_enough_holds_them_all(pair):
    report = report_of_a_reader_that_is_held_up(pair, "--ring-size", "8MB")

    assert (report["coverage"]["frames"], report["coverage"]["dropped_by_kernel"]) == (SENT, 0)
    assert sum(row["flows"] for row in report["rows"]) == SENT


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--ring-size", "64"), "not a size"),
        (("--ring-size", "3GiB"), "too much"),
        (("--ring-size", "64MB", "--source", "scapy"), "scapy has none"),
    ],
)
def test_a_size_that_cannot_be_is_one_sentence_and_nothing_is_captured(options, said):
    words = [sys.executable, "-m", "portcall", "live", "-i", "lo", "--duration", "1", *options]

    ended = subprocess.run(words, capture_output=True, text=True, env=ENVIRONMENT, check=False)

    assert ended.returncode == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
