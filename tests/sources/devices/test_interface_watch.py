"""Interfaces that come, go and return while they are listened to, in namespaces that the test made."""

from __future__ import annotations

import contextlib
import os
import re
import select
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest

from portcall.records.packets import CapturePoint
from portcall.sources.devices.afpacket import RingSource
from portcall.sources.devices.happenings import MOST_SAID, Happenings
from portcall.sources.devices.interface_watch import (
    Changes,
    FollowedInterfaces,
    _messages,
    list_interfaces,
    open_route_socket,
    select_interfaces,
)
from portcall.sources.devices.interfaces import Interface, choose_among
from portcall.system.network_namespaces import find_namespace, has_gone, inside, own_namespace

DEADLINE_S = 10
is_root = sys.platform == "linux" and os.geteuid() == 0
root = pytest.mark.skipif(not is_root, reason="namespaces need root on Linux")


def ip(*words):
    subprocess.run(["ip", *words], check=True)


@pytest.fixture
def pair():
    """Names of two namespaces, whose loopback is up."""
    names = [f"portcall-{os.getpid()}-{side}" for side in ("here", "there")]
    with contextlib.ExitStack() as stack:
        for name in names:
            ip("netns", "add", name)
            stack.callback(subprocess.run, ["ip", "netns", "del", name], check=False, stderr=subprocess.DEVNULL)
            ip("-n", name, "link", "set", "lo", "up")
        yield SimpleNamespace(here=names[0], there=names[1])


def plug(pair, name="vpn0", address="10.91.0"):
    """An interface in both, connected; without an address if that is None."""
    ip("link", "add", name, "netns", pair.here, "type", "veth", "peer", "name", name, "netns", pair.there)
    for number, side in enumerate((pair.here, pair.there), 1):
        if address:
            ip("-n", side, "addr", "add", f"{address}.{number}/24", "dev", name)
        ip("-n", side, "link", "set", name, "up")


def unplug(pair, name="vpn0"):
    ip("-n", pair.here, "link", "del", name)


def send(pair, *payloads, address="10.91.0.2"):
    def send_here():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.bind(("0.0.0.0", 40000))
            for payload in payloads:
                sender.sendto(payload, (address, 9))

    inside(find_namespace(pair.here), send_here)


def listening(pair, *names, **options):
    return RingSource([select_interfaces(names, find_namespace(pair.here))], filter="udp port 9", **options)


def hear(source, notes=0):
    """Let the source look at its news, which come in pieces, until it has said so much; it has some."""
    while select.select(source.descriptors(), [], [], DEADLINE_S if len(source.degradations) < notes else 0)[0]:
        for _ in source.batches():
            pass
    assert len(source.degradations) == notes


def counted(source):
    return sum(len(batch.frames) for batch in source.finish())


def said(source):
    """Feature and first words of each note."""
    return [" ".join(note.reason.split()[:3]) for note in source.degradations]


@root
def test_interfaces_are_listed_with_their_addresses(pair):
    plug(pair)
    plug(pair, "port0", address=None)

    found = {one.name: one for one in inside(find_namespace(pair.here), list_interfaces)}

    assert {name: one.has_address for name, one in found.items()} == {"lo": True, "vpn0": True, "port0": False}
    assert found["lo"].hardware == 772
    assert found["vpn0"].hardware == 1


@pytest.mark.skipif(sys.platform != "linux", reason="rtnetlink is Linux's")
def test_the_list_is_that_of_the_system():
    assert [(one.index, one.name) for one in list_interfaces()] == sorted(socket.if_nameindex())


@root
def test_an_interface_that_comes_later_is_listened_to_and_said_once(pair):
    with listening(pair) as source:
        plug(pair)
        hear(source, 1)
        send(pair, b"hello")

        assert counted(source) == 1
        assert said(source) == [f"vpn0 ({pair.here}) came,"]


@root
def test_one_that_comes_without_an_address_is_listened_to_when_it_gets_one(pair):
    with listening(pair) as source:
        plug(pair, address=None)
        hear(source)
        assert said(source) == []

        ip("-n", pair.here, "addr", "add", "10.91.0.1/24", "dev", "vpn0")
        hear(source, 1)

        assert said(source) == [f"vpn0 ({pair.here}) came,"]


@root
@pytest.mark.parametrize("wish", [[], ["vpn0"]], ids=["default", "by name"])
def test_one_that_goes_and_returns_is_listened_to_again_and_both_are_said(pair, wish):
    plug(pair)
    with listening(pair, *wish) as source:
        unplug(pair)
        hear(source, 1)
        plug(pair)
        hear(source, 2)
        send(pair, b"after")

        assert counted(source) == 1
        assert [re.split(" (?:at|since) ", note.reason)[0] for note in source.degradations] == [
            f"vpn0 ({pair.here}) went",
            f"vpn0 ({pair.here}) was gone, and counts again",
        ]


@root
def test_of_interfaces_by_name_others_that_come_are_none_of_its_business(pair):
    plug(pair)
    with listening(pair, "vpn0") as source:
        plug(pair, "wg0", "10.92.0")
        hear(source)
        send(pair, b"hello", address="10.92.0.2")

        assert counted(source) == 0
        assert said(source) == []


@root
def test_an_interface_that_is_made_anew_keeps_its_name_and_its_capture_point(pair):
    plug(pair)
    namespace = find_namespace(pair.here)
    with listening(pair) as source:
        first = inside(namespace, lambda: socket.if_nametoindex("vpn0"))
        unplug(pair)
        hear(source, 1)
        plug(pair)
        hear(source, 2)
        second = inside(namespace, lambda: socket.if_nametoindex("vpn0"))

        points = [source.capture_point(namespace.number, index) for index in (first, second)]

    assert first != second
    assert points == [CapturePoint("vpn0", pair.here)] * 2


@root
def test_news_needs_no_rights_after_it_was_opened(pair):
    """What is opened inside a namespace tells, whoever asks, from wherever."""
    namespace = find_namespace(pair.here)
    followed = FollowedInterfaces(select_interfaces([], namespace), inside(namespace, open_route_socket))
    child = os.fork()
    if not child:
        os.setgid(65534)
        os.setuid(65534)
        came = []
        while not came and select.select([followed.fileno()], [], [], DEADLINE_S)[0]:
            came = followed.changes().came
        os._exit(0 if came == ["vpn0"] else 1)
    plug(pair)
    followed.close()

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@root
def test_more_news_than_there_is_room_for_loses_none(pair):
    namespace = find_namespace(pair.here)
    opened = inside(namespace, open_route_socket)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    followed = FollowedInterfaces(select_interfaces([], namespace), opened)
    followed.changes()
    plug(pair)
    plug(pair, "wg0", "10.92.0")

    assert sorted(followed.changes().came) == ["vpn0", "wg0"]
    followed.close()


@root
def test_a_namespace_whose_name_is_gone_or_of_another_one_is_said_once(pair, monkeypatch):
    monkeypatch.setattr("portcall.sources.devices.afpacket.LOOK_S", 0)
    with listening(pair) as source:
        list(source.batches())
        assert source.degradations == []

        ip("netns", "del", pair.here)
        list(source.batches())
        ip("netns", "add", pair.here)
        list(source.batches())

        assert said(source) == [f"{pair.here} is gone"]


@root
def test_a_namespace_is_gone_when_its_name_is_of_another_one(pair):
    namespace = find_namespace(pair.here)
    assert not has_gone(namespace)

    ip("netns", "del", pair.here)
    assert has_gone(namespace)
    ip("netns", "add", pair.here)
    assert has_gone(namespace) == (find_namespace(pair.here).number != namespace.number)


@pytest.mark.skipif(sys.platform != "linux", reason="namespaces are Linux's")
def test_ones_own_namespace_is_there():
    assert not has_gone(own_namespace())


def test_one_that_lost_its_address_or_changed_its_name_is_still_meant():
    there = [Interface("renamed", 2, 1, has_address=False), Interface("eth1", 3, 1, has_address=False)]

    assert choose_among(["vpn0"], there, kept={2}) == choose_among([], there, kept={2}) == there[:1]


def test_changes_that_come_without_end_are_said_up_to_a_bound():
    happened = Happenings()

    for number in range(100):
        happened.tell(Changes([f"veth{number}"], [], []), None)

    assert len(happened.degradations) == MOST_SAID + 1
    assert happened.degradations[-1].reason.startswith("more came and went")


@pytest.mark.parametrize("datagram", [b"", b"\x01", b"\0" * 16, b"\xff" * 40, b"\x14\0\0\0" + b"\0" * 12])
def test_a_broken_answer_ends_and_is_no_exception(datagram):
    assert list(_messages(memoryview(datagram))) == []
