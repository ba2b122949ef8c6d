"""What the dissectors make of the flows that nDPI knows by their bytes: who agrees, and who is taken for whom."""

from __future__ import annotations

import ipaddress
import json
from collections import Counter

import pytest
from ndpi_names import CARRIED, NDPI_NAMES

from inspected_captures import conversations, inspected
from portcall.dissectors import Certainty
from portcall.records.detections import TCP, UDP

TRANSPORTS = {"tcp": TCP, "udp": UDP}
LEAST_AGREEMENT = 0.95
"""Of the flows whose protocol has a dissector here."""
MOST_REFUTED = 0.002
"""Of the flows that somebody sure claims: those that nDPI knows to be something else."""


@pytest.fixture(scope="session")
def judged(corpus_folder):
    """(nDPI's name, our protocol or None, our certainty or None) → flows."""
    counted = Counter()
    for oracle in sorted((corpus_folder / "oracles_ndpi").glob("*.json")):
        named = _named_flows(json.loads(oracle.read_text()))
        if not named:
            continue
        for conversation in conversations(corpus_folder / "captures" / oracle.name.removesuffix(".json")):
            name = named.pop(_key_of(conversation), None)
            if name is not None:
                found = inspected(conversation)
                counted[(name, found[1].protocol, found[0].CERTAINTY) if found else (name, None, None)] += 1
    return counted


def _named_flows(oracle):
    """The flows that nDPI names by what it read in them, not by port or address."""
    return {
        (
            TRANSPORTS[flow["proto"]],
            frozenset({_end(flow["a_ip"], flow["a_port"]), _end(flow["b_ip"], flow["b_port"])}),
        ): (flow["master"])
        for flow in oracle["flows"]
        if flow["proto"] in TRANSPORTS
        and "DPI" in flow.get("confidence", "")
        and "[" not in flow["a_ip"] + flow["b_ip"]
    }


def _end(address, port):
    return ipaddress.ip_address(address).packed.rjust(16, b"\0"), port


def _key_of(conversation):
    ends, (source, target) = conversation.ends, conversation.addresses
    return ends.transport, frozenset({(source, ends.source_port), (target, ends.target_port)})


def test_ndpi_agrees_where_we_have_a_dissector(judged, score):
    known = {key: flows for key, flows in judged.items() if key[0] in NDPI_NAMES}
    agreed = sum(flows for (name, ours, _), flows in known.items() if ours in NDPI_NAMES[name])

    score.append(f"dissectors: {agreed} of {sum(known.values())} flows that nDPI names by DPI are named alike")
    score += _confusion(known)
    assert agreed >= LEAST_AGREEMENT * sum(known.values())


def test_who_is_sure_claims_nothing_of_anothers(judged):
    sure = {key: flows for key, flows in judged.items() if key[2] is not None and key[2] < Certainty.PORT}
    spoken_here = set().union(*NDPI_NAMES.values())
    refuted = {
        key: flows
        for key, flows in sure.items()
        if key[1] in spoken_here and key[1] not in NDPI_NAMES.get(key[0], set()) | CARRIED.get(key[0], set())
    }

    assert sum(refuted.values()) <= MOST_REFUTED * sum(sure.values()), refuted


def _confusion(known):
    """A line for each pair that differs, the most frequent first."""
    differing = {key: flows for key, flows in known.items() if key[1] not in NDPI_NAMES[key[0]]}
    ranked = sorted(differing.items(), key=lambda item: (-item[1], item[0][0]))
    return [f"  {flows:5} nDPI {name}, we {ours or 'nothing'}" for (name, ours, _), flows in ranked]
