"""Captures of many short conversations and a few long ones, as they pass in some time."""

from __future__ import annotations

from scapy.layers.dns import DNS, DNSQR
from scapy.layers.inet import IP, TCP, UDP

from capture_bytes import pcap_header, pcap_record

SECOND_NS = 1_000_000_000
CLIENT, SERVER, RESOLVER = "10.0.0.1", "198.51.100.7", "10.0.0.53"
_RAW = 101
_START_S = 1_700_000_000


def stream_records(seconds, every_s=0.2, start_s=0.0):
    """Records of pcap: a connection and a question each so often, and one conversation that never ends."""
    for number in range(round(start_s / every_s), round((start_s + seconds) / every_s)):
        now = number * every_s
        for at, content in _connection(number, now):
            yield _record(at, content)
        yield _record(now + 0.05, IP(src=CLIENT, dst="198.51.100.9") / UDP(sport=4500, dport=4500) / b"goes on")


def _connection(number, now):
    port = 20000 + number % 40000
    out, back = IP(src=CLIENT, dst=SERVER), IP(src=SERVER, dst=CLIENT)
    ask = IP(src=CLIENT, dst=RESOLVER) / UDP(sport=port, dport=53)
    yield now, ask / DNS(id=number & 0xFFFF, qd=DNSQR(qname=f"host{number % 9}.example"))
    yield now + 0.01, out / TCP(sport=port, dport=80, flags="S", seq=number)
    yield now + 0.02, back / TCP(sport=80, dport=port, flags="SA", seq=7, ack=number + 1)
    request = b"GET / HTTP/1.1\r\nHost: www%d.example\r\n\r\n" % (number // 5)
    yield now + 0.03, out / TCP(sport=port, dport=80, flags="PA", seq=number + 1, ack=8) / request
    if number % 3:
        yield now + 0.04, out / TCP(sport=port, dport=80, flags="FA", seq=number + 1 + len(request), ack=8)
        yield now + 0.04, back / TCP(sport=80, dport=port, flags="FA", seq=8, ack=number + 2 + len(request))


def _record(at_s, content):
    micro = round(at_s * 1_000_000)
    return pcap_record(bytes(content), seconds=_START_S + micro // 1_000_000, fraction=micro % 1_000_000)


def stream_header():
    """What goes before them."""
    return pcap_header(link=_RAW)


def write_stream(path, seconds):
    """A capture of so long."""
    path.write_bytes(stream_header() + b"".join(stream_records(seconds)))
