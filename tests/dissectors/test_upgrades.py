"""Conversations that begin in clear and turn into TLS: the hello behind the upgrade names the server."""

from __future__ import annotations

import pytest

from made_conversations import client_hello, dialogue, inspected_in

NAME = "secure.example.com"
START_TLS = b"1.3.6.1.4.1.1466.20037"
XMPP_TLS = b"xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
RDP_REQUEST = bytes.fromhex("0300002a25e00000000000") + b"Cookie: mstshash=ada\r\n" + bytes.fromhex("0100080003000000")
RDP_REQUEST = RDP_REQUEST[:3] + bytes([len(RDP_REQUEST), len(RDP_REQUEST) - 5]) + RDP_REQUEST[5:]
RDP_CONFIRM = bytes.fromhex("030000130ed000001234000200080001000000")
SSL_REQUEST, GSS_REQUEST = bytes.fromhex("0000000804d2162f"), bytes.fromhex("0000000804d21630")
MYSQL_GREETING = b"\x4a\0\0\0\x0a8.0.36\0" + bytes(range(1, 67))
MARIADB_GREETING = b"\x5a\0\0\0\x0a5.5.5-10.11.6-MariaDB\0" + bytes(range(1, 67))
MYSQL_REQUEST = b"\x20\0\0\1\x85\xae\xff\x19\0\0\0\1\xff" + bytes(23)
MARIADB_REQUEST = MYSQL_REQUEST[:-4] + b"\x1c\0\0\0"
PRELOGIN = bytes.fromhex(
    "1201002f0000010000001a00060100200001020021000103002200040400260001ff000000010001020000000000000000"
)
PRELOGIN = PRELOGIN[:3] + bytes([len(PRELOGIN)]) + PRELOGIN[4:]
AMQP_TLS = b"AMQP\2\1\0\0"
NBD_GREETING = b"NBDMAGICIHAVEOPT\0\3"
NBD_OPTION = b"\0\0\0\3IHAVEOPT\0\0\0\5\0\0\0\0"
RPC_CALL = (
    b"\x80\0\0\x28"
    + bytes.fromhex("000012340000000000000002000186a30000000400000000000000070000000000000000")
    + bytes(4)
)
RPC_REPLY = b"\x80\0\0\x20" + bytes.fromhex("000012340000000100000000") + b"\0\0\0\0\0\0\0\x08STARTTLS" + bytes(4)


def ldap(operation, number=1):
    body = b"\2\1" + bytes([number]) + operation
    return b"\x30" + bytes([len(body)]) + body


FIELDS = bytes.fromhex("04000a01000a0100020100020100010100870b6f626a656374636c6173733000")
LDAP_SEARCH = ldap(b"\x63" + bytes([len(FIELDS)]) + FIELDS)
LDAP_DONE = ldap(bytes.fromhex("65070a010004000400"))
LDAP_START = ldap(b"\x77\x18\x80\x16" + START_TLS, 2)
LDAP_STARTED = ldap(b"\x78\x07\x0a\1\0\4\0\4\0", 2)

SIEVE = b'"IMPLEMENTATION" "Example Sieve"\r\n"SASL" ""\r\n"STARTTLS"\r\nOK "ready"\r\n'
PIGEONHOLE = b'"SIEVE" "fileinto"\r\n"STARTTLS"\r\nOK\r\n'
XMPP = b"<?xml version='1.0'?><stream:stream to='im.example.com' xmlns='jabber:%s' version='1.0'>"
XMPP_ANSWER = b"<?xml version='1.0'?><stream:stream from='im.example.com' id='x7' xmlns='jabber:client' version='1.0'>"
FEATURES = b"<stream:features><starttls " + XMPP_TLS + b"</stream:features>"
XMPP_UPGRADE = [b"<starttls " + XMPP_TLS, b"<proceed " + XMPP_TLS]

UPGRADES = [
    (
        "smtp",
        587,
        "submission",
        [b"", b"220 mx ESMTP\r\n", b"EHLO me\r\n", b"250 STARTTLS\r\n", b"STARTTLS\r\n", b"220 go\r\n"],
    ),
    (
        "smtp",
        9999,
        "smtp",
        [b"", b"220 mx LMTP\r\n", b"LHLO me\r\n", b"250 STARTTLS\r\n", b"STARTTLS\r\n", b"220 go\r\n"],
    ),
    ("pop3", 110, "pop3", [b"", b"+OK hello\r\n", b"CAPA\r\n", b"+OK\r\nSTLS\r\n.\r\n", b"STLS\r\n", b"+OK\r\n"]),
    ("imap", 143, "imap", [b"", b"* OK IMAP4rev1 ready\r\n", b"a1 STARTTLS\r\n", b"a1 OK begin\r\n"]),
    ("ftp", 21, "ftp", [b"", b"220 FTP ready\r\n", b"AUTH TLS\r\n", b"234 go\r\n"]),
    ("ldap", 389, "ldap", [LDAP_START, LDAP_STARTED]),
    ("ldap", 389, "ldap", [LDAP_SEARCH, LDAP_DONE, LDAP_START, LDAP_STARTED]),
    (
        "nntp",
        119,
        "nntp",
        [b"", b"200 news.example.com ready\r\n", b"CAPABILITIES\r\n", b"101 ok\r\n", b"STARTTLS\r\n", b"382 go\r\n"],
    ),
    ("nntp", 9999, "nntp", [b"", b"201 NNTP server\r\n", b"starttls\r\n", b"382 go\r\n"]),
    ("sieve", 4190, "sieve", [b"", SIEVE, b"STARTTLS\r\n", b'OK "begin"\r\n']),
    ("sieve", 9999, "sieve", [b"", PIGEONHOLE, b"CAPABILITY\r\n", PIGEONHOLE, b"StartTls\r\n", b"OK\r\n"]),
    ("xmpp", 5222, "xmpp-client", [XMPP % b"client", FEATURES, *XMPP_UPGRADE]),
    ("xmpp", 5222, "xmpp-client", [XMPP % b"client", XMPP_ANSWER + FEATURES, *XMPP_UPGRADE]),
    ("xmpp", 5269, "xmpp-server", [XMPP % b"server", XMPP_ANSWER, b"", FEATURES, *XMPP_UPGRADE]),
    ("postgresql", 5432, "postgresql", [SSL_REQUEST, b"S"]),
    ("postgresql", 9999, "postgresql", [GSS_REQUEST, b"N", SSL_REQUEST, b"S"]),
    ("mysql", 3306, "mysql", [b"", MYSQL_GREETING, MYSQL_REQUEST]),
    ("mysql", 9999, "mysql", [b"", MARIADB_GREETING, MARIADB_REQUEST]),
    ("rdp", 3389, "rdp", [RDP_REQUEST, RDP_CONFIRM]),
    ("irc", 6667, "irc", [b"STARTTLS\r\n", b":irc.example 670 * :STARTTLS successful\r\n"]),
    (
        "irc",
        6667,
        "irc",
        [b"CAP LS 302\r\n", b":irc.example CAP * LS :tls\r\n", b"STARTTLS\r\n", b":irc.example 670 * :go\r\n"],
    ),
    (
        "telnet",
        23,
        "telnet",
        [b"\xff\xfb\x2e\xff\xfb\x18", b"\xff\xfd\x2e", b"\xff\xfa\x2e\1\xff\xf0", b"\xff\xfa\x2e\1\xff\xf0"],
    ),
    (
        "http",
        631,
        "ipp",
        [
            b"OPTIONS * HTTP/1.1\r\nHost: x\r\nUpgrade: TLS/1.2\r\n\r\n",
            b"HTTP/1.1 101 S\r\nUpgrade: TLS/1.2, HTTP/1.1\r\n\r\n",
        ],
    ),
    ("http", 8080, "http-alt", [b"CONNECT secure.example.com:443 HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"]),
    ("socks", 1080, "socks", [b"\5\1\0", b"\5\0", b"\5\1\0\1\x0a\0\0\1\1\xbb", b"\5\0\0\1\0\0\0\0\0\0"]),
    ("amqp", 5672, "amqp", [AMQP_TLS, AMQP_TLS]),
    ("nats", 4222, "nats", [b"", b'INFO {"server_id":"N1","tls_required":true}\r\n']),
    ("vmware", 902, None, [b"", b"220 VMware Authentication Daemon Version 1.10: SSL Required\r\n"]),
    (
        "vnc",
        5900,
        "vnc",
        [
            b"",
            b"RFB 003.008\n",
            b"RFB 003.008\n",
            b"\1\x13",
            b"\x13",
            b"\0\2",
            b"\0\2",
            b"\0\1\0\0\1\4",
            b"\0\0\1\4",
            b"\1",
        ],
    ),
    ("nbd", 10809, "nbd", [b"", NBD_GREETING, NBD_OPTION, bytes(20)]),
    ("nfs", 2049, "nfs", [RPC_CALL, RPC_REPLY]),
]


@pytest.mark.parametrize(("protocol", "port", "service", "turns"), UPGRADES, ids=lambda value: str(value)[:16])
@pytest.mark.parametrize(("with_details", "batch_size"), [(False, 1), (False, 1000), (True, 1), (True, 1000)])
def test_the_hello_behind_an_upgrade_names_the_server(protocol, port, service, turns, with_details, batch_size):
    turns = [*turns, b""] if len(turns) % 2 else turns
    hello = client_hello(NAME)

    (row,) = inspected_in(dialogue([*turns, hello], port), with_details=with_details, batch_size=batch_size)

    assert (row["application_protocol"], row["tls_server_name"]) == (protocol, NAME)
    assert (row["hostname"], row["hostname_source"]) == (NAME, "tls-sni")
    assert service is None or row["service"] == service
    if with_details:
        assert [sent[:6] for sent in row["said"] if sent.startswith("ja4=")] == ["ja4=t1"]


@pytest.mark.parametrize(("protocol", "port", "service", "turns"), UPGRADES, ids=lambda value: str(value)[:16])
def test_a_hello_in_pieces_behind_an_upgrade_is_put_together(protocol, port, service, turns):
    turns = [*turns, b""] if len(turns) % 2 else turns
    hello = client_hello(NAME)
    pieces = [hello[:3], b"", hello[3:70], b"", hello[70:]]

    (row,) = inspected_in(dialogue([*turns, *pieces], port), batch_size=1)

    assert (row["application_protocol"], row["hostname"]) == (protocol, NAME)
    assert service is None or row["service"] == service


def test_tls_of_sql_server_comes_in_packets_of_its_own():
    hello = client_hello(NAME)
    wrapped = b"\x12\1" + (len(hello) + 8).to_bytes(2, "big") + bytes(4) + hello
    answer = b"\x04" + PRELOGIN[1:]

    (row,) = inspected_in(dialogue([PRELOGIN, answer, wrapped], 1433), batch_size=1)

    assert (row["application_protocol"], row["hostname"]) == ("mssql", NAME)


@pytest.mark.parametrize("request_of_client", [MYSQL_REQUEST, MARIADB_REQUEST])
def test_mysql_is_known_on_its_port_though_the_greeting_was_missed(request_of_client):
    (row,) = inspected_in(dialogue([request_of_client, b"", client_hello(NAME)], 3306), batch_size=1)

    assert (row["application_protocol"], row["hostname"]) == ("mysql", NAME)


def test_postgresql_17_may_begin_with_tls_and_stays_postgresql():
    (row,) = inspected_in(dialogue([client_hello(NAME)], 5432))

    assert (row["service"], row["hostname"]) == ("postgresql", NAME)


@pytest.mark.parametrize(
    ("protocol", "port", "turns"),
    [
        ("postgresql", 5432, [SSL_REQUEST, b"N", b"\0\0\0\x11\0\3\0\0user\0ada\0\0"]),
        ("smtp", 25, [b"", b"220 mx ESMTP\r\n", b"EHLO me\r\n", b"250 ok\r\n", b"MAIL FROM:<a@b>\r\n", b"250 ok\r\n"]),
        ("xmpp", 5222, [XMPP % b"client", FEATURES, b"<auth mechanism='PLAIN'>AA==</auth>"]),
        ("irc", 6667, [b"NICK ada\r\nUSER ada 0 * :Ada\r\n", b":irc.example 001 ada :Welcome\r\n"]),
    ],
)  # fmt: skip
def test_without_an_upgrade_the_protocol_is_what_it_was(protocol, port, turns):
    (row,) = inspected_in(dialogue(turns, port), with_details=True, batch_size=1)

    assert (row["application_protocol"], row["hostname"]) == (protocol, None)


def test_a_client_that_asks_for_starttls_alone_is_not_irc_on_any_port():
    (row,) = inspected_in(dialogue([b"STARTTLS\r\n"], 9999))

    assert row["application_protocol"] is None
