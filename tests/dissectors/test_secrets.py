"""TLS with the secrets that a capture brings: OpenSSL says what, each suite of either version opens."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from OpenSSL import SSL

from dissectors.tls_handshakes import certificate_files, damaged, inspected, is_sound
from portcall.dissectors import tls
from portcall.records.detections import NO_PAYLOAD, TCP, Ends, Name, NameKind
from portcall.records.payloads.tls_secrets import read_key_log

REQUEST = b"GET / HTTP/1.1\r\nHost: inside.example\r\nUser-Agent: curl/8.5\r\n\r\n"
SUITES_1_3 = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"]
SUITES_1_2 = [
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
]
HOST = Name(NameKind.HTTP_HOST, "inside.example")


def conversation(files, suite, request=REQUEST, server_name=b"outside.example"):
    """(what the client said, what the server said, the key log) of a handshake and a request."""
    lines = []
    ends = [SSL.Connection(context_of(files, suite, lines), None) for _ in range(2)]
    client, server = ends
    if server_name:
        client.set_tlsext_host_name(server_name)
    client.set_connect_state()
    server.set_accept_state()
    sent = {client: b"", server: b""}
    for action in (SSL.Connection.do_handshake,) * 3 + (lambda end: end.send(request) if end is client else None,):
        for end, other in ((client, server), (server, client)):
            with suppress(SSL.WantReadError):  # it is the other end's turn
                action(end)
            sent[end] += pump(end, other)
    return sent[client], sent[server], b"\n".join(dict.fromkeys(lines)) + b"\n"


def context_of(files, suite, lines):
    context = SSL.Context(SSL.TLS_METHOD)
    version = SSL.TLS1_3_VERSION if suite in SUITES_1_3 else SSL.TLS1_2_VERSION
    context.set_min_proto_version(version)
    context.set_max_proto_version(version)
    (context.set_tls13_ciphersuites if suite in SUITES_1_3 else context.set_cipher_list)(suite.encode())
    context.use_certificate_file(str(files[0]))
    context.use_privatekey_file(str(files[1]))
    context.set_keylog_callback(lambda _connection, line: lines.append(line))
    return context


def pump(end, other):
    try:
        data = end.bio_read(1 << 16)
    except SSL.WantReadError:
        return b""
    other.bio_write(data)
    return data


def ends_with(key_log):
    return Ends(TCP, 50_000, 443, dict(read_key_log(key_log)))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return certificate_files(tmp_path_factory.mktemp("server"))


@pytest.fixture(scope="module")
def sample(files):
    return conversation(files, SUITES_1_3[0])


@pytest.mark.parametrize("suite", SUITES_1_3 + SUITES_1_2)
def test_a_request_is_heard_with_the_secrets_of_its_session(files, suite):
    client, server, key_log = conversation(files, suite)

    detection = tls.inspect(inspected(client), inspected(server), ends_with(key_log))

    assert detection.names == (Name(NameKind.TLS_SNI, "outside.example"), HOST)
    assert {("inside", "http"), ("user_agent", "curl/8.5")} <= set(detection.details)
    assert detection.is_final


@pytest.mark.parametrize("suite", [SUITES_1_3[0], SUITES_1_2[0], SUITES_1_2[2]])
def test_a_request_over_several_records_is_heard(files, suite):
    client, server, key_log = conversation(files, suite, REQUEST.replace(b"\r\n\r\n", b"\r\nX: " + bytes(20000)))

    assert HOST in tls.inspect(inspected(client), inspected(server), ends_with(key_log)).names


@pytest.mark.parametrize("suite", [SUITES_1_3[0], SUITES_1_2[0]])
def test_secrets_of_another_session_open_nothing(files, suite):
    client, server, _ = conversation(files, suite)
    *_, key_log = conversation(files, suite)

    detection = tls.inspect(inspected(client), inspected(server), ends_with(key_log))

    assert HOST not in detection.names
    assert detection.is_final


@pytest.mark.parametrize("suite", [SUITES_1_3[0], SUITES_1_2[0], SUITES_1_2[2]])
def test_a_wrong_secret_opens_nothing(files, suite):
    client, server, key_log = conversation(files, suite)
    wrong = {session: bytes(len(secret)) for session, secret in read_key_log(key_log)}

    detection = tls.inspect(inspected(client, is_ended=True), inspected(server), Ends(TCP, 50_000, 443, wrong))

    assert [name.text for name in detection.names] == ["outside.example"]


def test_the_secret_of_the_data_alone_is_enough(sample):
    client, server, key_log = sample
    data_only = b"\n".join(line for line in key_log.splitlines() if line.startswith(b"CLIENT_TRAFFIC_SECRET_0"))

    assert HOST in tls.inspect(inspected(client), inspected(server), ends_with(data_only)).names


def test_a_hello_whose_secrets_are_known_is_not_the_last_word(sample):
    client, _, key_log = sample
    hello = client[: 5 + int.from_bytes(client[3:5], "big")]

    assert not tls.inspect(inspected(hello), NO_PAYLOAD, ends_with(key_log)).is_final
    assert tls.inspect(inspected(hello), NO_PAYLOAD, ends_with(b"")).is_final


def test_every_beginning_and_every_damage_is_sound(sample):
    client, server, key_log = sample
    ends = ends_with(key_log)

    for size in range(0, len(client), 7):
        assert is_sound(tls.inspect(inspected(client[:size]), inspected(server), ends))
        assert is_sound(tls.inspect(inspected(client), inspected(server[:size]), ends))


@given(seed=st.integers(0, 1 << 32))
def test_damaged_speech_raises_nothing(sample, seed):
    client, server, key_log = sample

    assert is_sound(
        tls.inspect(inspected(damaged(client, seed)), inspected(damaged(server, seed + 1)), ends_with(key_log))
    )
