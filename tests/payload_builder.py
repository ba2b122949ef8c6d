"""What ends of conversations say, made by scapy where it builds the protocol, and how to hear it."""

from __future__ import annotations

import struct
import uuid
from dataclasses import dataclass

from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.dhcp6 import DHCP6_Solicit, DHCP6OptClientFQDN, DHCP6OptElapsedTime
from scapy.layers.dns import DNS, DNSQR, DNSRR, DNSRROPT
from scapy.layers.kerberos import KRB_AS_REQ, KRB_KDC_REQ_BODY, Kerberos
from scapy.layers.ldap import LDAP, LDAP_BindRequest
from scapy.layers.netbios import NBNSHeader, NBNSQueryRequest, NBTDatagram, NBTSession
from scapy.layers.ntp import NTPHeader
from scapy.layers.radius import Radius, RadiusAttribute
from scapy.layers.smb2 import SMB2_Header, SMB2_Negotiate_Protocol_Request
from scapy.layers.snmp import SNMP, SNMPget, SNMPvarbind
from scapy.layers.tftp import TFTP, TFTP_RRQ

from portcall.records.detections import NO_PAYLOAD, TCP, UDP, Detection, Ends, Payload


@dataclass(frozen=True)
class Sample:
    """The first bytes of one end, and what they are."""

    protocol: str
    data: bytes
    source_port: int
    target_port: int
    transport: int = TCP
    answered: bytes = b""
    needs_port: bool = False
    """Whether it is recognised on its own port only."""

    @property
    def ends(self) -> Ends:
        return Ends(self.transport, self.source_port, self.target_port)

    def __str__(self) -> str:
        return f"{self.protocol}-to-{self.target_port}"


def to_server(port: int, transport: int = TCP) -> Ends:
    return Ends(transport, 50000, port)


def from_server(port: int, transport: int = TCP) -> Ends:
    return Ends(transport, port, 50000)


def inspect(dissector, data: bytes, ends: Ends, answered: bytes = b"", *, is_ended: bool = False):
    """What the dissector says to these bytes."""
    return dissector.inspect(Payload(data, is_ended=is_ended), Payload(answered) if answered else NO_PAYLOAD, ends)


def details(detection: Detection) -> dict[str, str]:
    return dict(detection.details)


def names(detection: Detection) -> list[str]:
    return [name.text for name in detection.names]


GET = b"GET /index.html HTTP/1.1\r\nHost: www.example.com:8080\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n"
QUESTION = bytes(DNS(id=7, rd=1, qd=DNSQR(qname="www.example.com"), ar=DNSRROPT()))
ANSWER = bytes(
    DNS(
        id=7,
        qr=1,
        rd=1,
        ra=1,
        qd=DNSQR(qname="www.Example.com"),
        an=[
            DNSRR(rrname="www.example.com", type="CNAME", rdata="cdn.example.net", ttl=30),
            DNSRR(rrname="cdn.example.net", type="CNAME", rdata="edge.example.net", ttl=900),
            DNSRR(rrname="edge.example.net", type="A", rdata="192.0.2.1", ttl=60),
            DNSRR(rrname="edge.example.net", type="AAAA", rdata="2001:db8::1", ttl=20),
        ],
    )
)
NETBIOS_QUESTION = bytes(NBNSHeader() / NBNSQueryRequest(QUESTION_NAME="FILESERVER"))
DHCP_REQUEST = bytes(
    BOOTP(chaddr=b"\2\0\0\0\0\1", xid=9)
    / DHCP(options=[("message-type", "request"), ("hostname", b"kettle"), ("vendor_class_id", b"MSFT 5.0"), "end"])
)
DHCPV6_SOLICIT = bytes(DHCP6_Solicit(trid=5) / DHCP6OptElapsedTime() / DHCP6OptClientFQDN(fqdn="kettle.example"))
SNMP_GET = bytes(SNMP(community="secret", PDU=SNMPget(varbindlist=[SNMPvarbind(oid="1.3.6.1.2.1.1.1.0")])))
RADIUS_REQUEST = bytes(
    Radius(
        code=1,
        authenticator=bytes(16),
        attributes=[RadiusAttribute(type=1, value=b"ada"), RadiusAttribute(type=32, value=b"switch-1")],
    )
)
LDAP_BIND = bytes(LDAP(messageID=1, protocolOp=LDAP_BindRequest(version=3)))
KERBEROS_REQUEST = bytes(Kerberos(root=KRB_AS_REQ(reqBody=KRB_KDC_REQ_BODY())))
SMB_NEGOTIATE = bytes(NBTSession() / SMB2_Header() / SMB2_Negotiate_Protocol_Request(Dialects=[0x0311]))
NETBIOS_DATAGRAM = bytes(NBTDatagram(SourceName=b"KETTLE"))
TFTP_REQUEST = bytes(TFTP() / TFTP_RRQ(filename="boot.img"))
NTP_REQUEST = bytes(NTPHeader(version=4, mode=3))
NFS_CALL = bytes.fromhex("00001234 00000000 00000002 000186a3 00000003 00000000 00000000 00000000 00000000 00000000")
NFS_REPLY = bytes.fromhex("00001234 00000001 00000000 00000000 00000000 00000000")
ENDPOINT_MAPPER_BIND = bytes.fromhex(
    "05000b03 10000000 4800 0000 01000000 b810 b810 00000000 01000000 0000 0100 "
    "0883afe11f5dc91191a408002b14a0fa 03000000 045d888aeb1cc9119fe808002b104860 02000000"
)
HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

SAMPLES = (
    Sample("http", GET, 50000, 9999),
    Sample("http", b"HTTP/1.1 204 No Content\r\nServer: nginx\r\n\r\n", 9999, 50000),
    Sample("http2", HTTP2_PREFACE + b"\0\0\0\4\0\0\0\0\0", 50000, 9999),
    Sample("rtsp", b"OPTIONS rtsp://camera.example/live RTSP/1.0\r\nCSeq: 1\r\n\r\n", 50000, 9999),
    Sample("ssdp", b"M-SEARCH * HTTP/1.1\r\nHost: 239.255.255.250:1900\r\nST: ssdp:all\r\n\r\n", 50000, 9999, UDP),
    Sample("socks", b"\5\1\0\5\1\0\3\x0bexample.com\0\x50", 50000, 9999, TCP, b"\5\0"),
    Sample("dns", QUESTION, 50000, 9999, UDP),
    Sample("dns", len(ANSWER).to_bytes(2, "big") + ANSWER, 9999, 50000),
    Sample("mdns", QUESTION, 5353, 5353, UDP, needs_port=True),
    Sample("llmnr", QUESTION, 50000, 5355, UDP, needs_port=True),
    Sample("netbios-ns", NETBIOS_QUESTION, 137, 137, UDP, needs_port=True),
    Sample("dnscrypt", b"r6fnvWj8" + bytes(24) + bytes(range(80)), 443, 50000, UDP),
    Sample("ssh", b"SSH-2.0-OpenSSH_9.6\r\n", 50000, 9999),
    Sample("smtp", b"220 mx.example.org ESMTP Postfix\r\n", 9999, 50000),
    Sample("smtp", b"EHLO laptop.example\r\n", 50000, 9999),
    Sample("pop3", b"+OK Dovecot ready.\r\n", 9999, 50000),
    Sample("imap", b"* OK [CAPABILITY IMAP4rev1 STARTTLS] Dovecot ready.\r\n", 9999, 50000),
    Sample("imap", b"a1 LOGIN ada secret\r\n", 50000, 9999),
    Sample("ftp", b"220 ProFTPD Server ready.\r\n", 9999, 50000),
    Sample("ftp", b"USER anonymous\r\n", 50000, 9999),
    Sample("telnet", b"\xff\xfd\x18\xff\xfd\x20\xff\xfd\x23", 9999, 50000),
    Sample("irc", b"NICK ada\r\nUSER ada 0 * :Ada\r\n", 50000, 9999),
    Sample("irc", b":irc.example NOTICE * :*** Looking up your hostname\r\n", 9999, 50000),
    Sample("dhcp", DHCP_REQUEST, 50000, 9999, UDP),
    Sample("dhcpv6", DHCPV6_SOLICIT, 546, 547, UDP, needs_port=True),
    Sample("ntp", NTP_REQUEST, 50000, 123, UDP, needs_port=True),
    Sample("snmp", SNMP_GET, 50000, 9999, UDP),
    Sample("syslog", b"<34>Oct 11 22:14:15 kettle su: failed\n", 50000, 9999, UDP),
    Sample("syslog", b"40 <165>1 2003-10-11T22:14:15.003Z kettle evntslog", 50000, 9999),
    Sample("tftp", TFTP_REQUEST, 50000, 9999, UDP),
    Sample("radius", RADIUS_REQUEST, 50000, 9999, UDP),
    Sample("kerberos", KERBEROS_REQUEST, 50000, 9999, UDP),
    Sample("kerberos", len(KERBEROS_REQUEST).to_bytes(4, "big") + KERBEROS_REQUEST, 50000, 9999),
    Sample("ldap", LDAP_BIND, 50000, 9999),
    Sample("smb", SMB_NEGOTIATE, 50000, 9999),
    Sample("netbios-dgm", NETBIOS_DATAGRAM, 138, 138, UDP, needs_port=True),
    Sample("nfs", NFS_CALL, 50000, 9999, UDP),
    Sample("nfs", NFS_REPLY, 9999, 50000, UDP, NFS_CALL),
    Sample("dcerpc", ENDPOINT_MAPPER_BIND, 50000, 9999),
)


def dns_message(opcode: int, counts: tuple[int, ...], rest: bytes, flags: int = 0) -> bytes:
    return struct.pack(">6H", 7, opcode << 11 | flags, *counts) + rest


ZONE = b"\7example\3com\0\0\6\0\1"
ADDED = b"\3www\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1"
INVERSE = b"\0\0\1\0\1\0\0\0\0\0\4\xc0\0\2\1"
DNS_OF_ODD_KINDS = {
    "update": dns_message(5, (1, 0, 1, 0), ZONE + ADDED),
    "update with prerequisites": dns_message(5, (1, 1, 1, 0), ZONE + b"\3www\xc0\x0c\0\xff\0\xfe\0\0\0\0\0\0" + ADDED),
    "notify": dns_message(4, (1, 1, 0, 0), ZONE + b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1", 0x0400),
    "iquery": dns_message(1, (0, 1, 0, 0), INVERSE),
    "status": dns_message(2, (0, 0, 0, 0), b""),
    "dso": dns_message(6, (0, 0, 0, 0), b"\0\1\0\x08\0\0\x3a\x98\0\0\x3a\x98"),
    "3": dns_message(3, (1, 0, 0, 0), ZONE),
    "9": dns_message(9, (1, 0, 0, 0), ZONE),
}
"""By their opcode, and what else is odd in them."""

INTERFACE = uuid.UUID("e1af8308-5d1f-11c9-91a4-08002b14a0fa")
ACTIVITY = uuid.UUID("01234567-89ab-cdef-0123-456789abcdef")


def remote_call(
    kind=0, *, order="<", interface=INTERFACE, body=b"called", flags=(0x20, 0), length=None, authentication=0
):
    """A datagram of DCE/RPC 4 (C706 §12.5)."""
    name = "bytes_le" if order == "<" else "bytes"
    header = bytes([4, kind, *flags, 0x10 if order == "<" else 0, 0, 0, 0]) + bytes(16)
    header += getattr(interface, name) + getattr(ACTIVITY, name)
    numbers = (0, 3, 7, 2, 0xFFFF, 0xFFFF, len(body) if length is None else length, 0)
    return header + struct.pack(f"{order}IIIHHHHH", *numbers) + bytes([authentication, 0]) + body
