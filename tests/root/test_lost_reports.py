"""A flood of which reports are lost: what ended meanwhile is not waited for. Root only."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, closing

import numpy as np
import pytest

from portcall.owners import losses
from portcall.owners.ebpf import EbpfOwners, loader
from portcall.ownership.socket_timeline import SocketTimeline
from portcall.records.ownership import OwnerEvents
from portcall.records.sightings import SIGHTING

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="back ends of Linux need root"),
]

SO_COOKIE = 57
LATER_NS = 100 * 10**9


@pytest.fixture
def owners(monkeypatch):
    """With rings that are full soon."""
    monkeypatch.setattr(loader, "RING_BYTES", 1 << 16)
    monkeypatch.setattr(losses, "PAUSE_S", 0.0)
    with closing(EbpfOwners()) as owners:
        yield owners


def bound_socket():
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.bind(("127.0.0.1", 0))
    return one


def cookies(sockets):
    return {int.from_bytes(one.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8), sys.byteorder) for one in sockets}


def fill_rings(owners):
    """Until reports are lost."""
    before = owners.lost
    for _ in range(5000):
        bound_socket().close()
    assert owners.lost > before


def caught_up(timeline, owners):
    """After two looks, and the time that what ended is remembered."""
    for _ in range(4):
        timeline.update(owners.drain())
    for later_ns in (LATER_NS, 2 * LATER_NS):
        timeline.update(OwnerEvents(np.zeros(0, SIGHTING), [], time.time_ns() + later_ns))


def test_sockets_whose_closes_were_lost_are_forgotten_and_those_that_are_there_stay(owners):
    timeline = SocketTimeline(owners.name)
    with ExitStack() as stack:
        closed, open_still = ([bound_socket() for _ in range(20)] for _ in range(2))
        for one in open_still:
            stack.enter_context(one)
        gone, there = cookies(closed), cookies(open_still)
        timeline.update(owners.drain())
        assert gone | there <= set(timeline._tables.sockets)

        fill_rings(owners)
        for one in closed:
            one.close()
        caught_up(timeline, owners)

        assert set(timeline._tables.sockets) & (gone | there) == there


def test_processes_whose_ends_were_lost_are_forgotten(owners):
    timeline = SocketTimeline(owners.name)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        timeline.update(owners.drain())
        assert timeline.processes.lives(process.pid, 0)

        fill_rings(owners)
        process.communicate(b"\n")
    caught_up(timeline, owners)

    assert not timeline.processes.lives(process.pid, 0)
