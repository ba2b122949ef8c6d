"""Whether details are wanted or not, the same is heard: by the kernel and its openings, or by the dissectors."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import pytest
from scapy.layers.dns import DNS
from scapy.layers.inet import IP, TCP, UDP

from made_conversations import CLIENT, RESOLVER, SERVER, answered, client_hello, inspected_in
from portcall.decoding.decoder import Decoder
from portcall.errors import CaptureError
from portcall.flows.table import FlowTable
from portcall.inspection.server_names import ServerNames
from portcall.records.packets import NO_TIME
from portcall.sources.captures import open_capture

TOLD = ("application_protocol", "tls_server_name", "http_host", "hostname")
CAPTURES = sorted((Path(__file__).parents[2] / "captures").glob("*.pcap*"))


def inspected(path, *, with_details):
    """(ends, protocol, first name, names that resolvers gave either end for the other) of each flow."""
    names = ServerNames(with_details=with_details)
    table = FlowTable(seed=1, inspects=True)
    inspector = names.inspector_for(table)
    decoder, first_number = Decoder("inner"), 1
    try:
        for batch in open_capture(str(path)).source.batches():
            packets = decoder.decode(batch)
            inspector.inspect(batch, packets, table.update(packets, first_number), first_number)
            first_number += len(batch.frames)
    except CaptureError:
        pass  # what could be read counts
    inspector.finish()
    numbers, _ = inspector.of(np.arange(len(table)))
    return [
        (
            tuple(row[end].tobytes() for end in ("low", "high", "low_port", "high_port")),
            *_sent(names.detection(number)),
            *(_told(names, row[client], row[server]) for client, server in (("low", "high"), ("high", "low"))),
        )
        for row, number in zip(table.rows(), numbers.tolist(), strict=True)
    ]


def _sent(detection):
    """The protocol, and the name that rows would show."""
    return (detection.protocol, detection.names[0] if detection.names else None) if detection else (None, None)


def _told(names, client, server):
    """Each name with when it was told first and until when it held, whoever told it first."""
    return sorted(names._dns_cache.answered_before(client.tobytes(), server.tobytes(), NO_TIME))


def assert_same(path):
    plain, detailed = inspected(path, with_details=False), inspected(path, with_details=True)

    assert [pair for pair in zip(plain, detailed, strict=True) if pair[0] != pair[1]] == []


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)
def test_the_kernel_tells_what_the_dissectors_tell(path):
    assert_same(path)


def test_both_hear_something():
    office = next(path for path in CAPTURES if path.name == "office.pcapng")

    for with_details in (False, True):
        rows = inspected(office, with_details=with_details)
        assert any(name for _, _, name, *_ in rows)
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
