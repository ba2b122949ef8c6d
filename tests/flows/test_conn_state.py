"""Conversations told in the letters of Zeek's history column, and the conn_state they end in.

A letter is one packet, upper case from the client and lower case from the server: s SYN, h SYN+ACK, a pure ACK, d data,
f FIN, r RST. The pairs below are Zeek's own words for these endings (scripts/base/protocols/conn/main.zeek); those with
a capture's name were logged by Zeek itself in its test suite.
"""

from __future__ import annotations

import numpy as np
import pytest

import naive_conn_states
import oracle
from packet_rows import packet, packet_rows, reply
from portcall.flows.conn_state import STATES
from portcall.flows.flow_values import FlowValues
from portcall.flows.originator import clients_are_low
from portcall.records.flows import FLOW, NEVER
from portcall.records.packets import NO_TIME

FLAGS = {"s": 0x02, "h": 0x12, "a": 0x10, "d": 0x18, "f": 0x11, "r": 0x04}


def told(history, **fields):
    """PACKET[n] of a history, one nanosecond apart."""
    packets = []
    for ts_ns, letter in enumerate(history):
        sent = packet if letter.isupper() else reply
        payload = 10 if letter in "dD" else 0
        packets.append(sent(**{"ts_ns": ts_ns, "tcp_flags": FLAGS[letter.lower()], "payload": payload, **fields}))
    return packet_rows(packets)


def conn_states(flows, clients_are_low):
    return FlowValues.of_all(flows, clients_are_low)["state"]


def state_of(packets, *, client_is_low=True):
    flows = oracle.as_flows(oracle.flow_rows(packets))
    [code] = conn_states(flows, np.full(len(flows), client_is_low))
    return STATES[code]


@pytest.mark.parametrize(
    ("history", "state"),
    [
        ("S", "S0"),
        ("SSS", "S0"),
        ("SAD", "S0"),  # half duplex: the server's side was not captured; zeek: ssh.client-side-half-duplex
        ("Sa", "S0"),  # an acknowledgement without SYN is no answer yet
        ("Sh", "S1"),
        ("ShADad", "S1"),
        ("Ss", "S1"),  # simultaneous open
        ("hA", "S1"),  # the SYN was missed
        ("ShADadFf", "SF"),  # zeek: ssh
        ("ShAdDaFf", "SF"),
        ("ShADadfF", "SF"),
        ("DadFf", "SF"),  # from mid-stream to a proper end
        ("ShADadFfR", "SF"),  # a RST behind both FINs is only the tail
        ("ShADadFRf", "SF"),  # also where the other FIN is under way
        ("Sr", "REJ"),
        ("SrSrSr", "REJ"),
        ("ShRr", "REJ"),  # nothing was said, and both reset
        ("ShADadF", "S2"),
        ("ShADadf", "S3"),
        ("Sf", "S3"),
        ("ShADdR", "RSTO"),  # zeek: simpleauth (ldap)
        ("ShAdDaFR", "RSTO"),  # zeek: bad-list-retr-crafted
        ("ShR", "RSTO"),  # zeek: modbus-and-non-modbus-p502
        ("dfR", "RSTO"),
        ("ShADadr", "RSTR"),
        ("ShADadFr", "RSTR"),  # zeek: ssh
        ("ShADdar", "RSTR"),  # zeek: missing_krbtgt_ldap_request
        ("ShADRr", "RSTR"),
        ("SR", "RSTOS0"),
        ("SSR", "RSTOS0"),
        ("SAR", "OTH"),  # the client acknowledged something that the capture does not have
        ("SADR", "OTH"),
        ("SFR", "OTH"),
        ("hr", "RSTRH"),
        ("Dr", "RSTRH"),  # zeek: modbus-and-non-modbus-p502
        ("SADF", "SH"),  # zeek: mixed-vlan-mpls
        ("DAF", "SH"),  # zeek: ssh.client-side-half-duplex
        ("SF", "SH"),
        ("hdaf", "SHR"),  # zeek: ssh.server-side-half-duplex
        ("daf", "SHR"),
        ("D", "OTH"),  # zeek: mpls-in-vlan
        ("Da", "OTH"),  # zeek: retransmit-timeout
        ("DR", "OTH"),
        ("h", "OTH"),
        ("Sd", "OTH"),
        ("ADad", "OTH"),
    ],
)
def test_a_tcp_history_ends_in_the_state_that_zeek_gives_it(history, state):
    assert state_of(told(history)) == state


@pytest.mark.parametrize(("history", "state"), [("Dd", "SF"), ("dD", "SF"), ("D", "S0"), ("DDD", "S0"), ("d", "SHR")])
def test_a_udp_state_says_who_was_heard(history, state):
    assert state_of(told(history, protocol=17, tcp_flags=0)) == state


def test_an_empty_datagram_counts_as_heard():
    assert state_of(told("Dd", protocol=17, tcp_flags=0, payload=0)) == "SF"


@pytest.mark.parametrize("protocol", [1, 58, 132, 136])
def test_other_protocols_have_no_state(protocol):
    assert state_of(told("Dd", protocol=protocol, tcp_flags=0)) == "OTH"


@pytest.mark.parametrize("history", ["S", "Sr", "ShADadF", "ShADdR", "SR", "hr", "SADF", "hdaf"])
def test_a_state_is_seen_from_the_client_whichever_end_is_low(history):
    mirrored = told(history)
    for one, other in (("source", "target"), ("source_port", "target_port")):
        mirrored[one], mirrored[other] = mirrored[other].copy(), mirrored[one].copy()

    assert state_of(mirrored, client_is_low=False) == state_of(told(history))


@pytest.mark.parametrize(
    ("history", "state"), [("Sr", "REJ"), ("ShADdaFf", "SF"), ("ShADdaFfR", "SF"), ("ShADR", "RSTO")]
)
def test_a_capture_without_times_has_states_too(history, state):
    assert state_of(told(history, ts_ns=NO_TIME)) == state


@pytest.mark.parametrize("cut", range(1, 9))
def test_a_state_is_the_same_from_the_facts_of_two_shards(cut):
    packets = told("ShADadFRf")
    whole = oracle.as_flows(oracle.flow_rows(packets))
    front, back = (oracle.as_flows(oracle.flow_rows(part)) for part in (packets[:cut], packets[cut:]))

    joined = front.copy()
    for name in ("packets", "bytes", "payload"):
        joined[name] += back[name]
    joined["tcp_flags"] |= back["tcp_flags"]
    for name in ("syn_ns", "syn_ack_ns", "fin_ns", "rst_ns"):
        joined[name] = np.minimum(front[name], back[name])

    assert conn_states(joined, np.ones(1, bool)) == conn_states(whole, np.ones(1, bool))


def test_the_client_is_found_and_the_state_told_for_many_rows_at_once():
    histories = {"ShADadFf": "SF", "S": "S0", "hdaf": "SHR", "Sr": "REJ"}
    packets = np.concatenate([told(history) for history in histories])
    packets["namespace"] = np.repeat(np.arange(len(histories)), [len(history) for history in histories])
    flows = oracle.as_flows(oracle.flow_rows(packets))

    codes = conn_states(flows, clients_are_low(flows)[0])

    assert [STATES[code] for code in codes] == list(histories.values())


def test_every_mixture_of_milestones_has_a_state():
    random = np.random.default_rng(3)
    flows = np.zeros(20_000, FLOW)
    flows["packets"], flows["payload"] = random.integers(0, 4, (2, len(flows), 2))
    flows["tcp_flags"] = random.integers(0, 256, (len(flows), 2))
    for milestone in ("syn_ns", "syn_ack_ns", "fin_ns", "rst_ns"):
        flows[milestone] = random.choice([NEVER, NEVER, 1, 2, 3], (len(flows), 2))

    flows["protocol"] = random.choice([6, 6, 6, 17, 1], len(flows))
    clients_are_low = random.integers(0, 2, len(flows)).astype(bool)

    codes = conn_states(flows, clients_are_low)

    assert {STATES[code] for code in codes} == set(STATES)
    assert codes.tolist() == naive_conn_states.conn_states(flows, clients_are_low).tolist()


def test_no_rows_have_no_states():
    codes = conn_states(np.zeros(0, FLOW), np.zeros(0, bool))

    assert codes.shape == (0,)
