"""Whether details are wanted or not, kernel and dissectors tell the same; and the kernel tells the same details."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from scapy.layers.dns import DNS
from scapy.layers.inet import IP, TCP, UDP

from inspected_flows import assert_same, inspected
from made_conversations import CLIENT, RESOLVER, SERVER, answered, client_hello, inspected_in, names_by_dissectors
from portcall.inspection.server_names import ServerNames

TOLD = ("server_port", "application_protocol", "tls_server_name", "http_host", "hostname")
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

    for names in (ServerNames(), ServerNames(with_details=True), names_by_dissectors()):
        rows = inspected(office, names)
        assert any(name for (_, _, _, name, *_), _ in rows)
        assert any(told for (*_, told, _), _ in rows) or any(told for (*_, told), _ in rows)
        assert any(details for _, (details, _) in rows) == names.with_details


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


ANSWERS = {
    "tls": (HELLOS["tls"], b"\x16\x03\x03\0\x41\x02\0\0\x3d\x03\x03" + bytes(32) + b"\0\xc0\x2f\0\0\x15"
    b"\0\x10\0\x05\0\x03\x02h2\0\x2b\0\x02\x03\x04\0\x17\0\0"),
    "http": (HELLOS["http"], b"HTTP/1.1 200 OK\r\nDate: today\r\nServer: nginx\r\nX: y\r\n\r\n"),
}  # fmt: skip


@pytest.mark.parametrize("kind", ANSWERS)
def test_the_kernel_tells_of_a_damaged_answer_what_the_dissectors_tell(kind):
    random, (hello, answer) = Random(12), ANSWERS[kind]
    packets = []
    for port in range(20000, 21000):
        asks = {"sport": port, "dport": 443, "seq": 1, "flags": "A"}
        answers = {"sport": 443, "dport": port, "seq": 7, "flags": "A"}
        packets.append(bytes(IP(src=CLIENT, dst=SERVER) / TCP(**asks) / hello))
        packets.append(bytes(IP(src=SERVER, dst=CLIENT) / TCP(**answers) / changed(random, answer)))

    detailed = inspected_in(packets, with_details=True)

    assert list(detailed) == list(inspected_in(packets, by_dissectors=True))
    assert len({str(row["said"]) for row in detailed}) > 10


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
    by_dissectors = inspected_in(packets, by_dissectors=True)

    told = [[[row[column] for column in TOLD] for row in rows] for rows in (plain, by_dissectors)]
    assert told[0] == told[1]
    assert list(detailed) == list(by_dissectors)
    assert len({row["hostname"] for row in plain}) > 10 or is_dns
