"""Google's QUIC, which no library of today speaks; the corpus has what browsers sent."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissectors.quic_vectors import CLIENT_INITIAL_1
from dissectors.tls_handshakes import QUIC_ENDS, damaged, inspected_datagrams, is_sound
from portcall.dissectors import quic
from portcall.records.detections import NO_PAYLOAD, Detection, NameKind, Role

CONNECTION_ID = b"\x11\x22\x33\x44\x55\x66\x77\x88"
HASH = bytes(range(12))


def client_hello(values):
    """A CHLO with these values by tag."""
    entries, end = b"", 0
    for tag, value in values:
        end += len(value)
        entries += struct.pack("<4sI", tag, end)
    return b"CHLO" + struct.pack("<HH", len(values), 0) + entries + b"".join(value for _tag, value in values)


HELLO = client_hello([(b"PAD\0", b"-" * 900), (b"SNI\0", b"example.org"), (b"UAID", b"Chrome/70 Linux")])
STREAM_FRAME = b"\xa0\x01" + len(HELLO).to_bytes(2, "big")


def before_46(message=HELLO, version=b"Q043"):
    return b"\x09" + CONNECTION_ID + version + b"\x01" + HASH + STREAM_FRAME + message


def since_46(message=HELLO):
    return b"\xc3Q046\x50" + CONNECTION_ID + b"\0\0\0\1" + HASH + STREAM_FRAME + message


def listen(*datagrams, answered=(), is_ended=False):
    other = inspected_datagrams(*answered) if answered else NO_PAYLOAD
    return quic.inspect(inspected_datagrams(*datagrams, is_ended=is_ended), other, QUIC_ENDS)


@pytest.mark.parametrize(("datagram", "version"), [(before_46(), "Q043"), (since_46(), "Q046")])
def test_a_client_says_which_server_it_wants_and_what_it_is(datagram, version):
    found = listen(datagram)

    assert (found.protocol, found.role, found.is_final) == ("quic", Role.CLIENT, True)
    assert [(name.kind, name.text) for name in found.names] == [(NameKind.QUIC_SNI, "example.org")]
    assert found.details == (("version", version), ("user_agent", "Chrome/70 Linux"))


def test_a_packet_without_a_hello_is_a_clients_and_the_hello_is_waited_for():
    found = listen(before_46(b"other frames"))

    assert found == Detection("quic", Role.CLIENT, details=(("version", "Q043"),), is_final=False)


def test_a_hello_cut_before_the_name_names_none():
    found = listen(before_46()[:500])

    assert (found.protocol, found.names) == ("quic", ())


@pytest.mark.parametrize("count", [0, 3, 200, 65_535])
def test_a_hello_that_claims_more_tags_than_it_has_does_no_harm(count):
    found = listen(before_46(b"CHLO" + struct.pack("<HH", count, 0) + b"SNI\0\x04\0\0\0abcd"))

    assert is_sound(found)


def test_a_server_is_known_by_the_connections_id():
    answer = b"\x08" + CONNECTION_ID + b"\x01" + HASH + b"frames"

    assert listen(answer, answered=[before_46()]) == Detection("quic", Role.SERVER)
    assert listen(answer, answered=[CLIENT_INITIAL_1]) is None
    assert listen(answer) is None


def test_a_list_of_versions_is_a_servers():
    assert listen(b"\x09" + CONNECTION_ID + b"Q039Q035T051") == Detection("quic", Role.SERVER)


@pytest.mark.parametrize(
    "datagram", [before_46(version=b"QQ43"), before_46(version=b"q043"), b"\x09", b"\x09" + CONNECTION_ID, b"\xc3Q046"]
)
def test_other_protocols_are_not_googles_quic(datagram):
    assert listen(datagram) is None


def test_every_beginning_is_heard_without_harm():
    datagrams = (before_46(), since_46())

    assert all(is_sound(listen(datagram[:size])) for datagram in datagrams for size in range(len(datagram)))


@given(st.integers(0, 2**32), st.booleans())
def test_damage_never_raises(seed, is_ended):
    assert is_sound(listen(damaged(before_46(), seed), is_ended=is_ended))
    assert is_sound(listen(damaged(since_46(), seed), answered=[before_46()], is_ended=is_ended))
