"""Greetings of databases: those of our own captures, and messages laid out by the protocols' documents."""

import struct
from pathlib import Path

import pytest
from inspecting import TCP, inspect, stream

from inspected_captures import conversations
from portcall.dissectors import databases
from portcall.records.detections import WAIT, Ends, Role

CAPTURES = Path(__file__).parents[2] / "captures"


def greeting(body):
    """MySQL: length, number 0, and what is said."""
    return len(body).to_bytes(3, "little") + b"\0" + body


MYSQL = greeting(b"\x0a8.0.36\0" + b"\x0c\0\0\0" + bytes(40))
MARIADB = greeting(b"\x0a5.5.5-10.11.6-MariaDB\0" + bytes(50))
POSTGRESQL = b"\0\0\0\x20\0\3\0\0user\0kim\0database\0shop\0\0"
POSTGRESQL_TLS = b"\0\0\0\x08\x04\xd2\x16\x2f"
POSTGRESQL_ANSWER = b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0"
REDIS, REDIS_ANSWER = b"*2\r\n$3\r\nGET\r\n$8\r\nbasket:7\r\n", b"+PONG\r\n"
MONGODB_BODY = bytes(4) + b"\0" + b"\x1f\0\0\0\x10hello\0\1\0\0\0\x02$db\0\x06\0\0\0admin\0\0"
MONGODB = struct.pack("<IIII", 16 + len(MONGODB_BODY), 1, 0, 2013) + MONGODB_BODY
TDS = b"\x12\1\0\x2f\0\0\1\0" + bytes.fromhex("00001a00060100200001020021000103002200040400260001ff") + bytes(13)
ORACLE_TEXT = b"(DESCRIPTION=(CONNECT_DATA=(SERVICE_NAME=shop)(CID=(PROGRAM=sqlplus)))(ADDRESS=(PROTOCOL=TCP)))"
ORACLE = (
    (58 + len(ORACLE_TEXT)).to_bytes(2, "big") + b"\0\0\1\0\0\0\1\x3a\1\x2c" + bytes(12)
    + len(ORACLE_TEXT).to_bytes(2, "big") + b"\0\x3a" + bytes(30) + ORACLE_TEXT
)  # fmt: skip
CASSANDRA = b"\x04\0\0\0\1\0\0\0\x16\0\1\0\x0bCQL_VERSION\0\x053.0.0"
MEMCACHED = b"get basket:7\r\n"
DRDA = b"\0\x16\xd0\x41\0\1\0\x10\x10\x41" + bytes(12)
SAMPLES = [
    (TCP, data)
    for data in (
        MYSQL, MARIADB, POSTGRESQL, POSTGRESQL_TLS, POSTGRESQL_ANSWER, REDIS, REDIS_ANSWER, MONGODB, TDS, ORACLE,
        CASSANDRA, MEMCACHED, DRDA,
    )
]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "protocol", "role"),
    [
        (MYSQL, "mysql", Role.SERVER),
        (MARIADB, "mysql", Role.SERVER),
        (POSTGRESQL, "postgresql", Role.CLIENT),
        (POSTGRESQL_TLS, "postgresql", Role.CLIENT),
        (POSTGRESQL_ANSWER, "postgresql", Role.SERVER),
        (REDIS, "redis", Role.CLIENT),
        (MONGODB, "mongodb", Role.CLIENT),
        (TDS, "mssql", Role.CLIENT),
        (ORACLE, "oracle", Role.CLIENT),
        (CASSANDRA, "cassandra", Role.CLIENT),
        (DRDA, "drda", Role.CLIENT),
    ],
)
def test_a_greeting_tells_the_database_on_any_port(data, protocol, role):
    inspected = inspect(databases, TCP, data)

    assert (inspected.protocol, inspected.role) == (protocol, role)


@pytest.mark.parametrize(
    ("data", "details"),
    [
        (MYSQL, {"version": "8.0.36"}),
        (MARIADB, {"version": "5.5.5-10.11.6-MariaDB"}),
        (POSTGRESQL, {"user": "kim", "database": "shop"}),
        (ORACLE, {"service": "shop"}),
    ],
)
def test_what_a_greeting_says_is_told(data, details):
    assert dict(inspect(databases, TCP, data).details) == details


def test_answers_of_redis_need_a_question_or_their_port():
    assert inspect(databases, TCP, REDIS_ANSWER) is None
    assert inspect(databases, TCP, REDIS_ANSWER, REDIS).role == Role.SERVER
    assert inspect(databases, TCP, REDIS_ANSWER, source_port=6379).role == Role.SERVER


def test_commands_that_anybody_might_type_count_on_their_port_only():
    assert inspect(databases, TCP, MEMCACHED) is None
    assert inspect(databases, TCP, MEMCACHED, target_port=11211).protocol == "memcached"
    assert inspect(databases, TCP, b"PING\r\n") is None
    assert inspect(databases, TCP, b"PING\r\n", target_port=6379).protocol == "redis"


def test_a_startup_message_is_waited_for():
    assert inspect(databases, TCP, POSTGRESQL[:20]) is WAIT
    assert databases.inspect(stream(POSTGRESQL[:20], is_ended=True), stream(b""), Ends(TCP, 1, 2)) is None


def test_the_databases_of_our_captures_are_heard():
    inspected = {
        found.protocol
        for name in ("office.pcapng", "database.pcap")
        for conversation in conversations(CAPTURES / name)
        if conversation.ends.transport == TCP
        for (sent, ends), (answered, _) in [conversation.payloads(), conversation.payloads()[::-1]]
        if (found := databases.inspect(sent, answered, ends)) not in {None, WAIT}
    }

    assert inspected == {"mysql", "postgresql", "redis"}
