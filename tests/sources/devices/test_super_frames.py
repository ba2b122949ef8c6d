"""Frames that the kernel cuts later or has put together before count what sockets and interfaces moved."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
import threading

import pytest

from namespaces import ip, namespace
from portcall.decoding.decoder import Decoder
from portcall.flows.table import FlowTable
from portcall.records.packets import Direction
from portcall.sources.devices.afpacket import RingSource
from portcall.sources.devices.interface_watch import select_interfaces
from portcall.system.network_namespaces import find_namespace, inside

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="namespaces need root on Linux"),
]
MOVED = 32 << 20
LARGEST, USUAL_LARGEST = 180_000, 65_550
GSO, GRO, GSO_IPV4, GRO_IPV4 = 41, 58, 63, 64  # IFLA_…_MAX_SIZE, linux/if_link.h
BYTES_SENT = 200  # in struct tcp_info, linux/tcp.h: what the socket sent, what it sent again with it


def allow_large_frames():
    """Let wire0 of this thread's namespace have frames of more than 64 KiB (BIG TCP); whether the kernel knows how."""
    sizes = b"".join(struct.pack("=HHI", 8, kind, LARGEST) for kind in (GSO, GRO, GSO_IPV4, GRO_IPV4))
    body = struct.pack("=BxHiII", 0, 0, socket.if_nametoindex("wire0"), 0, 0) + sizes
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as netlink:
        netlink.send(struct.pack("=IHHII", 16 + len(body), 16, 5, 1, 0) + body)  # RTM_NEWLINK, request and acknowledge
        (error,) = struct.unpack_from("=i", netlink.recv(4096), 16)
    return error == 0


def moved(name):
    """Bytes that wire0 received and sent."""
    words = ["ip", "-n", name, "-s", "-j", "link", "show", "dev", "wire0"]
    (link,) = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    return link["stats64"]["rx"]["bytes"], link["stats64"]["tx"]["bytes"]


def transfer(sender, receiver, family, address):
    """A bulk transfer in a thread of its own, and where it leaves what the sender's socket says it sent."""
    server = inside(receiver, lambda: socket.create_server((address, 0), family=family))
    server.settimeout(30)
    told = []

    def receive():
        with server, server.accept()[0] as connection:
            while connection.recv(1 << 20):
                pass

    def send():
        with inside(sender, lambda: socket.socket(family)) as client:
            client.connect(server.getsockname()[:2])
            for _ in range(MOVED >> 20):
                client.sendall(bytes(1 << 20))
            client.shutdown(socket.SHUT_WR)
            client.recv(1)  # all has arrived
            told.append(
                struct.unpack_from("=Q", client.getsockopt(socket.SOL_TCP, socket.TCP_INFO, 232), BYTES_SENT)[0]
            )

    threads = [threading.Thread(target=work) for work in (receive, send)]
    for thread in threads:
        thread.start()
    return threads, told


@pytest.mark.parametrize("is_large", [False, True], ids=["usual", "big-tcp"])
@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "10.99.0.2"), (socket.AF_INET6, "fd99::2")])
def test_bytes_are_those_of_the_interface_and_payload_is_that_of_the_socket(family, address, is_large):
    with namespace("left") as left, namespace("right") as right:
        ip("-n", left, "link", "add", "wire0", "type", "veth", "peer", "name", "wire0", "netns", right)
        ends = [find_namespace(name) for name in (left, right)]
        if is_large and not all(inside(end, allow_large_frames) for end in ends):
            pytest.skip("this kernel knows no frames of more than 64 KiB")
        for number, name in enumerate((left, right), 1):
            ip("-n", name, "address", "add", f"10.99.0.{number}/24", "dev", "wire0")
            ip("-n", name, "address", "add", f"fd99::{number}/64", "dev", "wire0", "nodad")
        count = Counting()

        with RingSource([select_interfaces(["wire0"], ends[1])]) as source:
            for name in (left, right):
                ip("-n", name, "link", "set", "wire0", "up")
            threads, told = transfer(*ends, family, address)
            while any(thread.is_alive() for thread in threads):
                count.take(source.batches(100))
            ip("-n", left, "link", "set", "wire0", "down")  # nothing else shall come behind the last frame
            count.take(source.finish())
            dropped = source.dropped_by_kernel()

        rows = count.table.rows()
        tcp = rows[rows["protocol"] == socket.IPPROTO_TCP]
        assert dropped == 0
        assert (count.inbound, count.outbound) == moved(right)
        assert tcp["payload"].sum() == told[0] >= MOVED
        assert count.largest > USUAL_LARGEST if is_large else 9000 < count.largest <= USUAL_LARGEST


class Counting:
    """What the frames of a source add up to."""

    def __init__(self):
        self.decoder, self.table = Decoder(), FlowTable()
        self.inbound = self.outbound = self.largest = 0

    def take(self, batches):
        for batch in batches:
            self.table.update(self.decoder.decode(batch))
            frames = batch.frames
            self.largest = max(self.largest, int(frames["wire"].max()))
            self.inbound += int(frames["wire"][frames["direction"] != Direction.OUTBOUND].sum())
            self.outbound += int(frames["wire"][frames["direction"] == Direction.OUTBOUND].sum())
