"""Tunnel ends and tagged ports in user space, for a capture lab: the outer headers are the kernel's own.

The recorder needs no tunnel or VLAN module of the kernel, so it runs in small virtual machines too.
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

from capture_lab import Link

if TYPE_CHECKING:
    from collections.abc import Callable

    from capture_lab import Host

ETHERTYPE_ALL, ETHERTYPE_IPV4 = 0x0003, 0x0800
SOL_PACKET, PACKET_AUXDATA, PACKET_IGNORE_OUTGOING = (
    263,
    8,
    23,
)  # linux/socket.h, linux/if_packet.h
GRE_PROTOCOL = 47
GENEVE_PORT, GTP_U_PORT = 6081, 2152  # IANA
GENEVE_HEADER = struct.pack(">BBHI", 0, 0, 0x6558, 78 << 8)  # version, flags, Ethernet inside, VNI 78: RFC 8926 §3.4
GTP_U_T_PDU = (0x30, 0xFF)  # version 1, no options; G-PDU: 3GPP TS 29.281 §5.1
GTP_U_TUNNEL = 79


def ip_in_ip(host: Host, device: int, here: str, there: str) -> Link:
    """IPv4 in IPv4 (RFC 2003)."""
    return _over_ip(host, device, here, there, socket.IPPROTO_IPIP, b"")


def six_in_four(host: Host, device: int, here: str, there: str) -> Link:
    """IPv6 in IPv4 (RFC 4213)."""
    return _over_ip(host, device, here, there, socket.IPPROTO_IPV6, b"")


def gre(host: Host, device: int, here: str, there: str) -> Link:
    """GRE without key or checksum around IPv4 (RFC 2784 §2.1)."""
    return _over_ip(host, device, here, there, GRE_PROTOCOL, struct.pack(">HH", 0, ETHERTYPE_IPV4))


def geneve(host: Host, device: int, here: str, there: str) -> Link:
    """GENEVE around Ethernet."""
    return Link(
        device,
        _over_udp(host, here, GENEVE_PORT),
        (there, GENEVE_PORT),
        wrap=lambda frame: GENEVE_HEADER + frame,
        unwrap=lambda received, _: received[len(GENEVE_HEADER) :],
    )


def gtp_u(host: Host, device: int, here: str, there: str) -> Link:
    """GTP-U around IPv4."""
    return Link(
        device,
        _over_udp(host, here, GTP_U_PORT),
        (there, GTP_U_PORT),
        wrap=lambda packet: struct.pack(">BBHI", *GTP_U_T_PDU, len(packet), GTP_U_TUNNEL) + packet,
        unwrap=lambda received, _: received[8:],
    )


TUNNELS: dict[str, Callable[[Host, int, str, str], Link]] = {
    "ipip": ip_in_ip,
    "sixinfour": six_in_four,
    "gretunnel": gre,
    "geneve": geneve,
    "gtpu": gtp_u,
}


def tagged_port(host: Host, device: int, *tags: tuple[int, int]) -> Link:
    """Ethernet frames of a TAP device on ``lan0``, behind (TPID, TCI) tags, outermost first (IEEE 802.1Q §9)."""
    with host.inside():
        carrier = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE_ALL))
        carrier.bind(("lan0", ETHERTYPE_ALL))
    carrier.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    carrier.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    header = b"".join(struct.pack(">HH", *tag) for tag in tags)

    def unwrap(received: bytes, taken_off: int) -> bytes | None:
        # The kernel hands the outermost tag over beside the frame.
        rest = (struct.pack(">I", taken_off) if taken_off else b"") + received[12:]
        has_our_tags = rest.startswith(header) and rest[len(header) : len(header) + 2] not in (b"\x81\0", b"\x88\xa8")
        return received[:12] + rest[len(header) :] if has_our_tags else None

    return Link(
        device,
        carrier,
        ("lan0", 0),
        wrap=lambda frame: frame[:12] + header + frame[12:],
        unwrap=unwrap,
    )


def _over_ip(host: Host, device: int, here: str, there: str, protocol: int, header: bytes) -> Link:
    carrier = host.socket(kind=socket.SOCK_RAW, protocol=protocol)
    carrier.bind((here, 0))

    def unwrap(received: bytes, _: int) -> bytes:
        return received[(received[0] & 15) * 4 + len(header) :]  # raw(7): the IPv4 header comes along

    return Link(device, carrier, (there, 0), wrap=lambda packet: header + packet, unwrap=unwrap)


def _over_udp(host: Host, here: str, port: int) -> socket.socket:
    carrier = host.socket(kind=socket.SOCK_DGRAM)
    carrier.bind((here, port))
    return carrier
