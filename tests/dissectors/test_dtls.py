from contextlib import suppress
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from OpenSSL import SSL

from dissectors.tls_handshakes import certificate_files, damaged, inspected_datagrams, is_sound
from portcall.dissectors import dtls
from portcall.records.detections import NO_PAYLOAD, UDP, Detection, Ends, NameKind, Role

ODD_PORT = Ends(UDP, 50_000, 12_345)


def listen(*datagrams, is_ended=False):
    return dtls.inspect(inspected_datagrams(*datagrams, is_ended=is_ended), NO_PAYLOAD, ODD_PORT)


def named(detection):
    return [(name.kind, name.text) for name in detection.names]


def records_in(data):
    """The records of a datagram, one by one."""
    while data:
        end = 13 + int.from_bytes(data[11:13], "big")
        yield data[:end]
        data = data[end:]


def sent_by(connection):
    """What a connection has to send."""
    try:
        return connection.bio_read(65_536)
    except SSL.WantReadError:
        return b""


def tries(action):
    with suppress(SSL.WantReadError):  # it is the other end's turn
        action()


@cache
def handshake(folder):
    """The datagrams of a client and a server of OpenSSL's; the server asks for a cookie first."""
    certificate, key = certificate_files(folder)
    server_context = SSL.Context(SSL.DTLS_METHOD)
    server_context.use_certificate_file(str(certificate))
    server_context.use_privatekey_file(str(key))
    server_context.set_cookie_generate_callback(lambda _connection: b"cookie")
    server_context.set_cookie_verify_callback(lambda _connection, cookie: cookie == b"cookie")
    client, server = SSL.Connection(SSL.Context(SSL.DTLS_METHOD), None), SSL.Connection(server_context, None)
    client.set_connect_state()
    client.set_tlsext_host_name(b"example.org")
    server.set_accept_state()
    sent = {client: [], server: []}
    turns = [client.do_handshake, server.DTLSv1_listen] * 2 + [server.do_handshake, client.do_handshake] * 2
    for turn in turns:
        tries(turn)
        sender, other = (client, server) if turn.__self__ is client else (server, client)
        if data := sent_by(sender):
            sent[sender].append(data)
            other.bio_write(data)
    return tuple(sent[client]), tuple(sent[server])


@pytest.fixture(scope="module")
def sent(tmp_path_factory):
    return handshake(tmp_path_factory.mktemp("dtls"))


@pytest.fixture(scope="module")
def hello(sent):
    return sent[0][0]


def fragmented(record, sizes):
    """A record with one whole handshake message, as records with fragments of these lengths."""
    header, message = record[:11], record[13:]
    start, body = message[:6], message[12:]
    records, offset = [], 0
    for size in (*sizes, len(body)):
        piece = body[offset : offset + size]
        content = start + offset.to_bytes(3, "big") + len(piece).to_bytes(3, "big") + piece
        records.append(header + len(content).to_bytes(2, "big") + content)
        offset += len(piece)
    return records


def test_a_client_says_which_server_it_wants(hello):
    found = listen(hello)

    assert (found.protocol, found.role, found.is_final) == ("dtls", Role.CLIENT, True)
    assert named(found) == [(NameKind.TLS_SNI, "example.org")]
    assert ("offers", "DTLS 1.2") in found.details
    assert dict(found.details)["ja4"].startswith("dd2d")


def test_the_second_hello_with_the_cookie_says_the_same(sent):
    first, second = sent[0][:2]
    assert b"cookie" in second

    assert listen(second) == listen(first, second) == listen(first)


@pytest.mark.parametrize("sizes", [(1,), (50,), (10, 20, 30)])
def test_a_hello_may_be_cut_over_records_in_any_order(hello, sizes):
    records = fragmented(hello, sizes)

    assert listen(*records) == listen(*records[::-1]) == listen(b"".join(records)) == listen(hello)


def test_a_hello_that_is_not_all_there_is_waited_for(hello):
    found = listen(fragmented(hello, (100,))[0])

    assert (found.protocol, found.role, found.is_final) == ("dtls", Role.CLIENT, False)


def test_a_server_asks_for_the_cookie_and_is_heard_on(sent):
    found = listen(sent[1][0])

    assert (found.role, found.names, found.is_final) == (Role.SERVER, (), False)


def test_a_server_shows_its_certificate(sent):
    found = listen(*sent[1])

    assert (found.role, found.is_final) == (Role.SERVER, True)
    assert named(found) == [(NameKind.CERTIFICATE, "example.org")]
    assert ("version", "DTLS 1.2") in found.details


def test_a_conversation_that_began_before_is_dtls_of_no_known_role(sent):
    encrypted = list(records_in(sent[0][-1]))[-1]
    assert encrypted[3:5] == b"\0\1"

    assert listen(encrypted) == Detection("dtls")


def test_a_record_with_a_connection_id_is_dtls():
    assert listen(b"\x19\xfe\xfd\0\1" + bytes(6) + b"id\0\3abc") == Detection("dtls")


@pytest.mark.parametrize(
    "data", [b"", b"\x16\xfe\xfd", b"\x16\x03\x03" + bytes(40), b"\x16\xfe\xfd" + bytes(40), b"\x80\x60" + bytes(40)]
)
def test_other_protocols_are_not_dtls(data):
    assert listen(data) is None


def test_every_beginning_is_heard_without_harm(sent):
    datagrams = (sent[0][0], b"".join(sent[1]))

    results = [listen(data[:size], is_ended=size % 2 == 0) for data in datagrams for size in range(len(data))]

    assert all(is_sound(result) for result in results)


@given(seed=st.integers(0, 2**32), is_ended=st.booleans())
def test_damage_never_raises(sent, seed, is_ended):
    for datagrams in sent:
        changed = [damaged(datagram, seed + place) for place, datagram in enumerate(datagrams)]

        assert is_sound(listen(*changed, is_ended=is_ended))


@given(st.binary(max_size=300))
def test_any_bytes_never_raise(data):
    assert is_sound(listen(b"\x16\xfe\xfd" + data))
    assert is_sound(listen(data, is_ended=True))
