"""What a handshake says of both ends, from OpenSSL's own bytes."""

import hashlib
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from dissectors.tls_handshakes import certificate_files, damaged, handshake, records_of
from examples import examples
from portcall.inspection.logs.tls_log import TlsLog

CLIENT, SERVER = 0, 1


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return certificate_files(tmp_path_factory.mktemp("tls"))


def logged(*said):
    log = TlsLog()
    for at, (side, data) in enumerate(said):
        log.feed(side, data, at)
    return [dict(entry.fields) for entry in log.finish()]


def turns(client, server, hello_bytes):
    """The hello, all that the server said, and the rest of the client's."""
    return (CLIENT, client[:hello_bytes]), (SERVER, server), (CLIENT, client[hello_bytes:])


def of_hello(client):
    return 5 + int.from_bytes(client[3:5], "big")


def test_tls_1_2_shows_the_certificate_and_every_step(files):
    client, server = handshake(files, ssl.TLSVersion.TLSv1_2)
    chain = x509.load_pem_x509_certificate(files[0].read_bytes()).public_bytes(Encoding.DER)

    (line,) = logged(*turns(client, server, of_hello(client)))

    assert line["version"] == "TLSv12"
    assert line["server_name"] == b"example.org"
    assert line["next_protocol"] == b"http/1.1"
    assert line["cert_chain_fps"] == [hashlib.sha256(chain).hexdigest().encode()]
    assert line["client_cert_chain_fps"] == []
    assert line["cipher"].startswith("TLS_ECDHE_ECDSA_WITH_")
    assert (line["curve"], line["established"], line["resumed"]) == ("x25519", True, False)
    assert line["ssl_history"].startswith("Csxkn")


def test_tls_1_3_hides_what_follows_the_hellos(files):
    client, server = handshake(files)

    (line,) = logged(*turns(client, server, of_hello(client)))

    assert (line["version"], line["established"], line["ssl_history"][:2]) == ("TLSv13", True, "Cs")
    assert "cert_chain_fps" not in line


@pytest.mark.parametrize("size", [1, 100])
def test_it_does_not_matter_how_the_streams_are_cut(files, size):
    client, server = handshake(files, ssl.TLSVersion.TLSv1_2)
    whole = turns(client, server, of_hello(client))

    pieces = [(side, data[at : at + size]) for side, data in whole for at in range(0, len(data), size)]

    assert logged(*pieces) == logged(*whole)


def test_messages_may_be_cut_over_records(files):
    client, _ = handshake(files)
    message = client[5 : of_hello(client)]

    assert logged((CLIENT, records_of(message, (3, 50, 7))))[0]["ssl_history"] == "C"


def test_an_alert_says_why_it_failed(files):
    client, _ = handshake(files)

    (line,) = logged((CLIENT, client[: of_hello(client)]), (SERVER, b"\x15\x03\x03\0\2\2\x28"))

    assert (line["last_alert"], line["established"], line["ssl_history"]) == ("handshake_failure", False, "Cl")


def test_what_is_no_tls_has_no_line():
    assert logged((CLIENT, b"GET / HTTP/1.1\r\n\r\n"), (SERVER, b"")) == []


@settings(max_examples=examples(100))
@given(seed=st.integers(0, 2**32))
def test_damage_never_raises(files, seed):
    client, server = handshake(files, ssl.TLSVersion.TLSv1_2)

    logged(*turns(damaged(client, seed), damaged(server, seed + 1), of_hello(client)))
