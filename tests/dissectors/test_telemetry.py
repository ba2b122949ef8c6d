"""Exports of NetFlow, IPFIX, sFlow and collectd, by the layouts of their documents."""

import struct

import pytest
from inspecting import UDP, inspect

from portcall.dissectors import telemetry

NETFLOW_5 = struct.pack(">HHIIIIHH", 5, 2, 1000, 1700000000, 0, 7, 0, 0) + bytes(96)
NETFLOW_9 = struct.pack(">HHIIII", 9, 1, 1000, 1700000000, 7, 1) + struct.pack(">HH", 0, 12) + bytes(8)
IPFIX = struct.pack(">HHIII", 10, 28, 1700000000, 7, 1) + struct.pack(">HH", 2, 12) + bytes(8)
SFLOW = struct.pack(">II4sIIII", 5, 1, b"\xc0\0\2\1", 0, 7, 1000, 1) + bytes(60)
COLLECTD = b"\0\0\0\x15" + b"host.example.com\0" + b"\0\x08\0\x0c" + bytes(8) + b"\0\2\0\x08cpu\0"
SAMPLES = [(UDP, data) for data in (NETFLOW_5, NETFLOW_9, IPFIX, SFLOW, COLLECTD)]


@pytest.mark.parametrize(
    ("sent", "protocol", "details"),
    [
        (NETFLOW_5, "netflow", {"version": "5"}),
        (NETFLOW_9, "netflow", {"version": "9"}),
        (IPFIX, "ipfix", {"version": "10"}),
        (SFLOW, "sflow", {"version": "5"}),
        (COLLECTD, "collectd", {"host": "host.example.com"}),
    ],
)
def test_an_export_tells_on_any_port(sent, protocol, details):
    inspected = inspect(telemetry, UDP, sent)

    assert (inspected.protocol, dict(inspected.details)) == (protocol, details)


@pytest.mark.parametrize("sent", [NETFLOW_5, NETFLOW_9, IPFIX, COLLECTD])
def test_what_does_not_fill_the_datagram_is_none(sent):
    assert inspect(telemetry, UDP, sent + bytes(5)) is None
