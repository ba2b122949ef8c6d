"""Protocols that a pattern and a length tell on any port; they stand in a table, the source of each beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._families import wait_for_more
from portcall.dissectors._inside import with_upgrade
from portcall.dissectors._prefixes import DIGITS, LETTERS, ZERO, together
from portcall.dissectors._rules import Length, Rule
from portcall.records.detections import TCP, UDP, Role

if TYPE_CHECKING:
    from portcall.dissectors._prefixes import Prefix
    from portcall.records.detections import Detection, Ends, Payload, Wait

TRANSPORTS = frozenset({TCP, UDP})
CERTAINTY = Certainty.STRUCTURE
PORTS: frozenset[int] = frozenset()
PREFIXES: dict[int, tuple[Prefix, ...]] = {
    TCP: (
        {**dict.fromkeys(range(16), b"\xff"), 16: range(17), 18: range(1, 6)},  # BGP
        {0: b"\xff", **dict.fromkeys(range(1, 8), ZERO), 8: b"\0\1", 9: b"\x7f"},  # ZMTP
        {0: b"\1", 1: b"\1", 4: ZERO, 5: b"\x08", 7: ZERO, 8: ZERO, 9: range(1, 4)},  # FastCGI
        {0: b"\1", 1: ZERO, 6: ZERO, 7: b"\1", 8: ZERO, 9: ZERO},  # DICOM
        together(b"\1\0\0\0\0\0\0\0", b"\1\0\0\0\1\0\0\0"),  # raft, Radmin
        {0: b"\1", 1: b"IiSs", 2: DIGITS, 3: DIGITS},
        together(b"\x12\x34"),
        {0: ZERO, 1: ZERO, 2: ZERO, 3: range(4), 4: b"I", 5: b"H"},  # NBD
        {0: b"\3\x43", 2: ZERO, 3: ZERO, 48: b"I"},
        {0: b"\3", 5: ZERO, 6: ZERO, 7: ZERO, 8: ZERO},
        {0: b"\x80", 1: b"\1", 2: ZERO, 3: range(1, 5)},  # Thrift, plain and framed
        {0: ZERO, 1: range(16), 4: b"\x80", 5: b"\1", 6: ZERO},
        {0: b"\xe3", 3: ZERO, 4: ZERO, 5: b"\1\x4c"},
        {0: b"{", 1: b'" \t\n\r\f\v'},  # JSON
        {0: b"R", 1: b"ABC", 2: range(0x10, 0x17), 3: range(0x10, 0x17)},
        {0: b"0", 1: b" ", 2: b"_^" + LETTERS + DIGITS},
        together(b"\x17\x24\x0a\x20"),
        {0: b"lB", 1: ZERO, 2: b"\0\x0b", 3: b"\0\x0b"},
        together(b"NBDMAGIC"),
        {0: ZERO, 2: ZERO, 3: b"\1", 4: b"\x1a"},
        {0: ZERO, 1: ZERO, 4: b"\1", 5: b"A", 6: b"c"},
        {0: b"H", 1: b"S", 2: b"\0\1", 8: ZERO},
    ),
    UDP: (
        {0: b"\x82", 1: b"\x21\x41\x61\x81"},
        {**dict.fromkeys(range(10), ZERO), 10: b"\3"},
        {0: b"\1\2", **together(b"\0\xff\xff\0", at=9)},  # RakNet
        {0: b"\5\6\7\x08\x19", 2: b"\0\xff", 3: b"\xff", 4: b"\0\xff"},
        {0: b"\x1c", **together(b"\0\xff\xff\0", at=17)},
        {0: b"\0\1", **together(b"sdp", at=2)},
        {0: ZERO, 12: range(1, 9), 13: b"SP", 14: b"NE"},
        together(b"AUEP", b"AUCX", b"CRCX", b"MLCX", b"DDCX", b"EPCF", b"NTFY", b"RQNT", b"RSIP"),
        together(b"\2\0\2\x80"),
        together(b"\xff\xff\xff\xff"),  # Valve's, and Magic Packets
        together(b"IP="),
        {**together(b"\0\0\0"), 3: range(1, 65), 4: ZERO, 5: ZERO, 6: ZERO},
        together(b"\0\0\x55\xaa"),
        {0: ZERO, 1: b"\1\2", 2: ZERO, 3: b"\x46"},
        together(b"\x13\x37\xca\xfe"),
        together(b"\x80\0\0\0\0\0\0\0"),
        {0: b"\x47", 188: b"\x47"},
        {0: b"\x10", 2: range(1, 21)},
        {0: b"<", 1: b"!?_" + LETTERS},
    ),
}

_MOST_HELD_BYTES = 48
"""A stream shorter than this may still grow into a pattern that begins like it."""

_RULES = (
    # RFC 4271 §4.1: a marker of ones, length, kind 1 to 5.
    Rule("bgp", TCP, b"\xff", rb"\xff{16}[\x00-\x10].[\x01-\x05]", least=19),
    # FastCGI 1.0 §5.1: BEGIN_REQUEST has 8 bytes, a role from 1 to 3, one flag, five zero bytes.
    Rule("fastcgi", TCP, b"\1", rb"\x01\x01..\x00\x08.\x00\x00[\x01-\x03][\x00\x01]\x00{5}", role=Role.CLIENT),
    # Apache's AJPv13: a forwarded request with its protocol, or a ping.
    Rule("ajp", TCP, b"\x12", rb"\x12\x34..\x02[\x01-\x1b]\x00\x08HTTP/1", role=Role.CLIENT),
    Rule("ajp", TCP, b"\x12", rb"\x12\x34\x00\x01\x0a", role=Role.CLIENT),
    # DICOM PS3.8 §9.3: an association request with two titles of printable characters.
    Rule("dicom", TCP, b"\1", rb"\x01\x00.{4}\x00\x01\x00\x00[ -~]{32}", Length(2, 4, 6), role=Role.CLIENT),
    # RFC 7143 §11.12: a login request of version 0 whose text, behind 48 bytes, names the initiator.
    Rule("iscsi", TCP, b"\x03\x43", rb"[\x03\x43].\x00\x00.{44}InitiatorName=iqn", role=Role.CLIENT),
    # Thrift's binary and compact protocols: version, kind, and a method's name.
    Rule(
        "thrift",
        TCP,
        b"\x80",
        rb"\x80\x01\x00[\x01-\x04]\x00\x00\x00.[A-Za-z_][A-Za-z0-9_:]",
        asks=rb"\x80\x01\x00[\x01\x04]",
        answers=rb"\x80\x01\x00[\x02\x03]",
    ),
    Rule(
        "thrift",
        TCP,
        b"\0",
        rb"\x00[\x00-\x0f]..\x80\x01\x00[\x01-\x04]\x00\x00\x00.[A-Za-z_][A-Za-z0-9_:]",
        asks=rb".{4}\x80\x01\x00[\x01\x04]",
        answers=rb".{4}\x80\x01\x00[\x02\x03]",
    ),
    Rule(
        "thrift",
        UDP,
        b"\x82",
        rb"\x82[\x21\x41\x61\x81][\x80-\xff]{0,4}[\x00-\x7f][\x03-\x40][A-Za-z_]{3}",
        asks=rb"\x82[\x21\x81]",
        answers=rb"\x82[\x41\x61]",
    ),
    # eDonkey's hello and its answer, which begin with the 16 of a hash's size or the hash (eMule's opcodes.h).
    Rule("edonkey", TCP, b"\xe3", rb"\xe3..\x00\x00(?:\x01\x10|\x4c)", Length(1, 4, 5, "little"), least=38),
    # Canonical's raft: protocol 1, the server's number, the length of its address, the address.
    Rule("raft", TCP, b"\1", rb"\x01\x00{7}.{8}[\x08-\x40]\x00{7}[0-9A-Za-z\[][0-9A-Za-z.:\]-]+:\d+\x00"),
    # Stratum, over TCP, in JSON: the methods of mining pools.
    Rule(
        "mining",
        TCP,
        b"{",
        rb'\{(?=\s{0,8}")[^\r\n]{0,512}"method" ?: ?"(?:mining\.|eth_submit|eth_getWork|getjobtemplate)',
    ),
    Rule(
        "mining",
        TCP,
        b"{",
        rb'\{(?=\s{0,8}")[^\r\n]{0,64}"method" ?: ?"login"[^\r\n]{0,32}"params" ?: ?\{[^\r\n]{0,512}"agent"',
    ),
    # Nano's node protocol: R and the network, three versions, a kind.
    Rule("nano", TCP, b"R", rb"R[ABC]([\x10-\x16])[\x10-\x16][\x10-\x16][\x02-\x10][\x00-\x1f]", least=8),
    # Veeder-Root's TLS-350 tank gauges: SOH, I or S, function and tank in five digits.
    Rule("tank-gauge", TCP, b"\1", rb"\x01[IiSs][1-9]\d{4}", least=7),
    # tinc's ID request: number 0, the name, version 17 of the protocol.
    Rule("tinc", TCP, b"0", rb"0 [A-Za-z0-9_^]{1,64} 17(?:\.\d{1,2})?\n"),
    # TeamViewer's first commands, by what its connections begin with.
    Rule("teamviewer", TCP, b"\x17", rb"\x17\x24\x0a\x20\x00", role=Role.CLIENT),
    Rule("teamviewer", UDP, b"\0", rb"\x00{10}\x03\x17\x24"),
    # X11's connection set-up: byte order, protocol 11.0.
    Rule("x11", TCP, b"l", rb"l\x00\x0b\x00\x00\x00..", least=12, role=Role.CLIENT),
    Rule("x11", TCP, b"B", rb"B\x00\x00\x0b\x00\x00..", least=12, role=Role.CLIENT),
    # RTMP §5.2: version 3, then 1536 bytes that begin with a time and four zero bytes.
    Rule("rtmp", TCP, b"\3", rb"\x03.{4}\x00{4}[^\x00]", least=1537),
    # Radmin 2 and 3's first request, NBD's newstyle negotiation.
    Rule("radmin", TCP, b"\1", rb"\x01\x00\x00\x00\x01\x00\x00\x00\x08\x08", role=Role.CLIENT),
    Rule("nbd", TCP, b"N", rb"NBDMAGIC(?:IHAVEOPT|\x00\x00\x42\x02\x81\x86\x12\x53)", role=Role.SERVER),
    Rule("nbd", TCP, b"\0", rb"\x00{3}[\x00-\x03]IHAVEOPT", role=Role.CLIENT),
    # RFC 2637 §2.1: length, kind 1 (control), the cookie. OpenWire's WireFormatInfo.
    Rule(
        "pptp",
        TCP,
        b"\0",
        rb"\x00.\x00\x01\x1a\x2b\x3c\x4d",
        Length(0, 2),
        asks=rb".{8}\x00\x01",
        answers=rb".{8}\x00\x02",
    ),
    Rule("openwire", TCP, b"\0", rb"\x00{2}..\x01ActiveMQ"),
    # RakNet's offline messages: a magic behind the kind, behind a time, behind a time and a GUID.
    Rule("raknet", UDP, b"\1\2", rb"..{8}\x00\xff\xff\x00(?:\xfe{4})(?:\xfd{4})\x12\x34\x56\x78", role=Role.CLIENT),
    Rule(
        "raknet",
        UDP,
        b"\5\6\7\x08\x19",
        rb"..?\x00\xff\xff\x00(?:\xfe{4})(?:\xfd{4})\x12\x34\x56\x78",
        asks=rb"[\x05\x07]",
        answers=rb"[\x06\x08\x19]",
    ),
    Rule("raknet", UDP, b"\x1c", rb"..{16}\x00\xff\xff\x00(?:\xfe{4})(?:\xfd{4})\x12\x34\x56\x78", role=Role.SERVER),
    # Steam's relays are measured by these; Agora's network names whom it wants, and who answers.
    Rule("steam-relay", UDP, b"\0\1", rb"..sdping"),
    Rule("sd-rtn", UDP, b"\0", rb".{12}[\x01-\x08](?:SNI\x00|PEID)"),
    # ZMTP 3.1 §3.1: a greeting is signed by ff, eight bytes, 7f.
    Rule("zmtp", TCP, b"\xff", rb"\xff\x00{7}[\x00\x01]\x7f"),
    # RFC 3435 §3.2.1: verb, transaction, endpoint, version.
    Rule(
        "mgcp",
        UDP,
        b"ACDEMNR",
        rb"(?:AU(?:EP|CX)|[CMD][RLD]CX|EPCF|NTFY|RQNT|RSIP) \d{1,9} [!-~]{1,255} MGCP 1\.0",
        role=Role.CLIENT,
    ),
    # JSON-RPC 2.0 §4, as one line or bare over TCP.
    Rule("json-rpc", TCP, b"{", rb'\{\s{0,8}"jsonrpc"\s?:\s?"[12]\.0"'),
    # IVI-6.1 §2.3: prologue, an Initialize without payload.
    Rule("hislip", TCP, b"H", rb"HS[\x00\x01].{5}\x00{7}", least=16, asks=rb"HS\x00", answers=rb"HS\x01"),
    # CIP volume 2 §3-2.2: a sequenced address item of 8 bytes, then connected data.
    Rule("cip-io", UDP, b"\2", rb"\x02\x00\x02\x80\x08\x00.{8}\xb1\x00"),
    # Ones, then sixteen times the address: AMD's Magic Packet white paper.
    Rule("wake-on-lan", UDP, b"\xff", rb"\xff{6}(.{6})\1{15}", least=102),
    # SoftEther's NAT traversal servers tell a host how it looks from outside.
    Rule("softether", UDP, b"I", rb"IP=\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3},PORT=\d{1,5}\Z", role=Role.SERVER),
    # SoftEther's packs: how many values, then n and name, kind and how many.
    Rule(
        "softether",
        UDP,
        b"\0",
        rb"\x00{3}[\x01-\x40]\x00{3}[\x02-\x40][a-z_]{1,63}\x00{3}[\x00-\x04]\x00{3}[\x01-\x10]",
    ),
    # Tuya's local protocol: prefix, sequence, command, length; the suffix at the end.
    Rule("tuya", UDP, b"\0", rb"\x00\x00\x55\xaa.*\x00\x00\xaa\x55\Z", Length(12, 4, 16), least=24),
    # Discord's voice connections, "IP Discovery", and the keep-alive of its clients.
    Rule(
        "discord",
        UDP,
        b"\0",
        rb"\x00[\x01\x02]\x00\x46.{4}[0-9a-fA-F.:]{0,46}\x00+..\Z",
        least=74,
        asks=rb".\x01",
        answers=rb".\x02",
    ),
    Rule("discord", UDP, b"\x13", rb"\x13\x37\xca\xfe.{4}\Z", least=8),
    # Valve's Server Queries: information, challenge, players, rules.
    Rule(
        "source-engine",
        UDP,
        b"\xff",
        rb"\xff{4}(?:I.[ -~\x80-\xff]{1,64}\x00|A.{4}\Z|[UV].{4}\Z)",
        least=9,
        asks=rb"\xff{4}[UV]",
        answers=rb"\xff{4}[IA]",
    ),
    # SRT's and UDT's handshake: a control packet of kind 0 to nobody yet, version 4 or 5.
    Rule("srt", UDP, b"\x80", rb"\x80\x00{7}.{4}\x00{7}[\x04\x05]", least=48),
    # ISO 13818-1 §2.4.3: packets of 188 bytes, each with its sync byte; two at least.
    Rule("mpeg-ts", UDP, b"\x47", rb"(?:\x47.{187}){2,7}\Z", least=376),
    # RFC 6726 §3.4: FLUTE's table of files, behind LCT's header, whose third byte is its length (RFC 5651 §5.1).
    Rule("flute", UDP, b"\x10", rb"\x10.[\x01-\x14].{5,62}?<\?xml .{0,128}?<FDT-Instance"),
    # WS-Discovery 1.1 §3: a SOAP envelope of its namespace.
    Rule("ws-discovery", UDP, b"<", rb"<[!?_A-Za-z].{0,1024}/ws/(?:2005/04/discovery|dd/ns/discovery/2009/01)"),
)

_UPGRADING = frozenset({"nbd"})
"""By NBD_OPT_STARTTLS."""


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """The protocol of the first rule that fits, and the TLS that may follow."""
    data = sent.data
    rules = _BY_FIRST_BYTE.get((ends.transport, data[:1]), ())
    for rule in rules:
        found = rule.find(data)
        if found is not None:
            return with_upgrade(found, sent, answered, ends) if found.protocol in _UPGRADING else found
    return wait_for_more(sent, ends) if len(data) < _MOST_HELD_BYTES and (rules or not data) else None


def _by_first_byte() -> dict[tuple[int, bytes], list[Rule]]:
    found: dict[tuple[int, bytes], list[Rule]] = {}
    for rule in _RULES:
        for first in rule.where if isinstance(rule.where, bytes) else ():
            found.setdefault((rule.transport, bytes([first])), []).append(rule)
    return found


_BY_FIRST_BYTE = _by_first_byte()
