"""Encrypted hellos as BoringSSL sends them: covers, what may be one, and what a key log opens."""

import pytest

from dissectors.ech_vectors import (
    ACCEPTED_CLIENT,
    ACCEPTED_KEYS,
    ACCEPTED_SERVER,
    GREASE_HELLO,
    QUIC_DATAGRAM,
    RETRIED_CLIENT,
    RETRIED_KEYS,
    RETRIED_SERVER,
    RETRY_TURNS,
)
from dissectors.tls_handshakes import QUIC_ENDS, damaged, inspected, inspected_datagrams, is_sound
from portcall.dissectors import quic, tls
from portcall.records.detections import NO_PAYLOAD, TCP, WAIT, Ends, Name, NameKind
from portcall.records.payloads.tls_secrets import read_key_log

HTTPS = Ends(TCP, 50_000, 443)
FIRST = RETRY_TURNS[0]
FIRST_HELLO, BOTH_HELLOS = RETRIED_CLIENT[:FIRST], RETRIED_CLIENT[: FIRST + RETRY_TURNS[2]]


def heard(client, server=b"", key_log=b""):
    ends = Ends(TCP, 50_000, 443, dict(read_key_log(key_log)))
    return tls.inspect(inspected(client), inspected(server) if server else NO_PAYLOAD, ends)


@pytest.mark.parametrize(
    ("hello", "sent"), [(FIRST_HELLO, "cover.example"), (GREASE_HELLO, "secret.example")], ids=["real", "grease"]
)
def test_a_name_beside_an_encrypted_hello_may_be_a_cover_be_it_real_or_grease(hello, sent):
    detection = heard(hello)

    assert detection.names == (Name(NameKind.TLS_SNI, sent, may_be_cover=True),)
    assert ("ech", "yes") in detection.details


def test_a_name_that_is_known_to_cover_others_is_a_cover_beside_an_encrypted_hello():
    known = FIRST_HELLO.replace(b"cover.example", b"cover.defo.ie")

    assert heard(known).names == (Name(NameKind.TLS_SNI_OUTER, "cover.defo.ie"),)


def test_who_asks_for_a_known_cover_without_an_encrypted_hello_wants_just_that():
    plain = FIRST_HELLO.replace(b"cover.example", b"cover.defo.ie").replace(b"\xfe\x0d\0\xba", b"\xfe\x0e\0\xba")

    assert heard(plain).names == (Name(NameKind.TLS_SNI, "cover.defo.ie"),)


def test_quic_has_the_same():
    detection = quic.inspect(inspected_datagrams(QUIC_DATAGRAM), NO_PAYLOAD, QUIC_ENDS)

    assert detection.names == (Name(NameKind.QUIC_SNI, "cover.example", may_be_cover=True),)


@pytest.mark.parametrize(
    ("client", "server", "keys"),
    [(ACCEPTED_CLIENT, ACCEPTED_SERVER, ACCEPTED_KEYS), (RETRIED_CLIENT, RETRIED_SERVER, RETRIED_KEYS)],
    ids=["accepted", "after a second hello"],
)
def test_the_secret_of_ech_shows_the_name_that_was_asked_for_behind_its_cover(client, server, keys):
    names = heard(client, server, keys).names

    assert names[0] == Name(NameKind.TLS_SNI, "secret.example")
    assert names[-1] == Name(NameKind.TLS_SNI_OUTER, "cover.example")


def test_secrets_of_the_session_are_those_of_the_hello_inside():
    detection = heard(ACCEPTED_CLIENT, ACCEPTED_SERVER, ACCEPTED_KEYS)

    (asked,) = [name.text for name in detection.names if name.kind is NameKind.HTTP_HOST]
    assert asked.startswith("secret.example:")


@pytest.mark.parametrize("label", [b"ECH_SECRET", b"ECH_CONFIG"])
def test_one_of_both_secrets_opens_nothing(label):
    keys = b"\n".join(line for line in ACCEPTED_KEYS.splitlines() if not line.startswith(label))

    assert heard(ACCEPTED_CLIENT, ACCEPTED_SERVER, keys).names == (
        Name(NameKind.TLS_SNI, "cover.example", may_be_cover=True),
    )


def test_a_wrong_secret_opens_nothing():
    random = ACCEPTED_CLIENT[11:43].hex().encode()
    keys = ACCEPTED_KEYS.replace(b"ECH_SECRET " + random + b" ", b"ECH_SECRET " + random + b" 00")

    assert heard(ACCEPTED_CLIENT, ACCEPTED_SERVER, keys[: keys.index(b"\n") - 2] + keys[keys.index(b"\n") :]).names == (
        Name(NameKind.TLS_SNI, "cover.example", may_be_cover=True),
    )


def test_a_second_hello_adds_its_fingerprint_and_that_the_server_opened_the_first():
    details = heard(BOTH_HELLOS).details

    assert [text for key, text in details if key == "ja4"] == [*ja4(FIRST_HELLO), *ja4(RETRIED_CLIENT[FIRST + 6 :])]
    assert details[-1] == ("ech", "accepted")
    assert ("ech", "accepted") not in heard(FIRST_HELLO).details


def ja4(hello):
    return [text for key, text in heard(hello).details if key == "ja4"]


def test_a_second_hello_that_is_not_all_there_is_waited_for():
    assert heard(FIRST_HELLO).is_final
    for size in range(FIRST + 1, len(BOTH_HELLOS)):
        assert not heard(BOTH_HELLOS[:size]).is_final
    assert heard(BOTH_HELLOS).is_final


def test_what_else_follows_a_hello_is_not_waited_for():
    assert heard(ACCEPTED_CLIENT).is_final
    assert heard(FIRST_HELLO + b"\x17\3\3\0\x20").is_final


@pytest.mark.parametrize("seed", range(60))
def test_damage_raises_nothing(seed):
    detection = heard(damaged(RETRIED_CLIENT, seed), damaged(RETRIED_SERVER, seed), damaged(RETRIED_KEYS, seed // 9))

    assert detection is WAIT or is_sound(detection)
