import ssl

import pytest

from dissectors.tls_handshakes import certificate
from portcall.dissectors._certificate import certificate_names, names_of
from portcall.records.detections import Name, NameKind


def certificate_of(common_name, *alternative_names):
    """A certificate in DER."""
    pem, _key = certificate(common_name, alternative_names)
    return ssl.PEM_cert_to_DER_cert(pem.decode())


def message_of(*certificates):
    """The body of a Certificate message with these."""
    listed = b"".join(len(each).to_bytes(3, "big") + each for each in certificates)
    return len(listed).to_bytes(3, "big") + listed


def texts(names):
    assert all(name.kind is NameKind.CERTIFICATE for name in names)
    return [name.text for name in names]


def test_the_first_dns_name_is_taken():
    der = certificate_of("common.example", "*.first.example", "second.example")

    assert texts(names_of(der)) == ["*.first.example"]


def test_without_dns_names_the_common_name_is_taken():
    assert texts(names_of(certificate_of("common.example"))) == ["common.example"]


def test_a_common_name_that_is_not_ascii_is_escaped():
    assert texts(names_of(certificate_of("bücher"))) == ["b\\xc3\\xbccher"]


def test_a_certificate_for_nobody_names_none():
    assert names_of(certificate_of("")) == ()


@pytest.mark.parametrize("der", [b"", b"0", b"0\x80\0\0", bytes(100), b"0" * 20_000])
def test_what_is_no_certificate_names_none(der):
    assert names_of(der) == ()


def test_the_servers_own_certificate_comes_first():
    body = message_of(certificate_of("server.example"), certificate_of("authority.example"))

    assert texts(certificate_names(body)) == ["server.example"]


def test_a_message_that_is_cut_is_waited_for_until_the_first_certificate_is_there():
    first = certificate_of("server.example")
    body = message_of(first, certificate_of("authority.example"))

    results = [certificate_names(body[:size]) for size in range(len(body) + 1)]

    known = (Name(NameKind.CERTIFICATE, "server.example"),)
    assert results == [None] * (6 + len(first)) + [known] * (len(body) - 5 - len(first))


def test_an_empty_list_of_certificates_names_none():
    assert certificate_names(bytes(3)) == ()
