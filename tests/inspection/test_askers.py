"""Who is the client where the capture has no handshake: who asked or was answered, whatever the ports say."""

from __future__ import annotations

import pytest
from scapy.layers.dns import DNS, DNSQR
from scapy.layers.inet import IP, TCP, UDP
from test_late_evidence import first_datagram

from made_conversations import CLIENT, GET, SERVER, batch_of, client_hello, dialogue, inspected_in
from payload_builder import DNS_OF_ODD_KINDS, SAMPLES, remote_call
from shard_runs import merged, partial_of, rows_of

CLIENT_PORT, SERVER_PORT = 40000, 51000
"""By the ports alone the client would be the server: 40000 is registered, and the lower number."""
HANDSHAKE = 3
FOREIGN = 50000
"""The client's port in the samples."""
IP_TCP = 6
HELLO, RECORD = client_hello("www.example.com"), b"\x17\x03\x03\0\x20" + bytes(32)
CALL = bytes.fromhex("5e1d0bdc 00000000 00000002 000186a3 00000003 00000001 00000000 00000000 00000000 00000000")
REPLY = bytes.fromhex("5e1d0bdc 00000001 00000000 00000000 00000000 00000000")
FIND_NODE = b"d1:ad2:id20:aaaaaaaaaaaaaaaaaaaa6:target20:bbbbbbbbbbbbbbbbbbbbe1:q9:find_node1:t2:aa1:y1:qe"
NODES = b"d1:rd2:id20:cccccccccccccccccccc5:nodes26:ddddddddddddddddddddddddddee1:t2:aa1:y1:re"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
QUESTION = bytes(DNS(id=7, qd=DNSQR(qname="www.example.com")))
NAMES = bytes(DNS(id=7, qr=1, qd=DNSQR(qname="www.example.com")))
EVERY_WAY = pytest.mark.parametrize(
    ("with_details", "batch_size"), [(False, 1), (False, 1000), (True, 1), (True, 1000)]
)


def in_the_middle(turns, over, *, port=SERVER_PORT, client_port=CLIENT_PORT):
    """What client and server say in turn, without a handshake."""
    packets = dialogue(turns, port, client_port=client_port, over=over)
    return packets[HANDSHAKE:] if over is TCP else packets


def opener(row):
    return row["client_ip"], row["client_port"], row["opener_evidence"]


@EVERY_WAY
@pytest.mark.parametrize(
    ("turns", "over"),
    [
        ([HELLO], TCP),
        ([b"", RECORD, HELLO], TCP),
        ([GET], TCP),
        ([GET, ANSWER], TCP),
        ([b"", ANSWER], TCP),
        ([first_datagram("quic.example.org")], UDP),
        ([QUESTION], UDP),
        ([QUESTION, NAMES], UDP),
        ([b"", NAMES], UDP),
        ([FIND_NODE], UDP),
        ([b"", NODES], UDP),
        ([b"", FIND_NODE, NODES], UDP),
        ([CALL], UDP),
        ([CALL, REPLY], UDP),
    ],
)
def test_who_asked_or_was_answered_is_the_client(turns, over, with_details, batch_size):
    is_servers_question = turns == [b"", FIND_NODE, NODES]

    (row,) = inspected_in(in_the_middle(turns, over), with_details=with_details, batch_size=batch_size)

    asker = (SERVER, SERVER_PORT) if is_servers_question else (CLIENT, CLIENT_PORT)
    assert opener(row) == (*asker, "asked")


@EVERY_WAY
def test_a_plain_question_to_a_resolver_tells_as_one_on_a_foreign_port(with_details, batch_size):
    for port, client_port in ((53, 22), (53, 53)):
        packets = in_the_middle([b"", NAMES], UDP, port=port, client_port=client_port)
        assert opener(inspected_in(packets, with_details=with_details, batch_size=batch_size)[0]) == (
            CLIENT, client_port, "asked",
        )  # fmt: skip


@EVERY_WAY
@pytest.mark.parametrize("kind", DNS_OF_ODD_KINDS)
def test_a_message_of_any_opcode_is_dns(kind, with_details, batch_size):
    (row,) = inspected_in(
        in_the_middle([DNS_OF_ODD_KINDS[kind], NAMES], UDP, port=53), with_details=with_details, batch_size=batch_size
    )

    assert (row["application_protocol"], opener(row)) == ("dns", (CLIENT, CLIENT_PORT, "asked"))


@EVERY_WAY
def test_a_remote_call_without_a_connection_is_told_whoever_is_heard(with_details, batch_size):
    for turns in ([remote_call(0)], [b"", remote_call(2)]):
        (row,) = inspected_in(in_the_middle(turns, UDP), with_details=with_details, batch_size=batch_size)
        assert (row["application_protocol"], opener(row)) == ("dcerpc", (CLIENT, CLIENT_PORT, "asked"))


def test_an_nfs_client_on_a_reserved_port_is_the_client():
    for turns in ([CALL], [b"", REPLY], [CALL, REPLY]):
        (row,) = inspected_in(in_the_middle(turns, UDP, port=2049, client_port=1022))
        assert (opener(row), row["service"]) == ((CLIENT, 1022, "asked"), "nfs")


def test_the_first_of_two_that_ask_each_other_is_the_client():
    for turns, asker in (([FIND_NODE, FIND_NODE], CLIENT), ([b"", FIND_NODE, FIND_NODE], SERVER)):
        assert inspected_in(in_the_middle(turns, UDP, port=6881))[0]["client_ip"] == asker


def test_a_host_name_stands_at_the_end_that_was_asked():
    (row,) = inspected_in(in_the_middle([HELLO], TCP, port=60001, client_port=25))
    (group,) = inspected_in(in_the_middle([GET], TCP, port=60001, client_port=25), by="host")

    assert (row["server_ip"], row["server_port"], row["hostname"]) == (SERVER, 60001, "www.example.com")
    assert group["host"] == "www.example.com"


@pytest.mark.parametrize(
    ("announced", "port", "client_port", "opener_is"),
    [
        ([b"PASV\r\n", b"227 Entering Passive Mode (192,0,2,80,199,56).\r\n"], SERVER_PORT, CLIENT_PORT, CLIENT),
        ([b"PORT 10,0,0,1,156,64\r\n", b"200 PORT command successful.\r\n"], 20, CLIENT_PORT, SERVER),
    ],
)
def test_who_was_told_where_to_call_is_the_client_of_what_was_announced(announced, port, client_port, opener_is):
    control = dialogue([b"", b"220 FTP ready.\r\n", b"USER ada\r\n", b"230 ok\r\n", *announced], 21, client_port=50001)
    data = in_the_middle([b"", b"\0\1\2\3 something"], TCP, port=port, client_port=client_port)

    rows = {row["application_protocol"]: row for row in inspected_in([*control, *data])}

    assert opener(rows["ftp-data"])[::2] == (opener_is, "asked")


def test_who_opened_and_was_then_asked_has_no_host_name():
    (row,) = inspected_in(dialogue([b"", HELLO], 443))

    assert (row["server_ip"], row["hostname"], row["tls_server_name"]) == (SERVER, None, "www.example.com")
    assert row["application_protocol"] == "tls"


RFB, SPICE, AMQP = b"RFB 003.008\n", b"REDQ\x02\0\0\0" + bytes(16), b"AMQP\0\1\0\0"
MYSQL = b"\x4a\0\0\0\x0a8.0.36\0" + bytes(66)
CLIENT_SPEAKS = {"SPICE": [SPICE, SPICE], "AMQP": [AMQP, AMQP]}
ANYBODY_SPEAKS = {
    "FIX": b"8=FIX.4.4\0019=5\00135=0\1",
    "HL7": b"\x0bMSH|^~\\&|",
    "Zabbix": b"ZBXD\1" + bytes(12),
    "Monero": b"\x01\x21\x01\x01\x01\x01\x01\x01" + bytes(25),
}
SERVER_GREETS = {
    "VNC": [b"", RFB, RFB, b"\1\2"],
    "VNC with VeNCrypt": [b"", RFB, RFB, b"\1\x13", b"\x13"],
    "ICA": [b"", b"\x7f\x7fICA\0", b"\x7f\x7fICA\0"],
    "ZeroC Ice": [b"", b"IceP\1\0\1\0\3\0\x0e\0\0\0", b"IceP\1\0\1\0\0\0\x0e\0\0\0"],
    "SMTP": [b"", b"220 mx.example.com ESMTP Postfix\r\n", b"EHLO a.example\r\n"],
    "FTP": [b"", b"220 (vsFTPd 3.0.5)\r\n", b"USER ada\r\n"],
    "POP3": [b"", b"+OK POP3 ready\r\n", b"CAPA\r\n"],
    "IMAP": [b"", b"* OK IMAP4rev1 ready\r\n", b"a1 CAPABILITY\r\n"],
    "MySQL": [b"", MYSQL],
    "MPD": [b"", b"OK MPD 0.23.5\n", b"status\n"],
    "telnet": [b"", b"\xff\xfd\x18\xff\xfd\x20", b"\xff\xfb\x18\xff\xfc\x20"],
}


@EVERY_WAY
@pytest.mark.parametrize("turns", (SERVER_GREETS | CLIENT_SPEAKS).values(), ids=SERVER_GREETS | CLIENT_SPEAKS)
@pytest.mark.parametrize("ports", [(SERVER_PORT, CLIENT_PORT), (CLIENT_PORT, SERVER_PORT)])
def test_a_greeting_is_the_servers_and_who_is_answered_in_kind_has_begun(turns, ports, with_details, batch_size):
    port, client_port = ports

    (row,) = inspected_in(
        in_the_middle(turns, TCP, port=port, client_port=client_port), with_details=with_details, batch_size=batch_size
    )

    assert opener(row) == (CLIENT, client_port, "asked")


@EVERY_WAY
@pytest.mark.parametrize("message", ANYBODY_SPEAKS.values(), ids=ANYBODY_SPEAKS)
def test_messages_that_either_end_sends_at_any_time_do_not_tell_who_began(message, with_details, batch_size):
    (row,) = inspected_in(
        in_the_middle([b"", message, message], TCP, port=4000), with_details=with_details, batch_size=batch_size
    )

    assert opener(row)[:2] == (CLIENT, CLIENT_PORT)
    assert row["opener_evidence"] != "asked"


def test_a_handshake_tells_better_than_who_asks():
    packets = dialogue([b"", GET], SERVER_PORT, client_port=CLIENT_PORT)

    assert opener(inspected_in(packets)[0]) == (CLIENT, CLIENT_PORT, "syn")


def test_an_announcement_to_a_group_was_not_asked_for():
    message = IP(src=CLIENT, dst="224.0.0.251") / UDP(sport=5353, dport=5353) / DNS(qr=1, qd=DNSQR(qname="a.local"))

    assert opener(inspected_in([message])[0]) == (CLIENT, 5353, "first-sender")


def test_where_nothing_is_heard_and_the_ports_are_alike_the_first_sender_is_the_client():
    for turns, sender in (([b"\x80" * 40], CLIENT), ([b"", b"\x80" * 40], SERVER)):
        (row,) = inspected_in(in_the_middle(turns, UDP, port=60001))
        assert (row["client_ip"], row["opener_evidence"]) == (sender, "first-sender")


@pytest.mark.parametrize("sample", [one for one in SAMPLES if FOREIGN in (one.source_port, one.target_port)], ids=str)
def test_no_protocol_takes_its_server_for_the_client(sample):
    ends, over = (sample.source_port, sample.target_port), TCP if sample.transport == IP_TCP else UDP
    server_port = sum(ends) - FOREIGN
    turns = [b"", sample.answered, sample.data] if ends[0] == FOREIGN else [sample.answered, sample.data]

    (row,) = inspected_in(in_the_middle(turns, over, port=server_port, client_port=FOREIGN))

    assert (row["client_port"], row["server_port"]) == (FOREIGN, server_port)


@pytest.mark.parametrize("turns", [[GET, ANSWER, GET], [b"", ANSWER, GET], [b"", RECORD, HELLO]])
def test_shards_tell_what_the_whole_tells(turns):
    packets = in_the_middle(turns, TCP)
    whole = [opener(row) for row in inspected_in(packets)]

    for cut in range(1, len(packets)):
        shards = [partial_of([batch_of(packets)], *ends) for ends in ((0, cut), (cut, len(packets)))]
        assert [opener(row) for row in rows_of(merged(shards).tracker(), "flow")] == whole
