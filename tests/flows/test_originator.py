"""Who is the client, rule by rule, and all rules against a plain reading of their order."""

from __future__ import annotations

import numpy as np
import pytest

import naive_attribution
import oracle
from packet_rows import packet, packet_rows, reply
from portcall.flows.originator import Asker, OriginatorEvidence, clients_are_low
from portcall.labels import port_services as labels
from portcall.records.flows import FLOW, NEVER

SYN, SYN_ACK, ACK = 0x02, 0x12, 0x10
LENT = 32768  # from here on Linux gives ports to clients
HIGH = ("10.0.0.9", 443)  # the higher address: a client there makes ``client_is_low`` false


def originator(*packets):
    """(whether the low end is the client, evidence) of the one flow that the packets make."""
    [client_is_low], [evidence] = clients_are_low(oracle.as_flows(oracle.flow_rows(packet_rows(packets))))
    return bool(client_is_low), OriginatorEvidence(evidence)


def between(low_port, high_port, *, first_sender="low", **fields):
    """The opener of one packet between two ports of which nothing but the ports is known."""
    low, high = ("10.0.0.1", low_port), ("10.0.0.9", high_port)
    source, target = (low, high) if first_sender == "low" else (high, low)
    return originator(packet(source, target, **{"protocol": 17, **fields}))


def ports_of_rank(rank, protocol=17):
    """Registered ports that the labels rank so, in ascending order."""
    ports = np.arange(1024, 49152, dtype=np.uint16)
    return ports[labels.ranks(np.full(len(ports), protocol, np.uint8), ports) == rank].tolist()


# --- TCP says it outright


@pytest.mark.parametrize("port", [22, 40000])
def test_the_sender_of_the_syn_is_the_client_whatever_the_ports(port):
    assert originator(packet(("10.0.0.1", port), HIGH, tcp_flags=SYN)) == (True, OriginatorEvidence.SYN)
    assert originator(packet(HIGH, ("10.0.0.1", port), tcp_flags=SYN)) == (False, OriginatorEvidence.SYN)


def test_the_earlier_of_two_syns_is_the_clients():
    later, earlier = packet(tcp_flags=SYN, ts_ns=9), reply(tcp_flags=SYN, ts_ns=3)

    assert originator(later, earlier) == (False, OriginatorEvidence.SYN)


@pytest.mark.parametrize("first_is_low", [True, False])
def test_of_two_syns_at_one_time_the_first_senders_counts(first_is_low):
    syns = [packet(tcp_flags=SYN), reply(tcp_flags=SYN)]

    assert originator(*(syns if first_is_low else syns[::-1])) == (first_is_low, OriginatorEvidence.SYN)


def test_the_receiver_of_the_syn_ack_is_the_client():
    assert originator(reply(tcp_flags=SYN_ACK)) == (True, OriginatorEvidence.SYN_ACK)
    assert originator(packet(tcp_flags=SYN_ACK)) == (False, OriginatorEvidence.SYN_ACK)


def test_a_syn_outweighs_a_syn_ack():
    assert originator(packet(tcp_flags=SYN, ts_ns=9), packet(tcp_flags=SYN_ACK, ts_ns=3)) == (
        True,
        OriginatorEvidence.SYN,
    )


def test_the_order_of_packets_without_a_handshake_says_less_than_the_ports():
    assert originator(reply(tcp_flags=ACK)) == (True, OriginatorEvidence.PORT_CLASS)


# --- who asked


def asked(asker, *packets):
    """The same where one end was heard to ask."""
    flows = oracle.as_flows(oracle.flow_rows(packet_rows(packets)))
    [client_is_low], [evidence] = clients_are_low(flows, np.array([asker], np.uint8))
    return bool(client_is_low), OriginatorEvidence(evidence)


@pytest.mark.parametrize(("asker", "client_is_low"), [(Asker.LOW, True), (Asker.HIGH, False)])
def test_who_asked_is_the_client_whatever_the_ports_and_whoever_sent_first(asker, client_is_low):
    for packets in ([packet(tcp_flags=ACK)], [reply(tcp_flags=ACK)]):
        assert asked(asker, *packets) == (client_is_low, OriginatorEvidence.ASKED)


def test_a_handshake_outweighs_who_asked():
    assert asked(Asker.HIGH, packet(tcp_flags=SYN)) == (True, OriginatorEvidence.SYN)
    assert asked(Asker.HIGH, reply(tcp_flags=SYN_ACK)) == (True, OriginatorEvidence.SYN_ACK)


@pytest.mark.parametrize("group", ["224.0.0.251", "239.255.255.250", "255.255.255.255", "ff02::fb"])
def test_a_group_that_sends_nothing_has_not_asked_for_what_it_is_told(group):
    sender = "fe80::1" if ":" in group else "10.0.0.1"
    fields = {"protocol": 17, "ip_version": 6 if ":" in group else 4}
    told = packet((sender, 5353), (group, 5353), **fields)

    assert asked(Asker.HIGH, told) == (True, OriginatorEvidence.FIRST_SENDER)
    assert asked(Asker.HIGH, told, packet((group, 5353), (sender, 5353), **fields))[1] is OriginatorEvidence.ASKED


def test_who_is_answered_may_be_unheard():
    assert asked(Asker.HIGH, packet(("10.0.0.1", 60000), HIGH, protocol=17)) == (False, OriginatorEvidence.ASKED)


# --- the ports speak


@pytest.mark.parametrize(("server", "client"), [(1023, 1024), (1023, 49152), (32767, 49152), (1, 65535)])
@pytest.mark.parametrize("first_sender", ["low", "high"])
def test_the_end_of_the_lower_port_class_is_the_server(server, client, first_sender):
    assert between(client, server, first_sender=first_sender) == (True, OriginatorEvidence.PORT_CLASS)
    assert between(server, client, first_sender=first_sender) == (False, OriginatorEvidence.PORT_CLASS)


@pytest.mark.parametrize("server", [53, 6081, 30000])
def test_nobody_serves_at_port_0(server):
    assert between(0, server, first_sender="high") == (True, OriginatorEvidence.PORT_CLASS)
    assert between(server, 0, first_sender="low") == (False, OriginatorEvidence.PORT_CLASS)


@pytest.mark.parametrize("other_rank", [0, 1])
def test_within_a_class_the_port_with_a_curated_name_is_the_server(other_rank):
    curated, other = ports_of_rank(2)[-1], ports_of_rank(other_rank)[0]

    assert other < curated
    assert between(other, curated) == (True, OriginatorEvidence.CURATED_NAME)
    assert between(curated, other) == (False, OriginatorEvidence.CURATED_NAME)


def test_without_a_curated_name_the_port_with_an_iana_name_is_the_server():
    named, unnamed = max(port for port in ports_of_rank(1) if port < LENT), ports_of_rank(0)[0]

    assert unnamed < named
    assert between(unnamed, named) == (True, OriginatorEvidence.IANA_NAME)
    assert between(named, unnamed) == (False, OriginatorEvidence.IANA_NAME)


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_of_two_ports_named_alike_the_lower_one_is_the_server(rank):
    lower, higher = ports_of_rank(rank)[:2]

    assert between(higher, lower) == (True, OriginatorEvidence.LOWER_PORT)
    assert between(lower, higher) == (False, OriginatorEvidence.LOWER_PORT)


def test_names_count_for_their_own_protocol_only():
    tcp_only = max(port for port in set(ports_of_rank(0)) & set(ports_of_rank(2, protocol=6)) if port < LENT)
    unnamed = min(set(ports_of_rank(0)) & set(ports_of_rank(0, protocol=6)))

    assert between(tcp_only, unnamed, protocol=6) == (False, OriginatorEvidence.CURATED_NAME)
    assert between(tcp_only, unnamed, protocol=17) == (True, OriginatorEvidence.LOWER_PORT)


@pytest.mark.parametrize("ports", [(40000, 60001), (49151, 49152), (32768, 33333), (60999, 61000), (52000, 65535)])
def test_of_two_ports_that_systems_give_to_clients_nothing_but_the_first_sender_tells(ports):
    for low, high in (ports, ports[::-1]):
        assert between(low, high, first_sender="low") == (True, OriginatorEvidence.FIRST_SENDER)
        assert between(low, high, first_sender="high") == (False, OriginatorEvidence.FIRST_SENDER)


def test_a_curated_name_counts_among_the_ports_that_systems_give_to_clients():
    curated = max(ports_of_rank(2))

    assert curated > LENT
    for client in (40000, 60001):
        assert between(client, curated, first_sender="high") == (True, OriginatorEvidence.CURATED_NAME)
        assert between(curated, client, first_sender="low") == (False, OriginatorEvidence.CURATED_NAME)


def test_what_iana_calls_a_port_that_systems_give_to_clients_tells_nothing():
    named, unnamed = max(ports_of_rank(1)), ports_of_rank(0)[0]

    assert named > LENT
    assert between(named, unnamed) == (True, OriginatorEvidence.LOWER_PORT)
    assert between(unnamed, named) == (False, OriginatorEvidence.LOWER_PORT)


@pytest.mark.parametrize("port", [123, 5000, 60000])
def test_between_equal_ports_the_first_sender_is_the_client(port):
    assert between(port, port, first_sender="low") == (True, OriginatorEvidence.FIRST_SENDER)
    assert between(port, port, first_sender="high") == (False, OriginatorEvidence.FIRST_SENDER)


def test_without_ports_the_first_sender_is_the_client():
    assert between(0, 0, first_sender="high", protocol=1) == (False, OriginatorEvidence.FIRST_SENDER)


# --- many rows at once


def test_no_rows_have_no_openers():
    clients, evidence = clients_are_low(np.zeros(0, FLOW))

    assert (clients.dtype, clients.shape, evidence.dtype, evidence.shape) == (np.bool_, (0,), np.uint8, (0,))


def test_all_rules_together_equal_a_plain_reading_of_their_order():
    flows = random_flows(3000, seed=5)
    askers = np.random.default_rng(6).choice([Asker.NOBODY, Asker.NOBODY, *Asker], len(flows)).astype(np.uint8)

    clients, evidence = clients_are_low(flows, askers)

    assert list(zip(clients.tolist(), evidence.tolist(), strict=True)) == [
        naive_attribution.originator(flow, Asker(asker)) for flow, asker in zip(flows, askers.tolist(), strict=True)
    ]
    assert set(evidence.tolist()) == set(OriginatorEvidence)


def random_flows(count, seed):
    random = np.random.default_rng(seed)
    flows = np.zeros(count, FLOW)
    ports = [
        0,
        53,
        443,
        *(port for rank in (0, 1, 2) for port in (*ports_of_rank(rank)[:2], ports_of_rank(rank)[-1])),
        50000,
        60000,
    ]
    flows["low_port"], flows["high_port"] = random.choice(ports, (2, count))
    flows["protocol"] = random.choice([6, 17, 132], count)
    flows["first_sender"] = random.integers(0, 2, count)
    for milestone in ("syn_ns", "syn_ack_ns"):
        flows[milestone] = random.choice([NEVER, NEVER, NEVER, 1, 2], (count, 2))
    return flows
