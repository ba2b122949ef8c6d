"""What a connection's first datagrams say, from aioquic's own bytes."""

import pytest
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from hypothesis import given, settings
from hypothesis import strategies as st

from dissectors.tls_handshakes import certificate_files, damaged
from examples import examples
from portcall.dissectors._quic_packets import long_packets
from portcall.inspection.logs.quic_log import QuicLog

CLIENT, SERVER = 0, 1
ENDS = {CLIENT: ("192.0.2.1", 50000), SERVER: ("192.0.2.2", 443)}


@pytest.fixture(scope="module")
def datagrams(tmp_path_factory):
    """(side, datagram) of a handshake."""
    offered = QuicConfiguration(is_client=True, alpn_protocols=["h3"], server_name="example.org")
    offered.verify_mode = 0
    client = QuicConnection(configuration=offered)
    client.connect(ENDS[SERVER], now=0.0)
    sent = [(CLIENT, data) for data, _ in client.datagrams_to_send(now=0.0)]
    served = QuicConfiguration(is_client=False, alpn_protocols=["h3"])
    served.load_cert_chain(*certificate_files(tmp_path_factory.mktemp("quic")))
    first_id = next(long_packets(sent[0][1])).target_id
    server = QuicConnection(configuration=served, original_destination_connection_id=first_id)
    for _, data in sent:
        server.receive_datagram(data, ENDS[CLIENT], now=0.0)
    answers = [(SERVER, data) for data, _ in server.datagrams_to_send(now=0.0)]
    for _, data in answers:
        client.receive_datagram(data, ENDS[SERVER], now=0.1)
    return [*sent, *answers, *((CLIENT, data) for data, _ in client.datagrams_to_send(now=0.1))]


def logged(said):
    log = QuicLog()
    for at, (side, data) in enumerate(said):
        log.feed(side, data, at)
    return {entry.log: dict(entry.fields) for entry in log.finish()}


def test_a_handshake_is_a_line_of_both_logs(datagrams):
    lines = logged(datagrams)

    first, answer = (next(long_packets(next(data for side, data in datagrams if side == end))) for end in (0, 1))
    assert lines["quic"]["version"] == "1"
    assert lines["quic"]["client_initial_dcid"] == first.target_id.hex()
    assert lines["quic"]["server_scid"] == answer.source_id.hex()
    assert (lines["quic"]["server_name"], lines["quic"]["client_protocol"]) == (b"example.org", b"h3")
    assert lines["quic"]["history"].startswith("ISXis")  # aioquic fills the datagram up behind the packet
    assert (lines["ssl"]["version"], lines["ssl"]["ssl_history"]) == ("TLSv13", "Cs")
    assert lines["ssl"]["server_name"] == b"example.org"


@pytest.mark.parametrize(("packets", "letters"), [(1, 1), (2, 2), (3, 2), (4, 3), (1000, 10)])
def test_of_short_packets_the_powers_of_two_are_letters(datagrams, packets, letters):
    short = (SERVER, b"\x40" + bytes(40))

    history = logged([*datagrams[:1], *[short] * packets])["quic"]["history"]

    assert history == "ISX" + "o" * letters


def test_bytes_behind_an_initial_that_are_no_packet_are_a_letter(datagrams):
    side, data = datagrams[0]
    (packet,) = long_packets(data)

    assert logged([(side, packet.data)])["quic"]["history"] == "IS"
    assert logged([(side, packet.data + bytes(20))])["quic"]["history"] == "ISX"


def test_a_connection_that_began_before_is_no_line():
    assert logged([(CLIENT, b"\x40" + bytes(40))]) == {}


@settings(max_examples=examples(60))
@given(seed=st.integers(0, 2**32))
def test_damage_never_raises(datagrams, seed):
    logged([(side, damaged(data, seed + at)) for at, (side, data) in enumerate(datagrams)])
