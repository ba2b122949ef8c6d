"""Conversations made with scapy and the ssl module, and what portcall hears in them."""

from __future__ import annotations

import ssl
from contextlib import suppress

import numpy as np
from scapy.layers.dns import DNS, DNSQR, DNSRR
from scapy.layers.inet import IP, TCP, UDP

from portcall.attribution.attribution import Attribution
from portcall.decoding.decoder import Decoder
from portcall.flows.table import FlowTable
from portcall.inspection.server_names import ServerNames
from portcall.records.packets import FRAME, FrameBatch

RAW_IP = 101
CLIENT, SERVER, RESOLVER = "10.0.0.1", "192.0.2.80", "10.0.0.53"
GET = b"GET /index.html HTTP/1.1\r\nHost: www.example.com\r\n\r\n"


def client_hello(name):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    connection = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname=name)
    with suppress(ssl.SSLWantReadError):
        connection.do_handshake()
    return outgoing.read()


def batch_of(packets, snap=None):
    """Packets, each a second after the one before, as frames of link type raw IP, of which so many bytes are kept."""
    whole = [bytes(packet) for packet in packets]
    contents = [content[:snap] for content in whole]
    frames = np.zeros(len(contents), FRAME)
    frames["captured"], frames["wire"] = list(map(len, contents)), list(map(len, whole))
    frames["offset"] = np.cumsum([0, *map(len, contents[:-1])])
    frames["ts_ns"] = 1_700_000_000 * 10**9 + np.arange(len(contents)) * 10**9
    frames["link"] = RAW_IP
    return FrameBatch(frames, np.frombuffer(b"".join(contents), np.uint8), 1)


def connection(sent, port=443, *, client_port=40000, answers=()):
    """A TCP connection: the handshake, then what the client says, in segments, and what the server answers."""
    to_server, to_client = IP(src=CLIENT, dst=SERVER), IP(src=SERVER, dst=CLIENT)
    ports, back = {"sport": client_port, "dport": port}, {"sport": port, "dport": client_port}
    packets = [
        to_server / TCP(**ports, flags="S", seq=1000),
        to_client / TCP(**back, flags="SA", seq=5000, ack=1001),
        to_server / TCP(**ports, flags="A", seq=1001, ack=5001),
    ]
    sequence = 1001
    for segment in sent:
        packets.append(to_server / TCP(**ports, flags="PA", seq=sequence, ack=5001) / segment)
        sequence += len(segment)
    sequence = 5001
    for segment in answers:
        packets.append(to_client / TCP(**back, flags="PA", seq=sequence, ack=1001) / segment)
        sequence += len(segment)
    return packets


def dialogue(turns, port, *, client_port=40000, over=TCP):
    """What client and server say in turn, the client first; an empty turn is passed over. TCP has its handshake."""
    if over is UDP:
        return [
            (IP(src=SERVER, dst=CLIENT) / UDP(sport=port, dport=client_port) if turn % 2
             else IP(src=CLIENT, dst=SERVER) / UDP(sport=client_port, dport=port)) / sent
            for turn, sent in enumerate(turns)
            if sent
        ]  # fmt: skip
    packets, sequences = connection([], port, client_port=client_port), [1001, 5001]
    for turn, sent in enumerate(turns):
        side = turn % 2
        if sent:
            source, target = (SERVER, CLIENT) if side else (CLIENT, SERVER)
            ports = {"sport": port, "dport": client_port} if side else {"sport": client_port, "dport": port}
            header = TCP(**ports, flags="PA", seq=sequences[side], ack=sequences[1 - side])
            packets.append(IP(src=source, dst=target) / header / sent)
            sequences[side] += len(sent)
    return packets


def answered(name, address=SERVER):
    """A question to the resolver and its answer."""
    question, answer = DNSQR(qname=name), DNSRR(rrname=name, rdata=address, ttl=60)
    return [
        IP(src=CLIENT, dst=RESOLVER) / UDP(sport=5000, dport=53) / DNS(qd=question),
        IP(src=RESOLVER, dst=CLIENT) / UDP(sport=53, dport=5000) / DNS(qr=1, qd=question, an=answer),
    ]


def names_by_dissectors():
    """What is collected where dissectors alone read hellos, as they do where the capture has secrets of TLS."""
    names = ServerNames(with_details=True)
    names.key_log["of a session that is nowhere", b""] = b""
    return names


def inspected_in(
    packets, *, by="flow", with_details=False, by_dissectors=False, batch_size=1000, snap=None, names=None
):
    """The rows of these packets, the most bytes first, listened to in batches."""
    names = names or (names_by_dissectors() if by_dissectors else ServerNames(with_details=with_details))
    table = FlowTable(inspects=True)
    inspector = names.inspector_for(table)
    decoder, number = Decoder(), 1
    for start in range(0, len(packets), batch_size):
        batch = batch_of(packets[start : start + batch_size], snap)
        decoded = decoder.decode(batch)
        inspector.inspect(batch, decoded, table.update(decoded, number), number)
        number += len(decoded)
    inspector.finish()
    attribution = Attribution(by, names=names)
    for rows, chunk in table.indexed_chunks():
        attribution.add(chunk, found=inspector.of(rows))
    return attribution.rows(table.tallies())
