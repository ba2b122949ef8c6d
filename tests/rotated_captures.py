"""A folder of rotated captures of two sensors, with all that a cut can separate, and rows that compare."""

from __future__ import annotations

import gzip
import random
import struct

from scapy.layers.dns import DNS, DNSQR, DNSRR
from scapy.layers.inet import IP, TCP, UDP, fragment
from scapy.packet import Raw

from capture_bytes import NANOSECONDS, pcap_header
from made_conversations import GET, client_hello

RAW_IP = 101
SECOND = 10**9
START_NS = 1_700_000_000 * SECOND
FILE_NS = 100 * SECOND
IDLE_NS = 60 * SECOND
FILES = 5
_SEED = 20


class Timed:
    """Packets of one sensor with their times, on the clock of the whole."""

    def __init__(self):
        self.packets = []

    def add(self, at_ns, packet):
        self.packets.append((START_NS + at_ns, bytes(packet)))

    def connection(self, at_ns, client, server, *, port=443, client_port=40000, sequence=1000, turns=(), gap_ns=10**6):
        """Handshake and what is said in turn, the client first; gives when it is over and where each end is."""
        ends = [IP(src=client, dst=server) / TCP(sport=client_port, dport=port)]
        ends.append(IP(src=server, dst=client) / TCP(sport=port, dport=client_port))
        next_of = [sequence + 1, 5001]

        def send(side, flags, payload=b""):
            nonlocal at_ns
            packet = ends[side].copy()
            packet[TCP].flags, packet[TCP].seq, packet[TCP].ack = flags, next_of[side], next_of[1 - side]
            self.add(at_ns, packet / Raw(payload) if payload else packet)
            next_of[side] += len(payload)
            at_ns += gap_ns

        next_of[0] = sequence
        send(0, "S")
        next_of[0] = sequence + 1
        next_of[1] = 5000
        send(1, "SA")
        next_of[1] = 5001
        send(0, "A")
        for number, payload in enumerate(turns):
            if payload:
                send(number % 2, "PA", payload)
        return at_ns, send


def first_sensor():
    """What the first one sees, over five files of 100 s."""
    made = Timed()
    # A conversation over all files, whose name is in the first only; a hello that a cut halves; one reset and re-used.
    hello = client_hello("long.example.com")
    made.connection(1 * SECOND, "10.0.0.1", "192.0.2.1", turns=[hello], gap_ns=SECOND // 10)
    for at in range(20, 480, 20):
        made.add(
            at * SECOND,
            IP(src="192.0.2.1", dst="10.0.0.1")
            / TCP(sport=443, dport=40000, flags="A", seq=6000 + at)
            / Raw(bytes(50)),
        )
    cut = client_hello("halved.example.com")
    halves = [cut[:200], b"", cut[200:]]
    made.connection(FILE_NS - 4 * SECOND // 10, "10.0.0.2", "192.0.2.2", turns=halves, gap_ns=SECOND // 10 + 10**7)
    made.connection(50 * SECOND, "10.0.0.3", "192.0.2.3", sequence=1, turns=[client_hello("one.example.com")])
    made.add(99 * SECOND, IP(src="10.0.0.3", dst="192.0.2.3") / TCP(sport=40000, dport=443, flags="R", seq=700))
    made.connection(101 * SECOND, "10.0.0.3", "192.0.2.3", sequence=9, turns=[client_hello("two.example.com")])
    # Gaps of exactly the longest silence, and a nanosecond more, over a cut.
    for host, more_ns in (("192.0.2.10", 0), ("192.0.2.11", 1)):
        for at_ns in (170 * SECOND, 170 * SECOND + IDLE_NS + more_ns):
            made.add(at_ns, IP(src="10.0.0.4", dst=host) / UDP(sport=5000, dport=4000) / Raw(b"\x00\x01unknown"))
    # An answer in one file, the connection in another; over TCP, a message that a cut halves.
    question, answer = DNSQR(qname="told.example.com"), DNSRR(rrname="told.example.com", rdata="192.0.2.20", ttl=3600)
    resolver = IP(src="10.0.0.53", dst="10.0.0.5") / UDP(sport=53, dport=5353)
    made.add(30 * SECOND, resolver / DNS(qr=1, qd=question, an=answer))
    made.connection(330 * SECOND, "10.0.0.5", "192.0.2.20", port=4433, turns=[b"\x00\x01unknown", b"\x02"])
    question, answer = DNSQR(qname="tcp.example.com"), DNSRR(rrname="tcp.example.com", rdata="192.0.2.21", ttl=3600)
    asked, said = (bytes(DNS(id=7, qd=question)), bytes(DNS(id=7, qr=1, qd=question, an=answer)))
    asked, said = (struct.pack(">H", len(one)) + one for one in (asked, said))
    turns = [asked, said[:20], b"", said[20:]]
    made.connection(
        2 * FILE_NS - 45 * SECOND // 100, "10.0.0.6", "10.0.0.53", port=53, turns=turns, gap_ns=SECOND // 10
    )
    made.connection(350 * SECOND, "10.0.0.6", "192.0.2.21", port=4433, turns=[b"\x00\x01unknown", b"\x02"])
    # FTP whose greeting, announcement and transfer are in three files; datagrams in fragments over a cut.
    made.connection(
        280 * SECOND, "10.0.0.7", "192.0.2.30", port=21, turns=[b"", b"220 FTP server ready\r\n", b"USER anna\r\n"]
    )
    for at in (290, 295):
        made.add(
            at * SECOND,
            IP(src="10.0.0.7", dst="192.0.2.30") / TCP(sport=40000, dport=21, flags="PA", seq=1012) / Raw(b"PASV\r\n"),
        )
    made.add(
        301 * SECOND,
        IP(src="192.0.2.30", dst="10.0.0.7")
        / TCP(sport=21, dport=40000, flags="PA", seq=5023)
        / Raw(b"227 Entering Passive Mode (192,0,2,30,199,56).\r\n"),
    )
    made.connection(
        302 * SECOND, "10.0.0.7", "192.0.2.30", port=51000, client_port=40001, turns=[b"", bytes(range(128, 200))]
    )
    first, *others = fragment(
        IP(src="10.0.0.8", dst="192.0.2.40", id=77) / UDP(sport=40000, dport=4000) / Raw(bytes(3000)), 600
    )
    for number, piece in enumerate([others[0], first, *others[1:]]):
        made.add(2 * FILE_NS - 2 * SECOND + number * SECOND, piece)
    # What is over within its file, the elephant, and what is no IP.
    for number in range(60):
        at_ns = (number % FILES) * FILE_NS + 70 * SECOND // 10 + number * SECOND
        made.connection(at_ns, f"10.1.0.{number}", "192.0.2.50", port=80, turns=[GET, b"HTTP/1.1 200 OK\r\n\r\n"])
    for number in range(2000):
        made.add(
            10 * SECOND + number * 240 * SECOND // 1000,
            IP(src="192.0.2.60", dst="10.0.0.9") / UDP(sport=4500, dport=4501) / Raw(bytes(20)),
        )
    return made.packets


def second_sensor():
    """What another one sees at the same time, of it the same conversation once more."""
    made = Timed()
    for number in range(40):
        made.connection(number * 11 * SECOND, "10.0.0.1", "192.0.2.1", client_port=50000 + number, turns=[GET])
        made.connection(
            number * 7 * SECOND + 5, f"10.2.0.{number}", "192.0.2.70", turns=[client_hello("b.example.org")]
        )
    for at in range(40, 480, 40):
        made.add(
            at * SECOND + 3,
            IP(src="192.0.2.1", dst="10.0.0.1")
            / TCP(sport=443, dport=40000, flags="A", seq=6000 + at)
            / Raw(bytes(50)),
        )
    return made.packets


def write_uneven(folder):
    """Rotated captures of one sensor, one of them 50 times as large as any other: an elephant came. In no order."""
    folder.mkdir(exist_ok=True)
    packets = second_sensor()
    datagrams = [bytes(IP(src="192.0.2.60", dst="10.0.0.9") / UDP(sport=4500, dport=4501) / Raw(bytes(1400)))]
    packets += [(START_NS + 2 * FILE_NS + at * SECOND // 20, datagrams[0]) for at in range(1, 600)]
    paths = []
    for number in range(2 * FILES):  # of half the time each, so that the others are small
        begin = START_NS + number * FILE_NS // 2
        of_file = [packet for packet in sorted(packets) if begin <= packet[0] < begin + FILE_NS // 2]
        paths.append(folder / f"{number}.pcap")
        paths[-1].write_bytes(pcap_of(of_file))
    return random.Random(_SEED).sample([str(path) for path in paths], len(paths))


def pcap_of(packets):
    """A capture of packets with times."""
    records = [
        struct.pack("<IIII", at_ns // SECOND, at_ns % SECOND, len(content), len(content)) + content
        for at_ns, content in packets
    ]
    return pcap_header(magic=NANOSECONDS, link=RAW_IP) + b"".join(records)


def write_rotated(folder):
    """Write them all; gives their paths in no order."""
    paths = []
    for name, packets in (("east", first_sensor()), ("west", second_sensor())):
        (folder / name).mkdir()
        in_time = sorted(packets, key=lambda packet: packet[0])
        for number in range(FILES):
            begin = START_NS + number * FILE_NS
            end = begin + FILE_NS if number < FILES - 1 else begin + 1000 * FILE_NS
            data = pcap_of([packet for packet in in_time if begin <= packet[0] < end])
            if name == "east" and number == 1:
                paths.append(folder / name / f"{number}.pcap.gz")
                paths[-1].write_bytes(gzip.compress(data))
                continue
            if name == "west" and number == FILES - 1:
                data = data[:-7]  # as where the disk was full
            paths.append(folder / name / f"{number}.pcap")
            paths[-1].write_bytes(data)
    paths.append(folder / "east" / "empty.pcap")
    paths[-1].write_bytes(b"")
    paths.append(folder / "east" / "header.pcap")
    paths[-1].write_bytes(pcap_header(magic=NANOSECONDS, link=RAW_IP))
    return random.Random(_SEED).sample([str(path) for path in paths], len(paths))
