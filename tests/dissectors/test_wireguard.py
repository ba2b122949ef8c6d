"""WireGuard, by the layouts of its paper."""

from inspecting import UDP, datagrams, hear

from portcall.dissectors import wireguard
from portcall.records.detections import SILENCE, Ends, Role

INITIATION = b"\1\0\0\0" + b"SEND" + bytes(range(140))
RESPONSE = b"\2\0\0\0" + b"ANSW" + b"SEND" + bytes(80)
DATA = [b"\4\0\0\0" + b"SEND" + counter.to_bytes(8, "little") + bytes(32) for counter in range(4)]
SAMPLES = [(UDP, INITIATION), (UDP, RESPONSE), (UDP, DATA[0])]


def test_a_wireguard_handshake_tells_its_roles():
    assert hear(wireguard, UDP, INITIATION).role == Role.CLIENT
    assert hear(wireguard, UDP, RESPONSE).role == Role.SERVER


def test_an_initiation_of_another_length_counts_when_it_is_answered():
    assert hear(wireguard, UDP, INITIATION + bytes(56)) is None
    assert hear(wireguard, UDP, INITIATION + bytes(56), RESPONSE).role == Role.CLIENT


def test_wireguard_data_count_on_their_port_or_when_the_counters_run():
    ends = Ends(UDP, 50000, 40000)

    assert hear(wireguard, UDP, DATA[0]) is None
    assert hear(wireguard, UDP, DATA[0], target_port=51820).protocol == "wireguard"
    assert wireguard.listen(datagrams(*DATA[:3]), SILENCE, ends).protocol == "wireguard"
    assert wireguard.listen(datagrams(DATA[0], DATA[2], DATA[1]), SILENCE, ends) is None
