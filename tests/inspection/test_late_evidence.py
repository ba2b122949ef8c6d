"""What comes late may tell more than what came first: who was unknown is heard again once the other end is known."""

from __future__ import annotations

import pytest
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.packet import encode_quic_version_negotiation
from scapy.layers.dns import DNS, DNSQR
from scapy.layers.inet import TCP, UDP
from scapy.layers.kerberos import KRB_AS_REQ, KRB_KDC_REQ_BODY, Kerberos

from made_conversations import client_hello, dialogue, inspected_in
from payload_builder import SMB_NEGOTIATE

CLIENT_ID, SERVER_ID = b"client12", b"server12"
NAMES_16 = (b"FILES".ljust(15) + b"\x20", b"DESK".ljust(15) + b"\0")
EVERY_WAY = pytest.mark.parametrize(
    ("with_details", "batch_size"), [(False, 1), (False, 1000), (True, 1), (True, 1000)]
)


def first_datagram(server_name):
    configuration = QuicConfiguration(alpn_protocols=["h3"], server_name=server_name, verify_mode=0)
    client = QuicConnection(configuration=configuration)
    client.connect(("192.0.2.2", 443), now=0.0)
    return client.datagrams_to_send(0.0)[0][0]


def odd_version(version, size):
    ids = bytes([8]) + CLIENT_ID + bytes([8]) + SERVER_ID
    return (b"\xc0" + version.to_bytes(4, "big") + ids).ljust(size, b"\0")


@EVERY_WAY
@pytest.mark.parametrize("version", [0x1A2A3A4A, 0xBABABABA, 0x12345678])
@pytest.mark.parametrize("size", [1199, 1200])
def test_the_hello_after_version_negotiation_names_the_server(version, size, with_details, batch_size):
    negotiation = encode_quic_version_negotiation(CLIENT_ID, SERVER_ID, [1, 0x6B3343CF])
    packets = dialogue([odd_version(version, size), negotiation, first_datagram("quic.example.org")], 443, over=UDP)

    (row,) = inspected_in(packets, with_details=with_details, batch_size=batch_size)

    assert (row["application_protocol"], row["hostname"]) == ("quic", "quic.example.org")
    assert row["hostname_source"] == "quic-sni"


@pytest.mark.parametrize("cut", range(1, 500, 9))
def test_a_hello_in_two_segments_says_what_it_says_in_one(cut):
    hello = client_hello("www.example.com")

    (whole,) = inspected_in(dialogue([hello], 443), with_details=True)
    (parted,) = inspected_in(dialogue([hello[:cut], b"", hello[cut:]], 443), with_details=True, batch_size=1)

    assert whole["said"] == parted["said"]
    assert whole["tls_server_name"] == parted["tls_server_name"]


def test_a_request_in_two_segments_says_what_it_says_in_one():
    sent = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nHost: www.example.com\r\nUser-Agent: curl\r\n\r\n"

    (whole,) = inspected_in(dialogue([sent], 80), with_details=True)
    parted = [
        inspected_in(dialogue([sent[:cut], b"", sent[cut:]], 80), with_details=True)[0] for cut in range(1, len(sent))
    ]

    assert {tuple(row["said"]) for row in parted} == {tuple(whole["said"])}


def test_whom_a_netbios_session_calls_is_still_said_once_smb_has_begun():
    called, calling = (
        b" " + bytes(65 + half for byte in name for half in divmod(byte, 16)) + b"\0" for name in NAMES_16
    )
    request = b"\x81\0" + len(called + calling).to_bytes(2, "big") + called + calling

    (row,) = inspected_in(dialogue([request, b"\x82\0\0\0", SMB_NEGOTIATE], 139), with_details=True, batch_size=1)

    assert row["application_protocol"] == "smb"
    assert row["said"] == ["called=FILES<20>", "version=2"]


@pytest.mark.parametrize("over", [TCP, UDP])
def test_a_hello_that_is_cut_says_nothing_that_the_whole_does_not_say(over):
    hello = client_hello("www.example.com") if over is TCP else first_datagram("www.example.com")
    packets = dialogue([hello], 443, over=over)
    (whole,) = inspected_in(packets, with_details=True)

    cut = [inspected_in(packets, with_details=True, snap=snap)[0]["said"] or [] for snap in range(60, len(hello), 7)]

    assert {sent for one in cut for sent in one} <= set(whole["said"])
    assert ["offers=TLS 1.3"] in cut or over is UDP


JUNK = bytes.fromhex("301302010104067075626c6963a006020107020100")
"""It has the structure of an SNMP request, and comes from a foreign port."""
QUESTION, NAMES = (bytes(DNS(id=7, qr=qr, qd=DNSQR(qname="www.example.com"))) for qr in (0, 1))
INVITE = b"INVITE sip:ada@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1\r\n\r\n"
KRB = bytes(Kerberos(root=KRB_AS_REQ(reqBody=KRB_KDC_REQ_BODY(etype=[18], realm=b"EXAMPLE.ORG"))))


def protocols(turns, port, **ways):
    (row,) = inspected_in(dialogue(turns, port, over=UDP), **ways)
    return row["application_protocol"]


@EVERY_WAY
@pytest.mark.parametrize(
    ("port", "turns", "told"),
    [
        (53, [JUNK, b"", QUESTION, NAMES], "dns"),
        (53, [JUNK, NAMES], "dns"),
        (53, [b"", JUNK, QUESTION], "dns"),
        (53, [b"\xff" * 20, b"", QUESTION], "dns"),
        (53, [b"\0\7\1\0\0\1" + bytes(20), b"", b"\xff" * 9, b"", QUESTION], "dns"),
        (9999, [JUNK, b"", INVITE], "sip"),
        (443, [JUNK, b"", first_datagram("quic.example.org")], "quic"),
        (9999, [JUNK, b"", KRB, b"", KRB], "kerberos"),
        (8801, [b"\1" * 20, b"", INVITE], "sip"),
    ],
)
def test_one_datagrams_guess_gives_way_to_what_is_surer_or_said_twice(port, turns, told, with_details, batch_size):
    assert protocols(turns, port, with_details=with_details, batch_size=batch_size) == told


@EVERY_WAY
@pytest.mark.parametrize(
    ("port", "turns"),
    [
        (9999, [JUNK]),
        (9999, [JUNK, b"", KRB]),
        (9999, [JUNK, b"", JUNK, b"", INVITE]),
        (161, [JUNK, b"", INVITE]),
        (9999, [JUNK, b"", b"\0" * 30]),
    ],
)
def test_a_guess_stays_where_nothing_says_more_or_it_was_borne_out(port, turns, with_details, batch_size):
    assert protocols(turns, port, with_details=with_details, batch_size=batch_size) == "snmp"


def test_who_asked_is_told_by_what_holds():
    trap_answered = JUNK.replace(b"\xa0", b"\xa2")  # of it the other end would be the client
    (row,) = inspected_in(dialogue([trap_answered, b"", QUESTION], 53, over=UDP))

    assert (row["client_ip"], row["opener_evidence"], row["evidence_frame"]) == ("10.0.0.1", "asked", 2)
