from __future__ import annotations

import ftplib
import imaplib
import poplib
import smtplib
import socket
import threading
from contextlib import suppress

import pytest

from payload_builder import details, from_server, inspect, to_server
from portcall.dissectors import ftp, mail
from portcall.records.detections import WAIT, Role


def _recorded(greeting: bytes, replies: list[bytes], converse) -> tuple[bytes, bytes]:
    """What a client library says to a server that greets and then replies line by line; both ends' bytes."""
    inspected: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as lines:
                connection.sendall(greeting)
                for reply in replies:
                    inspected.append(lines.readline())
                    connection.sendall(reply.replace(b"TAG", inspected[-1].split(b" ")[0]))

        serving = threading.Thread(target=serve)
        serving.start()
        with suppress(OSError, smtplib.SMTPException, imaplib.IMAP4.error, poplib.error_proto, ftplib.Error, EOFError):
            converse(listener.getsockname()[1])
        serving.join(5)
    return b"".join(inspected), greeting + b"".join(replies)


def _smtp(port: int) -> None:
    with smtplib.SMTP("127.0.0.1", port, local_hostname="laptop.example", timeout=5) as client:
        client.ehlo()
        client.docmd("STARTTLS")


def test_smtplib_is_heard_and_starttls_is_noticed():
    replies = [b"250-mx.example\r\n250 STARTTLS\r\n", b"220 go ahead\r\n", b"221 bye\r\n"]
    sent, answered = _recorded(b"220 mx.example ESMTP\r\n", replies, _smtp)

    client, server = inspect(mail, sent, to_server(9999), answered), inspect(mail, answered, from_server(9999), sent)

    assert (client.protocol, client.role) == ("smtp", Role.CLIENT)
    assert details(client) == {"hello": "laptop.example", "starttls": "yes"}
    assert details(server) == {"greeting": "220 mx.example ESMTP", "starttls": "yes"}


def _imap(port: int) -> None:
    client = imaplib.IMAP4("127.0.0.1", port, timeout=5)
    client.login("ada", "secret")
    client.shutdown()


def test_imaplib_is_heard_without_its_password():
    replies = [b"* CAPABILITY IMAP4rev1\r\nTAG OK\r\n", b"TAG OK\r\n"]
    sent, answered = _recorded(b"* OK IMAP4rev1 ready\r\n", replies, _imap)

    client, server = inspect(mail, sent, to_server(9999), answered), inspect(mail, answered, from_server(9999), sent)

    assert (client.protocol, client.role, server.role) == ("imap", Role.CLIENT, Role.SERVER)
    assert "secret" not in repr(client)


def _pop(port: int) -> None:
    client = poplib.POP3("127.0.0.1", port, timeout=5)
    client.capa()
    client.close()


def test_poplib_is_heard_though_the_greeting_alone_says_too_little():
    sent, answered = _recorded(b"+OK hello\r\n", [b"+OK\r\nSTLS\r\n.\r\n"], _pop)

    assert inspect(mail, b"+OK hello\r\n", from_server(9999)) is WAIT
    assert inspect(mail, answered, from_server(9999), sent).protocol == "pop3"
    assert inspect(mail, sent, to_server(9999), answered).protocol == "pop3"


def _ftp(port: int) -> None:
    client = ftplib.FTP(timeout=5)  # noqa: S321 - what is heard here
    client.connect("127.0.0.1", port)
    client.login()
    client.close()


def test_ftplib_is_heard_and_is_not_taken_for_smtp():
    replies = [b"331 password?\r\n", b"230 welcome\r\n"]
    sent, answered = _recorded(b"220 files.example ready\r\n", replies, _ftp)

    assert inspect(mail, answered, from_server(9999), sent) is None
    assert inspect(ftp, answered, from_server(9999), sent).role is Role.SERVER
    assert inspect(ftp, sent, to_server(9999), answered).role is Role.CLIENT


def test_redis_that_says_ok_is_no_mail():
    assert inspect(mail, b"+OK\r\n", from_server(6379), b"*1\r\n$4\r\nPING\r\n") is None


@pytest.mark.parametrize("data", [b"220 \x00\x01\x02\r\n", b"+OK\x07 POP3\r\n", b"EHLO \x1b[2J\r\n"])
def test_lines_with_control_characters_are_no_mail(data: bytes):
    assert inspect(mail, data, from_server(25)) is None
