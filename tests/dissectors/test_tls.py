import ssl
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import TCP as SCAPY_TCP
from scapy.utils import PcapReader

from dissectors.tls_handshakes import (
    HTTPS,
    ODD_PORT,
    certificate_files,
    client_hello,
    damaged,
    detections_at_every_cut,
    handshake,
    inspected,
    is_sound,
    records_of,
)
from portcall.dissectors import tls
from portcall.records.detections import NO_PAYLOAD, WAIT, Detection, NameKind, Role

VERSIONS = {"TLS 1.3": ssl.TLSVersion.TLSv1_3, "TLS 1.2": ssl.TLSVersion.TLSv1_2}
HELLO = client_hello()
MESSAGE = HELLO[5:]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return certificate_files(tmp_path_factory.mktemp("server"))


def listen(data, ends=ODD_PORT, *, is_ended=False):
    return tls.inspect(inspected(data, is_ended=is_ended), NO_PAYLOAD, ends)


def named(detection):
    return [(name.kind, name.text) for name in detection.names]


def hello_with(extensions, version=b"\x03\x03"):
    """A ClientHello in one record, with these extensions."""
    listed = b"".join(kind.to_bytes(2, "big") + len(body).to_bytes(2, "big") + body for kind, body in extensions)
    body = version + bytes(32) + b"\0" + b"\0\x02\x13\x01" + b"\x01\0" + len(listed).to_bytes(2, "big") + listed
    return records_of(b"\x01" + len(body).to_bytes(3, "big") + body, ())


def server_name(raw):
    """The extension that names a server."""
    return 0, (len(raw) + 3).to_bytes(2, "big") + b"\0" + len(raw).to_bytes(2, "big") + raw


def test_a_client_says_which_server_it_wants():
    found = listen(HELLO)

    assert (found.protocol, found.role, found.is_final) == ("tls", Role.CLIENT, True)
    assert named(found) == [(NameKind.TLS_SNI, "example.org")]


def test_a_client_says_what_it_offers():
    details = dict(listen(HELLO).details)

    assert details["offers"] == "TLS 1.3"
    assert details["alpn"] == "h2,http/1.1"
    assert details["ja4"].startswith("t13d")


@pytest.mark.parametrize("sizes", [(1,), (3, 1), (4, 7), (100, 100, 100), (1,) * 60])
def test_a_hello_may_be_cut_over_records(sizes):
    found = listen(records_of(MESSAGE, sizes))

    assert found == listen(HELLO)


def test_a_record_may_hold_what_follows_the_hello_too():
    found = listen(records_of(MESSAGE + b"\x10\0\0\2ab", ()))

    assert found == listen(HELLO)


def test_every_beginning_of_a_hello_waits_or_finds_what_there_is():
    results = list(detections_at_every_cut(tls.inspect, HELLO, ODD_PORT))

    assert all(result is WAIT or not result.is_final for result, _ in results[1:-1])
    assert all(ended is None or ended.is_final for _, ended in results)
    assert results[-1][0] == results[-1][1] == listen(HELLO)


def test_the_name_in_a_cut_hello_is_found():
    name_end = HELLO.index(b"example.org") + len(b"example.org")

    found = listen(HELLO[:name_end], is_ended=True)

    assert named(found) == [(NameKind.TLS_SNI, "example.org")]
    assert "ja4" not in dict(found.details)


@pytest.mark.parametrize("size", [10, 14, 42])
def test_a_client_is_known_by_the_headers_alone(size):
    assert listen(HELLO[:size]) is WAIT
    assert listen(HELLO[:size], is_ended=True) == Detection("tls", Role.CLIENT)


def test_a_name_is_told_as_sent():
    raw = b"A\x1b[31m\0\xff\xe2\x80\xae.Example."

    found = listen(hello_with([server_name(raw)]))

    assert named(found) == [(NameKind.TLS_SNI, "A\x1b[31m\0\\xff\\xe2\\x80\\xae.Example.")]


def test_a_name_of_60_kilobytes_is_cut():
    found = listen(hello_with([server_name(b"a" * 15_000)]))

    assert named(found) == [(NameKind.TLS_SNI, "a" * 1024)]


@pytest.mark.parametrize("others", [1, 3])
def test_names_of_other_kinds_may_stand_before_the_hosts(others):
    names = b"\1\0\3odd" * others + b"\0\0\x0fwww.example.com"

    found = listen(hello_with([(0, len(names).to_bytes(2, "big") + names)]))

    assert named(found) == [(NameKind.TLS_SNI, "www.example.com")]


@pytest.mark.parametrize("body", [b"", b"\0", b"\0\0", b"\0\3\0\0\0", b"\0\5\1\0\2ab", b"\0\0\0\0\0"])
def test_a_server_name_extension_without_a_host_names_none(body):
    found = listen(hello_with([(0, body)]))

    assert (found.protocol, found.names) == ("tls", ())


@pytest.mark.parametrize(("kind", "detail"), [(0xFE0D, ("ech", "yes")), (0xFFCE, ("esni", "yes"))])
def test_an_encrypted_hello_is_said(kind, detail):
    found = listen(hello_with([server_name(b"cover.example"), (kind, b"\0\0\1\0\1")]))

    assert detail in found.details


@pytest.mark.parametrize(
    ("version", "text"),
    [(b"\x03\x00", "SSL 3.0"), (b"\x03\x01", "TLS 1.0"), (b"\x03\x02", "TLS 1.1"), (b"\x03\x7f", "0x037f")],
)
def test_old_and_odd_versions_are_told(version, text):
    found = listen(hello_with([], version))

    assert ("offers", text) in found.details


def test_grease_is_no_version():
    found = listen(hello_with([(43, b"\x06\x7a\x7a\x03\x04\x03\x03")]))

    assert ("offers", "TLS 1.3") in found.details


def test_a_hello_may_have_no_extensions():
    whole = hello_with([])
    body = whole[9:-2]

    found = listen(records_of(b"\x01" + len(body).to_bytes(3, "big") + body, ()))

    assert (found.protocol, found.role, found.names, found.is_final) == ("tls", Role.CLIENT, (), True)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_server_says_which_version_it_chose(files, version):
    _client, server = handshake(files, VERSIONS[version])

    found = listen(server)

    assert (found.protocol, found.role, found.is_final) == ("tls", Role.SERVER, True)
    assert ("version", version) in found.details


def test_up_to_tls_1_2_a_server_shows_its_certificate_and_the_protocol(files):
    _client, server = handshake(files, ssl.TLSVersion.TLSv1_2)

    found = listen(server)

    assert named(found) == [(NameKind.CERTIFICATE, "example.org")]
    assert ("alpn", "http/1.1") in found.details


def test_tls_1_3_hides_the_certificate(files):
    _client, server = handshake(files)

    found = listen(server)

    assert found.names == ()


def test_a_server_is_heard_on_until_its_certificate_is_there(files):
    _client, server = handshake(files, ssl.TLSVersion.TLSv1_2)

    hello_end = 5 + int.from_bytes(server[3:5], "big")
    found = listen(server[:hello_end])

    assert (found.role, found.is_final) == (Role.SERVER, False)


def test_every_beginning_of_a_server_waits_or_finds_what_there_is(files):
    _client, server = handshake(files, ssl.TLSVersion.TLSv1_2)

    results = list(detections_at_every_cut(tls.inspect, server, ODD_PORT))

    assert all(is_sound(result) for pair in results for result in pair)
    assert results[0] == (None, None)
    assert None not in [result for result, _ in results[1:]]


def test_two_records_in_a_row_are_tls_on_any_port(files):
    client, _server = handshake(files)
    encrypted = client[client.index(b"\x17\x03\x03") :]

    assert listen(encrypted) == Detection("tls")


def test_one_record_that_is_all_there_is_is_tls_on_any_port():
    assert listen(b"\x15\x03\x03\0\2\2\x28") == Detection("tls")


@pytest.mark.parametrize("rest", [b"\x17", b"\x17\x03\x03\0"])
def test_one_record_and_the_beginning_of_a_header_are_waited_for(rest):
    data = b"\x17\x03\x03\0\1a" + rest

    assert listen(data) is WAIT
    assert listen(data, is_ended=True) is None
    assert listen(data + b"\x17\x03\x03\0\1a"[len(rest) :]) == Detection("tls")


def test_the_beginning_of_a_record_is_tls_on_its_own_ports_only():
    cut = b"\x17\x03\x03\x10\0" + bytes(1000)

    assert listen(cut, HTTPS) is WAIT
    assert listen(cut, HTTPS, is_ended=True) == Detection("tls")
    assert listen(cut, ODD_PORT, is_ended=True) is None


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x16\x02\x01\0\x05\x01\0\0\1\0",  # no such version
        b"\x16\x03\x01\0\0\x01\0\0\0\0",  # an empty record
        b"\x17\x03\x03\0\1aSSH-2.0-",  # no record follows
        b"\x80\x2e\x01\x00\x02" + bytes(43),  # lengths that do not agree
        b"\xff" * 100,
        b"",
    ],
)
def test_other_protocols_are_not_tls(data):
    assert listen(data, HTTPS) is None


def test_the_hello_of_ssl_2_is_recognised():
    hello = b"\x80\x2e\x01\x03\x01\0\x15\0\0\0\x10" + bytes(0x15) + bytes(0x10)

    assert listen(hello) == Detection("tls", Role.CLIENT, details=(("offers", "TLS 1.0"),))


def test_a_server_of_ssl_2_is_recognised():
    hello = b"\x80\x1e\x04\0\1\0\2\0\0\0\3\0\x10" + bytes(3) + bytes(0x10)

    assert listen(hello) == Detection("tls", Role.SERVER, details=(("version", "SSL 2.0"),))


@given(st.integers(0, 2**32), st.booleans())
def test_damage_never_raises(seed, is_ended):
    data = damaged(HELLO, seed)

    assert is_sound(listen(data, is_ended=is_ended))


@given(st.integers(0, 2**32))
def test_a_damaged_server_never_raises(files, seed):
    _client, server = handshake(files, ssl.TLSVersion.TLSv1_2)

    assert is_sound(listen(damaged(server, seed)))


@given(st.binary(max_size=300))
def test_any_bytes_never_raise(data):
    assert is_sound(listen(b"\x16\x03\x01" + data))
    assert is_sound(listen(data, is_ended=True))


def test_the_clients_of_a_capture_say_which_servers_they_want():
    office = Path(__file__).parents[2] / "captures" / "office.pcapng"

    with PcapReader(str(office)) as packets:
        payloads = [bytes(packet[SCAPY_TCP].payload) for packet in packets if SCAPY_TCP in packet]
    detections = [listen(payload, HTTPS) for payload in payloads if payload[:1] == b"\x16"]

    texts = {name.text for found in detections if found for name in found.names}
    assert texts == {"bank.example.org", "music.example.net", "news.example.org"}
