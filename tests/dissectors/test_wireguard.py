"""WireGuard, by the layouts of its paper."""

from inspecting import UDP, datagrams, inspect

from portcall.dissectors import wireguard
from portcall.records.detections import NO_PAYLOAD, Ends, Role

INITIATION = b"\1\0\0\0" + b"SEND" + bytes(range(140))
RESPONSE = b"\2\0\0\0" + b"ANSW" + b"SEND" + bytes(80)
DATA = [b"\4\0\0\0" + b"SEND" + counter.to_bytes(8, "little") + bytes(32) for counter in range(4)]
SAMPLES = [(UDP, INITIATION), (UDP, RESPONSE), (UDP, DATA[0])]


def test_a_wireguard_handshake_tells_its_roles():
    assert inspect(wireguard, UDP, INITIATION).role == Role.CLIENT
    assert inspect(wireguard, UDP, RESPONSE).role == Role.SERVER


def test_an_initiation_of_another_length_counts_when_it_is_answered():
    assert inspect(wireguard, UDP, INITIATION + bytes(56)) is None
    assert inspect(wireguard, UDP, INITIATION + bytes(56), RESPONSE).role == Role.CLIENT


def test_wireguard_data_count_on_their_port_or_when_the_counters_run():
    ends = Ends(UDP, 50000, 40000)

    assert inspect(wireguard, UDP, DATA[0]) is None
    assert inspect(wireguard, UDP, DATA[0], target_port=51820).protocol == "wireguard"
    assert wireguard.inspect(datagrams(*DATA[:3]), NO_PAYLOAD, ends).protocol == "wireguard"
    assert wireguard.inspect(datagrams(DATA[0], DATA[2], DATA[1]), NO_PAYLOAD, ends) is None
