"""Frames written byte by byte, one or more for each link type and layer: they always hold the same UDP datagram.

Numbers are those of the standards that the kernels name beside their headers; nothing here is read from the kernels.
"""

from __future__ import annotations

import struct

PORTS = (1234, 5678)
CONTENT = b"what the transport carries"
ADDRESSES = bytes(range(12))
UDP, TCP = 17, 6


def ports(source=PORTS[0], target=PORTS[1]):
    return struct.pack(">HH", source, target)


def udp(content=CONTENT, source=PORTS[0], target=PORTS[1]):
    return ports(source, target) + struct.pack(">HH", 8 + len(content), 0) + content


def tcp(flags=0x18, content=CONTENT):
    return ports() + struct.pack(">IIBBHHH", 7, 8, 0x50, flags, 1000, 0, 0) + content


def ipv4(content, protocol=UDP, *, options=b"", fragment=0):
    total = 20 + len(options) + len(content)
    head = struct.pack(">BBHHHBBH", 0x45 + len(options) // 4, 0, total, 7, fragment, 64, protocol, 0)
    return head + bytes([10, 0, 0, 1, 10, 0, 0, 2]) + options + content


def ipv6(content, following=UDP):
    head = struct.pack(">IHBB", 0x60000000, len(content), following, 64)
    return head + b"\x20\x01" + bytes(13) + b"\x01" + b"\x20\x01" + bytes(13) + b"\x02" + content


def ethernet(ethertype, content):
    return ADDRESSES + struct.pack(">H", ethertype) + content


def snap(ethertype, content, organisation=b"\0\0\0"):
    return b"\xaa\xaa\x03" + organisation + struct.pack(">H", ethertype) + content


def wifi(content, *, kind=0x08, flags=0x01, between=b""):
    return bytes([kind, flags, 0, 0]) + bytes(20) + between + snap(0x0800, content)


def radiotap(content, *, present=0, fields=b""):
    return struct.pack("<BBHI", 0, 0, 8 + len(fields), present) + fields + content


def pktap(link, content):
    return struct.pack("<III", 108, 1, link) + bytes(24) + struct.pack("<I", 2) + bytes(68) + content


def erf(kind, content, extensions=b""):
    return (
        bytes(8)
        + struct.pack(">BBHHH", kind, 4, 16 + len(extensions + content), 0, len(content))
        + extensions
        + content
    )


def gre(ethertype, content, flags=0, between=b""):
    return struct.pack(">HH", flags, ethertype) + between + content


IP4 = ipv4(udp())
IP6 = ipv6(udp())
ETHERNET = ethernet(0x0800, IP4)
SUBFRAME = ADDRESSES + struct.pack(">H", 8 + len(IP4)) + snap(0x0800, IP4)

BY_LINK = {
    "BSD loopback, little endian": (0, struct.pack("<I", 2) + IP4),
    "BSD loopback, big endian": (0, struct.pack(">I", 2) + IP4),
    "BSD loopback, FreeBSD's IPv6": (0, struct.pack("<I", 28) + IP6),
    "BSD loopback, Darwin's IPv6": (0, struct.pack(">I", 30) + IP6),
    "Ethernet": (1, ETHERNET),
    "Ethernet, IPv6": (1, ethernet(0x86DD, IP6)),
    "Ethernet, padded": (1, ETHERNET + bytes(20)),
    "token ring": (6, b"\x10\x40" + ADDRESSES + snap(0x0800, IP4)),
    "token ring with a route": (6, b"\x10\x40" + bytes(6) + b"\x80" + bytes(5) + b"\x04\0\0\0" + snap(0x0800, IP4)),
    "ARCNET": (7, b"\x01\x02\xd4\0\0\0" + IP4),
    "ARCNET, RFC 1051": (7, b"\x01\x02\xf0" + IP4),
    "ARCNET, IPv6": (7, b"\x01\x02\xc4\0\0\0" + IP6),
    "ARCNET, exception frame": (7, b"\x01\x02\xd4\xff\xff\xff\xff\0\0\0" + IP4),
    "SLIP": (8, bytes(16) + IP4),
    "PPP": (9, b"\xff\x03\x00\x21" + IP4),
    "PPP, compressed": (9, b"\x21" + IP4),
    "PPP, IPv6": (9, b"\x00\x57" + IP6),
    "PPP, multilink": (9, b"\xff\x03\x00\x3d\xc0\0\0\x01\x00\x21" + IP4),
    "FDDI": (10, b"\x50" + ADDRESSES + snap(0x0800, IP4)),
    "raw, 12": (12, IP4),
    "raw, 14": (14, IP6),
    "PPP in HDLC framing": (50, b"\xff\x03\x00\x21" + IP4),
    "Cisco HDLC in its place": (50, b"\x0f\x00\x08\x00" + IP4),
    "PPPoE": (51, struct.pack(">BBHHH", 0x11, 0, 1, 2 + len(IP4), 0x21) + IP4),
    "RFC 1483, LLC": (100, snap(0x0800, IP4)),
    "RFC 1483, on its circuit": (100, IP4),
    "raw": (101, IP4),
    "raw, IPv6": (101, IP6),
    "Cisco HDLC": (104, b"\x0f\x00\x08\x00" + IP4),
    "Cisco HDLC, NLPID": (104, b"\x0f\x00\xfe\xfe\x03\xcc" + IP4),
    "802.11": (105, wifi(IP4)),
    "802.11, quality of service": (105, wifi(IP4, kind=0x88, between=b"\0\0")),
    "802.11, four addresses": (105, wifi(IP4, flags=0x03, between=bytes(6))),
    "802.11, high throughput": (105, wifi(IP4, kind=0x88, flags=0x81, between=bytes(6))),
    "802.11, aggregate": (105, b"\x88\x01" + bytes(22) + b"\x80\0" + SUBFRAME),
    "Classical IP over ATM": (106, snap(0x0800, IP4)),
    "frame relay": (107, b"\x18\x41\x03\xcc" + IP4),
    "frame relay, Cisco": (107, b"\x18\x41\x08\x00" + IP4),
    "frame relay, four bytes": (107, b"\x18\x40\x40\x41\x03\xcc" + IP4),
    "frame relay, SNAP": (107, b"\x18\x41\x03\x00\x80" + b"\0\0\0\x08\x00" + IP4),
    "frame relay, bridged": (107, b"\x18\x41\x03\x00\x80" + b"\0\x80\xc2\0\x07" + ETHERNET),
    "OpenBSD loopback": (108, struct.pack(">I", 2) + IP4),
    "cooked": (113, bytes(14) + b"\x08\x00" + IP4),
    "cooked, 802.2": (113, bytes(14) + b"\x00\x04" + snap(0x0800, IP4)),
    "cooked, 802.11": (113, b"\0\0" + struct.pack(">H", 801) + bytes(12) + wifi(IP4)),
    "prism": (119, struct.pack("<II", 0x44, 144) + bytes(136) + wifi(IP4)),
    "prism, big endian": (119, struct.pack(">II", 0x44, 144) + bytes(136) + wifi(IP4)),
    "AVS under prism's number": (119, struct.pack(">II", 0x80211001, 64) + bytes(56) + wifi(IP4)),
    "SunATM": (123, b"\x82\x01\0\x02" + snap(0x0800, IP4)),
    "radiotap": (127, radiotap(wifi(IP4))),
    "radiotap, padded header": (127, radiotap(wifi(IP4, kind=0x88, between=bytes(4)), present=2, fields=b"\x20")),
    "radiotap, timer and padded header": (
        127,
        radiotap(wifi(IP4, kind=0x88, between=bytes(4)), present=3, fields=bytes(8) + b"\x20"),
    ),
    "ARCNET on Linux": (129, b"\x01\x02\0\0\xd4\0\0\0" + IP4),
    "PKTAP under a user's number": (149, pktap(1, ETHERNET)),
    "AVS": (163, struct.pack(">II", 0x80211001, 64) + bytes(56) + wifi(IP4)),
    "pppd": (166, b"\x01\xff\x03\x00\x21" + IP4),
    "PPI, 802.11": (192, struct.pack("<BBHI", 0, 0, 8, 105) + wifi(IP4)),
    "PPI, Ethernet": (192, struct.pack("<BBHI", 0, 0, 12, 1) + bytes(4) + ETHERNET),
    "ERF, Ethernet": (197, erf(2, bytes(2) + ETHERNET)),
    "ERF, Ethernet, two extensions": (197, erf(0x82, b"\x83" + bytes(7) + b"\x04" + bytes(7) + bytes(2) + ETHERNET)),
    "ERF, Cisco HDLC": (197, erf(1, b"\x0f\x00\x08\x00" + IP4)),
    "ERF, PPP": (197, erf(1, b"\xff\x03\x00\x21" + IP4)),
    "ERF, IPv4": (197, erf(22, IP4)),
    "ERF, IPv6": (197, erf(23, IP6)),
    "PPP with direction": (204, b"\x00\xff\x03\x00\x21" + IP4),
    "MPLS": (219, b"\0\0\x11\x40" + IP4),
    "ipnet": (226, b"\x01\x02" + bytes(22) + IP4),
    "ipnet, IPv6": (226, b"\x01\x1a" + bytes(22) + IP6),
    "IPv4": (228, IP4),
    "IPv6": (229, IP6),
    "NFLOG": (239, b"\x02\0\0\0" + struct.pack("<HHI", 8, 1, 0) + struct.pack("<HH", 4 + len(IP4), 9) + IP4),
    "NFLOG, big endian": (239, b"\x0a\0\0\0" + struct.pack(">HH", 4 + len(IP6), 9) + IP6),
    "IP over InfiniBand": (242, bytes(40) + b"\x08\x00\0\0" + IP4),
    "PKTAP": (258, pktap(101, IP4)),
    "802.3br": (274, b"\x55" * 7 + b"\xd5" + ETHERNET),
    "cooked 2": (276, b"\x08\x00" + bytes(18) + IP4),
    "Broadcom's tag": (281, ADDRESSES + bytes(4) + b"\x08\x00" + IP4),
    "Marvell's tag": (284, ADDRESSES + bytes(4) + b"\x08\x00" + IP4),
}
"""A link type's number and a frame of it."""

LATER_LABEL, LAST_LABEL = b"\0\0\x10\x40", b"\0\0\x11\x40"
HOP_OPTIONS = bytes([UDP, 0]) + bytes(6)
BY_LAYER = {
    "802.1Q": ethernet(0x8100, b"\0\x05\x08\0" + IP4),
    "802.1ad": ethernet(0x88A8, b"\0\x05\x81\0\0\x06\x86\xdd" + IP6),
    "802.1ah": ethernet(0x88E7, bytes(4) + ETHERNET),
    "802.2 with SNAP": ethernet(8 + len(IP4), snap(0x0800, IP4)),
    "802.2, IP's access point": ethernet(3 + len(IP4), b"\x06\x06\x03" + IP4),
    "802.1Q, 802.2": ethernet(0x8100, b"\0\x05" + struct.pack(">H", 8 + len(IP4)) + snap(0x0800, IP4)),
    "VN-tag": ethernet(0x8926, bytes(4) + b"\x08\0" + IP4),
    "802.1BR": ethernet(0x893F, bytes(6) + b"\x08\0" + IP4),
    "Cisco meta data": ethernet(0x8909, b"\x01\x01\0\x01\0\x05\x08\0" + IP4),
    "802.1AE, integrity only": ethernet(0x88E5, b"\0\0\0\0\0\x01\x08\0" + IP4 + bytes(16)),
    "802.1AE, with identifier": ethernet(0x88E5, b"\x20\0\0\0\0\x01" + bytes(8) + b"\x08\0" + IP4 + bytes(16)),
    "TRILL": ethernet(0x22F3, bytes(6) + ETHERNET),
    "FabricPath": ethernet(0x8903, b"\x00\x40" + ETHERNET),
    "NSH": ethernet(0x894F, b"\x0f\xc6\x01\x01" + bytes(20) + IP4),
    "MPLS, two labels": ethernet(0x8847, LATER_LABEL + LAST_LABEL + IP4),
    "MPLS, IPv6": ethernet(0x8847, LAST_LABEL + IP6),
    "MPLS, Ethernet": ethernet(0x8847, LAST_LABEL + b"\x02" + ETHERNET[1:]),
    "MPLS, Ethernet with control word": ethernet(0x8847, LAST_LABEL + bytes(4) + ETHERNET),
    "PPPoE": ethernet(0x8864, struct.pack(">BBHHH", 0x11, 0, 1, 2 + len(IP4), 0x21) + IP4),
    "IPv4 options": ethernet(0x0800, ipv4(udp(), options=b"\x01" * 8)),
    "first fragment": ethernet(0x0800, ipv4(udp(), fragment=0x2000)),
    "hop-by-hop options": ethernet(0x86DD, ipv6(HOP_OPTIONS + udp(), 0)),
    "routing header": ethernet(0x86DD, ipv6(HOP_OPTIONS + udp(), 43)),
    "destination options": ethernet(0x86DD, ipv6(HOP_OPTIONS + udp(), 60)),
    "IPv6 first fragment": ethernet(0x86DD, ipv6(bytes([UDP, 0, 0, 1, 0, 0, 0, 9]) + udp(), 44)),
    "IPv6 whole fragment": ethernet(0x86DD, ipv6(bytes([UDP, 0, 0, 0, 0, 0, 0, 9]) + udp(), 44)),
    "IPv4 in IPv4": ethernet(0x0800, ipv4(IP4, 4)),
    "IPv6 in IPv4": ethernet(0x0800, ipv4(IP6, 41)),
    "IPv4 in IPv6": ethernet(0x86DD, ipv6(IP4, 4)),
    "IPv6 in IPv6": ethernet(0x86DD, ipv6(IP6, 41)),
    "MPLS in IPv4": ethernet(0x0800, ipv4(LAST_LABEL + IP4, 137)),
    "GRE": ethernet(0x0800, ipv4(gre(0x0800, IP4), 47)),
    "GRE, all options": ethernet(0x0800, ipv4(gre(0x86DD, IP6, 0xB000, bytes(12)), 47)),
    "GRE, Ethernet": ethernet(0x0800, ipv4(gre(0x6558, ETHERNET), 47)),
    "GRE, PPTP": ethernet(0x0800, ipv4(gre(0x880B, b"\xff\x03\x00\x21" + IP4, 0x3081, bytes(12)), 47)),
    "ERSPAN I": ethernet(0x0800, ipv4(gre(0x88BE, ETHERNET), 47)),
    "ERSPAN II": ethernet(0x0800, ipv4(gre(0x88BE, b"\x10\x05" + bytes(6) + ETHERNET, 0x1000, bytes(4)), 47)),
    "ERSPAN III": ethernet(0x0800, ipv4(gre(0x22EB, b"\x20\x05" + bytes(10) + ETHERNET, 0x1000, bytes(4)), 47)),
    "ERSPAN III with subheader": ethernet(
        0x0800, ipv4(gre(0x22EB, b"\x20\x05" + bytes(9) + b"\x01" + bytes(8) + ETHERNET, 0x1000, bytes(4)), 47)
    ),
    "GRE, Cisco meta data": ethernet(0x0800, ipv4(gre(0x8909, b"\x08\0\x01\x01\0\x01\0\x05" + IP4), 47)),
    "EtherIP": ethernet(0x0800, ipv4(b"\x30\0" + ETHERNET, 97)),
    "WCCP": ethernet(0x0800, ipv4(gre(0x883E, IP4), 47)),
    "WCCP 2": ethernet(0x0800, ipv4(gre(0x883E, bytes(4) + IP4), 47)),
}
"""Ethernet frames whose layers are walked through in either view."""


def tunnel(port, header, inside):
    return ethernet(0x0800, ipv4(udp(header + inside, source=40000, target=port)))


def capwap(inside, *, is_wireless):
    # 2 words of header, radio 1, binding 1 (802.11)
    return struct.pack(">IHH", 2 << 19 | 1 << 14 | 1 << 9 | is_wireless << 8, 0, 0) + inside


AYIYA = b"\x41\x52\x11\x29" + bytes(4 + 16 + 20)
SWAPPED_WIFI = b"\x01\x08" + wifi(IP4)[2:]
BY_TUNNEL = {
    "VXLAN": (4789, tunnel(4789, b"\x08" + bytes(7), ETHERNET)),
    "VXLAN-GPE": (4790, tunnel(4790, b"\x0c\0\0\x01" + bytes(4), IP4)),
    "GENEVE": (6081, tunnel(6081, b"\0\0\x65\x58" + bytes(4), ETHERNET)),
    "GENEVE with options": (6081, tunnel(6081, b"\x02\0\x08\0" + bytes(12), IP4)),
    "GTP-U": (2152, tunnel(2152, struct.pack(">BBHI", 0x30, 255, len(IP4), 1), IP4)),
    "GTP-U with extension": (
        2152,
        tunnel(2152, struct.pack(">BBHI", 0x34, 255, len(IP4) + 8, 1) + b"\0\0\0\x85\x01\0\0\0", IP4),
    ),
    "Teredo": (3544, tunnel(3544, b"", IP6)),
    "Teredo with origin": (3544, tunnel(3544, bytes(8), IP6)),
    "Teredo with authentication": (3544, tunnel(3544, b"\0\x01\0\0" + bytes(9), IP6)),
    "GRE in UDP": (4754, tunnel(4754, b"", gre(0x0800, IP4))),
    "LISP": (4341, tunnel(4341, bytes(8), IP4)),
    "LISP control": (4342, tunnel(4342, b"\x80\0\0\0", IP4)),
    "AYIYA": (5072, tunnel(5072, AYIYA, IP6)),
    "CAPWAP, 802.3": (5247, tunnel(5247, b"", capwap(ETHERNET, is_wireless=False))),
    "CAPWAP, 802.11": (5247, tunnel(5247, b"", capwap(SWAPPED_WIFI, is_wireless=True))),
    "L2TP": (1701, tunnel(1701, struct.pack(">HHH", 0x0002, 1, 2), b"\xff\x03\x00\x21" + IP4)),
    "L2TP, all options": (
        1701,
        tunnel(1701, struct.pack(">HHHHHHHH", 0x4A02, 0, 1, 2, 3, 4, 2, 0), b"\x00\x21" + IP4),
    ),
}
"""The tunnel's port, and an Ethernet frame with the datagram inside."""
OUTER_PORTS = 40000
