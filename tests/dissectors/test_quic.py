from functools import cache

import pytest
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.crypto import CryptoPair
from aioquic.quic.packet import encode_quic_retry, encode_quic_version_negotiation
from hypothesis import given
from hypothesis import strategies as st

from dissectors.quic_vectors import (
    CLIENT_INITIAL_1,
    CLIENT_INITIAL_2,
    FIRST_ID,
    SERVER_INITIAL_1,
    SERVER_INITIAL_2,
)
from dissectors.tls_handshakes import QUIC_ENDS, certificate_files, damaged, inspected_datagrams, is_sound
from portcall.dissectors import quic
from portcall.dissectors._quic_packets import crypto_pieces, initial_keys, long_packets, opened, salts_of
from portcall.records.detections import NO_PAYLOAD, UDP, WAIT, Detection, Ends, NameKind, Role

VERSION_1, VERSION_2, DRAFT_29 = 0x00000001, 0x6B3343CF, 0xFF00001D
CLIENT_ADDRESS, SERVER_ADDRESS = ("192.0.2.1", 50_000), ("192.0.2.2", 443)
VECTORS = {"v1": (CLIENT_INITIAL_1, SERVER_INITIAL_1), "v2": (CLIENT_INITIAL_2, SERVER_INITIAL_2)}


def listen(*datagrams, answered=(), ends=QUIC_ENDS, is_ended=False):
    other = inspected_datagrams(*answered) if answered else NO_PAYLOAD
    return quic.inspect(inspected_datagrams(*datagrams, is_ended=is_ended), other, ends)


def named(detection):
    return [(name.kind, name.text) for name in detection.names]


def client_of(version=VERSION_1, server_name="example.org", protocols=("h3",)):
    """A client of aioquic's that has begun."""
    configuration = QuicConfiguration(
        alpn_protocols=list(protocols),
        server_name=server_name,
        supported_versions=[version],
        original_version=version,
        verify_mode=0,
    )
    client = QuicConnection(configuration=configuration)
    client.connect(SERVER_ADDRESS, now=0.0)
    return client


def sent_by(connection, now=0.0):
    return [data for data, _address in connection.datagrams_to_send(now)]


@cache
def large_hello():
    """The datagrams of a ClientHello that takes several."""
    protocols = [f"protocol-{number:03}-" + "x" * 40 for number in range(60)]
    return tuple(sent_by(client_of(protocols=protocols)))


@pytest.mark.parametrize(
    ("version", "from_client", "key", "nonce", "header"),
    [
        (
            VERSION_1,
            True,
            "1f369613dd76d5467730efcbe3b1a22d",
            "fa044b2f42a3fd3b46fb255c",
            "9f50449e04a0e810283a1e9933adedd2",
        ),
        (
            VERSION_1,
            False,
            "cf3a5331653c364c88f0f379b6067e37",
            "0ac1493ca1905853b0bba03e",
            "c206b8d9b9f0f37644430b490eeaa314",
        ),
        (
            VERSION_2,
            True,
            "8b1a0bc121284290a29e0971b5cd045d",
            "91f73e2351d8fa91660e909f",
            "45b95e15235d6f45a6b19cbcb0294ba9",
        ),
        (
            VERSION_2,
            False,
            "82db637861d55e1d011f19ea71d5d2a7",
            "dd13c276499c0249d3310652",
            "edf6d05c83121201b436e16877593c3a",
        ),
    ],
)
def test_keys_are_those_of_the_rfcs(version, from_client, key, nonce, header):
    keys = initial_keys(salts_of(version)[0], FIRST_ID, version == VERSION_2, from_client)

    assert (keys.key.hex(), keys.nonce.hex(), keys.header.hex()) == (key, nonce, header)


@pytest.mark.parametrize("version", VECTORS)
def test_the_clients_of_the_rfcs_are_understood(version):
    found = listen(VECTORS[version][0])

    assert (found.protocol, found.role, found.is_final) == ("quic", Role.CLIENT, True)
    assert named(found) == [(NameKind.QUIC_SNI, "example.com")]
    assert found.details[:3] == (("version", version), ("offers", "TLS 1.3"), ("alpn", "alpn"))


@pytest.mark.parametrize("version", VECTORS)
def test_the_servers_of_the_rfcs_are_known_by_what_the_client_began_with(version):
    client, server = VECTORS[version]

    found = listen(server, answered=[client])

    assert found == Detection("quic", Role.SERVER, details=(("version", version),))


def test_without_the_client_a_server_is_quic_of_no_known_role():
    assert listen(SERVER_INITIAL_1) == Detection("quic", details=(("version", "v1"),), is_final=False)


@pytest.mark.parametrize(("version", "text"), [(VERSION_1, "v1"), (VERSION_2, "v2")])
def test_a_client_says_which_server_it_wants(version, text):
    found = listen(*sent_by(client_of(version)))

    assert named(found) == [(NameKind.QUIC_SNI, "example.org")]
    assert dict(found.details)["version"] == text
    assert dict(found.details)["alpn"] == "h3"
    assert dict(found.details)["ja4"].startswith("q13d")


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (0, 0, 2, 1)])
def test_a_hello_may_be_cut_over_datagrams_in_any_order(order):
    datagrams = large_hello()
    assert len(datagrams) >= 3

    found = listen(*(datagrams[place] for place in order), *datagrams[3:])

    assert named(found) == [(NameKind.QUIC_SNI, "example.org")]
    assert found.is_final


def test_a_hello_that_is_not_all_there_is_waited_for():
    found = listen(large_hello()[0])

    assert (found.role, found.is_final) == (Role.CLIENT, False)
    assert "ja4" not in dict(found.details)


def test_of_a_hello_that_never_comes_whole_there_is_what_came():
    found = listen(large_hello()[0], is_ended=True)

    assert (found.role, found.is_final) == (Role.CLIENT, True)


def test_after_a_retry_the_client_begins_anew_with_the_servers_id():
    client = client_of()
    first = sent_by(client)
    packet = next(long_packets(first[0]))
    retry = encode_quic_retry(VERSION_1, b"retrying", packet.source_id, packet.target_id, b"token")
    client.receive_datagram(retry, SERVER_ADDRESS, now=0.1)
    second = sent_by(client, now=0.1)
    assert next(long_packets(second[0])).target_id == b"retrying"

    assert named(listen(*first, *second)) == named(listen(*second)) == [(NameKind.QUIC_SNI, "example.org")]
    assert listen(retry, answered=first) == Detection("quic", Role.SERVER, details=(("version", "v1"),))


def test_both_sides_of_a_real_handshake(tmp_path):
    client = client_of()
    first = sent_by(client)
    configuration = QuicConfiguration(is_client=False, alpn_protocols=["h3"])
    configuration.load_cert_chain(*certificate_files(tmp_path))
    first_id = next(long_packets(first[0])).target_id
    server = QuicConnection(configuration=configuration, original_destination_connection_id=first_id)
    for datagram in first:
        server.receive_datagram(datagram, CLIENT_ADDRESS, now=0.0)
    answer = sent_by(server)
    for datagram in answer:
        client.receive_datagram(datagram, SERVER_ADDRESS, now=0.1)
    later = sent_by(client, now=0.1)

    assert listen(*answer, answered=first).role is Role.SERVER
    assert listen(*first, *later, answered=answer).role is Role.CLIENT
    assert any(packet.target_id != first_id for packet in long_packets(later[0]))


def test_a_list_of_versions_is_a_servers():
    listed = encode_quic_version_negotiation(b"client", b"server", [VERSION_1, DRAFT_29])

    assert listen(listed) == Detection("quic", Role.SERVER)
    assert listen(listed[:-1]) is None


def resealed(version):
    """The client's packet of RFC 9001 under another version's number, with version 1's keys."""
    plain = opened(next(long_packets(CLIENT_INITIAL_1)), FIRST_ID, from_client=True)
    keys = CryptoPair()
    keys.setup_initial(cid=FIRST_ID, is_client=True, version=VERSION_1)
    header = b"\xc3" + version.to_bytes(4, "big") + CLIENT_INITIAL_1[5:18] + b"\0\0\0\2"
    return keys.encrypt_packet(header, plain, 2)


@pytest.mark.parametrize(("version", "text"), [(0x1A2A3A4A, "0x1a2a3a4a"), (0xFF000022, "draft 34")])
def test_versions_that_take_the_keys_of_version_1_are_understood(version, text):
    found = listen(resealed(version))

    assert named(found) == [(NameKind.QUIC_SNI, "example.com")]
    assert found.details[0] == ("version", text)


def test_a_reserved_version_is_quic_where_the_datagram_is_as_long_as_a_first_one_must_be():
    reserved = bytes([CLIENT_INITIAL_1[0]]) + b"\x1a\x2a\x3a\x4a" + CLIENT_INITIAL_1[5:]

    assert listen(reserved) == Detection("quic", details=(("version", "0x1a2a3a4a"),), is_final=False)
    assert listen(reserved[:1199]) is None


def test_packets_that_cannot_be_opened_are_quic_by_their_version():
    early = bytes([0xD0]) + CLIENT_INITIAL_1[1:]
    cut = CLIENT_INITIAL_1[:300]

    assert listen(early, is_ended=True) == listen(cut, is_ended=True) == Detection("quic", details=(("version", "v1"),))


def test_what_never_opens_is_given_up_after_some_datagrams():
    assert listen(*[CLIENT_INITIAL_1[:300]] * 8).is_final


def test_the_fixed_bit_may_be_anything():
    first = sent_by(client_of())[0]
    greased = regreased(first)
    answer = bytes([SERVER_INITIAL_1[0] & 0xBF]) + SERVER_INITIAL_1[1:]

    assert not greased[0] & 0x40
    assert named(listen(greased)) == [(NameKind.QUIC_SNI, "example.org")]
    assert listen(answer).protocol == "quic"
    assert listen(answer[:60], answered=[CLIENT_INITIAL_1]).protocol == "quic"


@pytest.mark.parametrize("data", [b"\x80\0\0\0\1\x04abcd\0" + bytes(160), b"\x90\x6b\x33\x43\xcf" + b"\x15" * 160])
def test_without_the_fixed_bit_a_version_alone_is_too_little(data):
    assert listen(data[:9]) is listen(b"\x90" + data[1:11]) is None


def regreased(datagram):
    """The client's first packet, which fills its datagram, with its fixed bit cleared and sealed anew (RFC 9287)."""
    packet = next(long_packets(datagram))
    plain = opened(packet, packet.target_id, from_client=True)
    keys = CryptoPair()
    keys.setup_initial(cid=packet.target_id, is_client=True, version=VERSION_1)
    number = len(packet.data) - packet.number_at - len(plain) - 16
    header = bytes([0x80 | number - 1]) + packet.data[1 : packet.number_at] + bytes(number)
    return keys.encrypt_packet(header, plain, 0)


def test_drafts_are_told_by_their_number():
    draft = bytes([0xC0]) + DRAFT_29.to_bytes(4, "big") + CLIENT_INITIAL_1[5:]

    assert listen(draft).details == (("version", "draft 29"),)


@pytest.mark.parametrize(
    ("draft", "salt"),
    [
        (0xFF000016, "7fbc"),
        (0xFF000017, "c3ee"),
        (0xFF00001C, "c3ee"),
        (DRAFT_29, "afbf"),
        (0xFF000020, "afbf"),
        (0xFF000021, "3876"),
        (0xFF000022, "3876"),
        (0x51303530, "5045"),
        (0x6B3343CF, "0ded"),
    ],
)
def test_each_draft_has_its_salt(draft, salt):
    assert [each.hex()[:4] for each in salts_of(draft)] == [salt]


def test_frames_around_the_hello_are_stepped_over():
    acknowledged = b"\x02\x05\x00\x01\x00\x01\x02"
    marked = b"\x03\x05\x00\x00\x00\x01\x01\x01"
    payload = bytes(5) + b"\1" + acknowledged + marked + b"\x06\x40\x05\x03abc" + bytes(9) + b"\x06\0\x05hello"

    assert crypto_pieces(payload) == {5: b"abc", 0: b"hello"}


def test_a_frame_that_may_not_stand_there_ends_the_reading():
    assert crypto_pieces(b"\x06\0\x01a\x1c\0\0\0\x06\x01\x01b") == {0: b"a"}


def test_only_the_right_keys_open_a_packet():
    packet = next(long_packets(CLIENT_INITIAL_1))

    assert opened(packet, FIRST_ID, from_client=True)[:4] == b"\x06\0\x40\xf1"
    assert opened(packet, FIRST_ID, from_client=False) is None
    assert opened(packet, b"other id", from_client=True) is None


def short_packet(number, target_id=b"8 bytes!"):
    return bytes([0x40 | number]) + target_id + bytes([number]) * 30


def test_a_conversation_that_began_before_is_known_by_its_short_packets():
    packets = [short_packet(number) for number in (3, 17, 9)]

    assert listen(packets[0]) is listen(*packets[:2]) is WAIT
    assert listen(*packets) == Detection("quic")


@pytest.mark.parametrize(
    "datagrams",
    [
        [short_packet(7)] * 3,  # nothing in the first byte changes
        [short_packet(1), short_packet(2), short_packet(3, b"another!")],
        [short_packet(1), short_packet(2), b"\x43"],
        [b"\x16\xfe\xfd" + bytes(40)],
        [b"\x80" + bytes(40)],
        [b"\xc0\0\0\0\1\xff" + bytes(300)],
        [b""],
    ],
)
def test_other_protocols_are_not_quic(datagrams):
    assert listen(*datagrams) is None


def test_short_packets_say_nothing_on_other_ports():
    packets = [short_packet(number) for number in (3, 17, 9)]

    assert listen(*packets, ends=Ends(UDP, 50_000, 12_345)) is None


@pytest.mark.parametrize("version", VECTORS)
def test_every_beginning_of_a_datagram_is_heard_without_harm(version):
    client, server = VECTORS[version]

    results = [listen(client[:size], is_ended=size % 2 == 0) for size in range(len(client))]
    results += [listen(server[:size], answered=[client]) for size in range(len(server))]

    assert all(is_sound(result) for result in results)
    assert all(result is None or not result.names for result in results)


@given(st.integers(0, 2**32), st.booleans())
def test_damage_never_raises(seed, is_ended):
    datagrams = [
        damaged(datagram, seed + place) for place, datagram in enumerate((*large_hello()[:3], SERVER_INITIAL_2))
    ]

    assert is_sound(listen(*datagrams, answered=datagrams[::-1], is_ended=is_ended))


@given(st.binary(max_size=300), st.sampled_from([VERSION_1, VERSION_2, DRAFT_29, 0x51303530, 0x1A1A1A1A, 0]))
def test_any_bytes_never_raise(data, version):
    for first in (0xC0, 0xE0, 0x08):
        assert is_sound(listen(bytes([first]) + version.to_bytes(4, "big") + data))
    assert is_sound(listen(data, is_ended=True))


@given(st.binary(max_size=200))
def test_any_frames_never_raise(payload):
    assert all(len(piece) <= len(payload) for piece in crypto_pieces(payload).values())
