"""Captures made from other captures: compressed, damaged in one exact way, or with hostile names. Deterministic."""

from __future__ import annotations

import gzip
import struct
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SOURCE = "dns.pcap"
FILE_HEADER_BYTES, RECORD_HEADER_BYTES = 24, 16  # draft-ietf-opsawg-pcap §4, §5
HOSTILE_NAMES = (
    b"\x1b]0;owned\x07.example.com",  # sets a terminal's title
    b"\x1b[2J\x1b[31mred.example.com",  # clears the screen, colours it
    "\u202emoc.knab\u202c.example.com".encode(),  # shows the text backwards
    b"nul\x00inside.example.com",
    b"line\r\nbreak.example.com",
    b"\xff\xfe\xc3.example.com",  # no UTF-8
    b"<script>alert(1)</script>.example",
    b"=cmd|' /C calc'!A0.example",  # a formula, in a spreadsheet
)


def cut_in_a_frame(folder: Path, out: Path) -> None:
    """Ends in the middle of its eleventh frame."""
    content = (folder / SOURCE).read_bytes()
    out.write_bytes(content[: _record_offset(content, 10) + RECORD_HEADER_BYTES + 20])


def cut_in_a_header(folder: Path, out: Path) -> None:
    """Ends in the middle of its eleventh record header."""
    content = (folder / SOURCE).read_bytes()
    out.write_bytes(content[: _record_offset(content, 10) + 7])


def bad_length(folder: Path, out: Path) -> None:
    """Its sixth record claims 2 GB of captured bytes; good records follow."""
    content = bytearray((folder / SOURCE).read_bytes())
    struct.pack_into("<I", content, _record_offset(content, 5) + 8, 0x7FFFFFFF)
    out.write_bytes(content)


def block_claims_4_gigabytes(folder: Path, out: Path) -> None:
    """Its eighth pcapng block claims to be 4 GB long; good blocks follow."""
    content = bytearray((folder / "cooked.pcapng").read_bytes())
    offset = 0
    for _ in range(7):
        offset += struct.unpack_from("<I", content, offset + 4)[0]
    struct.pack_into("<I", content, offset + 4, 0xFFFFFFFC)
    out.write_bytes(content)


def not_a_capture(_: Path, out: Path) -> None:
    """Text."""
    out.write_text("This is a shopping list, not a capture:\napples\npears\n")


def empty(_: Path, out: Path) -> None:
    """No byte at all."""
    out.write_bytes(b"")


def no_frames(folder: Path, out: Path) -> None:
    """A whole file header and no frame: a capture of silence, not damaged."""
    out.write_bytes((folder / SOURCE).read_bytes()[:FILE_HEADER_BYTES])


def damaged_gzip(folder: Path, out: Path) -> None:
    """A gzip stream with flipped bytes after its middle: what came before can be read."""
    content = bytearray(gzip.compress((folder / "ssh.pcap").read_bytes(), mtime=0))
    for offset in range(len(content) // 2, len(content) // 2 + 40):
        content[offset] ^= 0xFF
    out.write_bytes(content)


def names_with_escapes(_: Path, out: Path) -> None:
    """DNS names, TLS server names and HTTP hosts with terminal escapes, bidi marks, NUL, markup and formulas."""
    from scapy.layers.inet import IP, TCP, UDP
    from scapy.layers.l2 import Ether

    ethernet = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
    client, name_server = "10.20.0.10", "192.0.2.53"
    frames = []
    for number, name in enumerate(HOSTILE_NAMES):
        server, port = f"198.51.100.{number + 1}", 40000 + number
        query = UDP(sport=port, dport=53) / _dns(name, None)
        answer = UDP(sport=53, dport=port) / _dns(name, bytes([198, 51, 100, number + 1]))
        frames += [
            IP(src=client, dst=name_server) / query,
            IP(src=name_server, dst=client) / answer,
        ]
        request = b"GET / HTTP/1.1\r\nHost: " + name + b"\r\n\r\n"
        for service, payload in ((443, _client_hello(name)), (80, request)):
            prefix = TCP(sport=port, dport=service, seq=1, flags="S")
            talk = TCP(sport=port, dport=service, seq=2, ack=1, flags="PA") / payload
            frames += [
                IP(src=client, dst=server) / prefix,
                IP(src=client, dst=server) / talk,
            ]
    _write_pcap(out, [bytes(ethernet / frame) for frame in frames])


def compressed_gz(folder: Path, out: Path) -> None:
    """The DNS capture in gzip."""
    out.write_bytes(gzip.compress((folder / SOURCE).read_bytes(), mtime=0))


def compressed_zst(folder: Path, out: Path) -> None:
    """The DNS capture in Zstandard."""
    _compress(folder, out, "zstd", "-19")


def compressed_xz(folder: Path, out: Path) -> None:
    """The DNS capture in xz."""
    _compress(folder, out, "xz")


def compressed_lz4(folder: Path, out: Path) -> None:
    """The DNS capture in lz4."""
    _compress(folder, out, "lz4", "-9")


DERIVED: dict[str, Callable[[Path, Path], None]] = {
    "compressed/dns.pcap.gz": compressed_gz,
    "compressed/dns.pcap.zst": compressed_zst,
    "compressed/dns.pcap.xz": compressed_xz,
    "compressed/dns.pcap.lz4": compressed_lz4,
    "broken/cut-in-a-frame.pcap": cut_in_a_frame,
    "broken/cut-in-a-header.pcap": cut_in_a_header,
    "broken/bad-length.pcap": bad_length,
    "broken/block-claims-4-gigabytes.pcapng": block_claims_4_gigabytes,
    "broken/not-a-capture.txt": not_a_capture,
    "broken/empty.pcap": empty,
    "broken/no-frames.pcap": no_frames,
    "broken/damaged.pcap.gz": damaged_gzip,
    "broken/names-with-escapes.pcap": names_with_escapes,
}
"""File name below ``captures/``: what makes it, from that folder."""


def _record_offset(content: bytes | bytearray, number: int) -> int:
    offset = FILE_HEADER_BYTES
    for _ in range(number):
        offset += RECORD_HEADER_BYTES + struct.unpack_from("<I", content, offset + 8)[0]
    return offset


def _compress(folder: Path, out: Path, *command: str) -> None:
    content = (folder / SOURCE).read_bytes()
    out.write_bytes(subprocess.run([*command, "-c"], input=content, capture_output=True, check=True).stdout)


def _write_pcap(out: Path, frames: list[bytes]) -> None:
    parts = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)]
    for number, frame in enumerate(frames):  # a millisecond apart, from 2026-01-01
        parts.append(struct.pack("<IIII", 1767225600, number * 1000, len(frame), len(frame)) + frame)
    out.write_bytes(b"".join(parts))


def _dns(name: bytes, address: bytes | None) -> bytes:
    """A query for a name's address, or its answer (RFC 1035 §4)."""
    labels = b"".join(bytes([len(label)]) + label for label in name.split(b".")) + b"\0"
    question = labels + struct.pack(">HH", 1, 1)
    if address is None:
        return struct.pack(">6H", 7, 0x0100, 1, 0, 0, 0) + question
    answer = struct.pack(">HHHIH", 0xC00C, 1, 1, 300, 4) + address
    return struct.pack(">6H", 7, 0x8180, 1, 1, 0, 0) + question + answer


def _client_hello(name: bytes) -> bytes:
    """The least TLS ClientHello with a server name (RFC 8446 §4.1.2, RFC 6066 §3)."""
    entry = b"\0" + struct.pack(">H", len(name)) + name
    extension = struct.pack(">HHH", 0, len(entry) + 2, len(entry)) + entry
    body = b"\x03\x03" + bytes(32) + b"\0" + struct.pack(">HHBB", 2, 0x1301, 1, 0)
    body += struct.pack(">H", len(extension)) + extension
    handshake = b"\x01" + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x01" + struct.pack(">H", len(handshake)) + handshake
