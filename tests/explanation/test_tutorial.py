"""The whole story of ports: every idea of the tutorial, told on real sockets, in under a page."""

from __future__ import annotations

import io
import json
from dataclasses import asdict

import pytest

from machine_builder import machine, system_socket
from portcall.explanation.tutorial import PORTS_TO_KNOW, write_tutorial
from portcall.views.explain import write_tutorial_text

LONG = "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff"
BUSY = machine(
    system_socket(":: 27017", process="fifteen-letters 4194304", takes_ipv4_too=True),
    system_socket("0.0.0.0 27017", process="fifteen-letters 4194304", protocol="udp"),
    *(system_socket(f"{LONG} 27017", f"{LONG} {port}", "fifteen-letters 4194304") for port in range(40000, 40200)),
    system_socket("127.0.0.1 5000", "127.0.0.1 5001", state="TIME-WAIT"),
)


def text(on):
    stream = io.StringIO()
    write_tutorial_text(write_tutorial(on), stream)
    return stream.getvalue()


def words(on):
    return " ".join(text(on).split())


@pytest.mark.parametrize("on", [machine(), BUSY], ids=["without sockets", "busy"])
def test_the_story_fits_on_a_page(on):
    lines = text(on).splitlines()

    assert len(lines) <= 45
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(
    "idea",
    [
        "from 0 to 65535",
        "IP address",
        "demultiplexing",
        "0–1023 well-known",
        "1024–49151 registered",
        "49152–65535 ephemeral",
        "root's rights",
        "lends 32768–60999",
        "address and port",
        "0.0.0.0",
        "127.0.0.1",
        "Every conversation has two",
        "4-tuple",
        "handshake",
        "TCP and UDP have ports of their own",
        "LISTEN",
        "ESTAB",
        "TIME-WAIT",
        "refuses is closed",
        "firewall",
        "portcall ports",
        "portcall conns",
        "portcall who",
        "portcall check",
    ],
)
def test_every_idea_of_the_tutorial_has_its_place(idea):
    assert idea in words(machine())


@pytest.mark.parametrize("port", PORTS_TO_KNOW)
def test_every_port_to_know_is_named(port):
    (passage,) = (one for one in write_tutorial(machine()).passages if one.heading == "to know")

    assert str(port) in passage.text.replace(",", "").replace("/", " ").split()


def test_real_sockets_are_the_examples():
    told = words(BUSY)

    assert "fifteen-letters (pid 4194304) waits at [::]:27017 (MongoDB)" in told
    assert "serves at port 27017" in told
    assert f"one of 200 at [{LONG}]:27017" in told
    assert "Here 27017 is in use on both." in told


def test_who_opened_the_example_is_told_by_who_listens():
    on = machine(
        system_socket("127.0.0.1 50000", process="server 1"),
        system_socket("127.0.0.1 40000", "127.0.0.1 50000", "client 2"),
        system_socket("127.0.0.1 50000", "127.0.0.1 40000", "server 1"),
    )

    assert "client (pid 2) was lent 40000 to talk to port 50000" in words(on)


def test_without_sockets_nothing_is_made_up():
    told = words(machine())

    assert "Nothing waits for TCP connections here now." in told
    assert "No conversation is going on here now." in told


def test_the_story_is_plain_data_too():
    facts = json.loads(json.dumps(asdict(write_tutorial(BUSY))))

    assert facts["states"] == {"ESTAB": 200, "LISTEN": 1, "UNCONN": 1, "TIME-WAIT": 1}
    assert facts["listener"]["process"] == "fifteen-letters"
