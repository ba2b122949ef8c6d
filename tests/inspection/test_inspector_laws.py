"""Whether details are wanted or not, the same is heard: by the kernel and its openings, or by the dissectors."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from scapy.layers.dns import DNS
from scapy.layers.inet import IP, TCP, UDP

from inspected_flows import assert_same, inspected
from made_conversations import CLIENT, RESOLVER, SERVER, answered, client_hello, inspected_in

TOLD = ("application_protocol", "tls_server_name", "http_host", "hostname")
CAPTURES = sorted((Path(__file__).parents[2] / "captures").glob("*.pcap*"))


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)
def test_the_kernel_tells_what_the_dissectors_tell(path):
    assert_same(path)


@pytest.mark.parametrize("snap_bytes", [60, 68, 96, 128, 200, 256, 600])
def test_the_kernel_tells_of_cut_frames_what_the_dissectors_tell(snap_bytes):
    for path in CAPTURES:
        assert_same(path, snap_bytes)


def test_both_hear_something():
    office = next(path for path in CAPTURES if path.name == "office.pcapng")

    for with_details in (False, True):
        rows = inspected(office, with_details=with_details)
        assert any(name for _, _, _, name, *_ in rows)
        assert any(told for *_, told, _ in rows) or any(told for *_, told in rows)


HELLOS = {
    "tls": client_hello("www.example.com"),
    "http": b"GET /a?b=c HTTP/1.1\r\nHost: www.example.com\r\nUpgrade-Insecure-Requests: 1\r\nAccept: */*\r\n\r\n",
    "dns": bytes(answered("www.example.com")[1].getlayer(DNS)),
}


def changed(random, sent):
    """Some bytes other than they were, or left out, or doubled."""
    sent = bytearray(sent)
    for _ in range(random.randint(1, 4)):
        at = random.randrange(min(len(sent), random.choice((16, 64, 600))))
        kind = random.randrange(4)
        if kind == 0:
            sent[at : at + 1] = b""
        elif kind == 1:
            sent[at:at] = sent[at : at + random.randint(1, 40)]
        else:
            sent[at] = random.choice(
                (0, 1, 4, 5, 0x0A, 0x0D, 0x20, 0x3A, 0x48, 0x80, 0xC0, 0xFF, random.randrange(256))
            )
    return bytes(sent)


@pytest.mark.parametrize("kind", HELLOS)
def test_the_kernel_tells_of_a_damaged_hello_what_the_dissectors_tell(kind):
    random, sent = Random(11), HELLOS[kind]
    is_dns = kind == "dns"
    hello = IP(src=RESOLVER, dst=CLIENT) / UDP(sport=53) if is_dns else IP(src=CLIENT, dst=SERVER) / TCP(dport=443)
    packets = []
    for port in range(20000, 22000):
        hello[1].setfieldval("dport" if is_dns else "sport", port)
        packets.append(bytes(hello / changed(random, sent)))

    plain, detailed = (inspected_in(packets, with_details=with_details) for with_details in (False, True))

    told = [[(row["server_port"], *(row[column] for column in TOLD)) for row in rows] for rows in (plain, detailed)]
    assert told[0] == told[1]
    assert len({row["hostname"] for row in plain}) > 10 or is_dns
