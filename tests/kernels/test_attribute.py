"""What flow rows are credited with, against a naive reading of the definition, and what the kernels refuse."""

from __future__ import annotations

import ipaddress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import naive_attribution
from examples import examples
from flow_builder import flow
from portcall.attribution.attribution import Attribution
from portcall.flows.aggregation import CREDIT, CREDITS, HOST_CREDIT, HOST_CREDITS, Sums
from portcall.flows.flow_ends import FLOW_ENDS, flow_ends
from portcall.flows.local_networks import host_text, networks
from portcall.flows.originator import clients_are_low
from portcall.kernels.attribute import credit
from portcall.labels.registry import Registry
from portcall.records.flows import FLOW, NEVER, FlowKind
from portcall.records.packets import NO_TIME

V4 = ["10.0.0.1", "10.0.0.9", "172.31.255.255", "172.32.0.0", "100.64.0.1", "127.0.0.1", "8.8.8.8", "93.184.216.34"]
V6 = ["::1", "::8.8.8.8", "fe80::1", "fd00::5", "2001:db8::1", "2001:db8:0:1::1"]
PORTS = st.sampled_from([0, 22, 53, 443, 512, 1024, 5060, 8443, 32767, 32768, 33000, 49151, 49152, 61000, 65535])
TIMES = st.sampled_from([NEVER, NEVER, NO_TIME, 1, 2])
COUNTS = st.tuples(*[st.integers(0, 2**40)] * 2)
LOCAL = st.sampled_from([(), ("10.0.0.0/8",), ("8.8.8.8/32", "2001:db8::/64"), ("::/0",), ("0.0.0.0/0", "::1/128")])
REGISTRY = Registry()
BY = pytest.mark.parametrize("by", ["service", "host"])


@st.composite
def rows(draw):
    """FLOW[n] of any kind, equal ends and ports among them."""
    flows = np.zeros(draw(st.integers(1, 6)), FLOW)
    for row in flows:
        row["ip_version"], among = draw(st.sampled_from([(4, V4), (6, V6)]))
        ends = sorted(ipaddress.ip_address(draw(st.sampled_from(among))).packed.rjust(16, b"\0") for _ in range(2))
        row["low"], row["high"] = (np.frombuffer(end, np.uint8) for end in ends)
        row["low_port"], row["high_port"] = draw(PORTS), draw(PORTS)
        row["protocol"] = draw(st.sampled_from([6, 17, 33, 132, 136, 1, 58, 255]))
        row["kind"] = draw(st.sampled_from([FlowKind.CONVERSATION, FlowKind.CONVERSATION, FlowKind.UNMATCHED]))
        row["first_sender"], row["local"] = draw(st.integers(0, 1)), draw(st.sampled_from([0, 0, 1, 2, 3, 3]))
        row["first_ns"], row["last_ns"] = draw(TIMES), draw(TIMES)
        for milestone in ("syn_ns", "syn_ack_ns"):
            row[milestone] = draw(TIMES), draw(TIMES)
        for count in ("packets", "bytes", "payload"):
            row[count] = draw(COUNTS)
    return flows


def host_of(row):
    return ipaddress.ip_address(
        host_text(*(int(row[name]) for name in ("host_kind", "high_half", "low_half")), REGISTRY)
    )


@settings(max_examples=examples(50))
@given(rows(), LOCAL)
def test_client_service_and_local_ends_are_those_of_a_naive_reading(flows, local):
    ends, inferred = flow_ends(flows, networks(local))

    assert ends[["client_is_low", "evidence"]].tolist() == list(map(naive_attribution.originator, flows))
    assert [REGISTRY.identity(key).label for key in ends["service"].tolist()] == list(
        map(naive_attribution.label, flows)
    )
    found = [{end for bit, end in ((1, "low"), (2, "high")) if bits & bit} for bits in ends["local"].tolist()]
    expected = [naive_attribution.local_ends(flow, local) for flow in flows]
    assert (found, inferred) == ([end for end, _ in expected], sum(inferred for _, inferred in expected))


@settings(max_examples=examples(50))
@given(rows())
def test_a_client_alone_is_asked_for_by_the_same_rules(flows):
    client_is_low, evidence = clients_are_low(flows)

    assert list(zip(client_is_low.tolist(), evidence.tolist(), strict=True)) == list(
        map(naive_attribution.originator, flows)
    )


def test_where_owners_are_known_nothing_is_inferred():
    flows = np.concatenate([flow("10.0.0.1 1", "8.8.8.8 1", local=ends) for ends in ((False, False), (False, True))])

    ends, inferred = flow_ends(flows, infers=False)

    assert [bits > 0 for bits in ends["local"].tolist()] == [False, True]
    assert inferred == 0


def test_no_rows_are_credited_with_nothing():
    assert crediting(rows=0, ends=0, room=0) == 0


@BY
@settings(max_examples=examples(50))
@given(flows=rows(), local=LOCAL)
def test_credits_are_those_of_a_naive_reading(by, flows, local):
    attribution = Attribution(by, local)

    attribution.add(flows)

    expected = naive_attribution.sums(flows, local, by)
    found = {}
    for row in attribution._sums.rows:
        key = (REGISTRY.identity(int(row["service"])).label, host_of(row) if by == "host" else None)
        found[key] = {name: int(row[name]) for name in next(iter(expected.values()))}
    assert found == expected


@pytest.mark.parametrize("by", ["service", "app"])
@settings(max_examples=examples(50))
@given(flows=rows(), local=LOCAL)
def test_hosts_have_the_bytes_of_a_naive_reading(by, flows, local):
    attribution = Attribution(by, local)

    attribution.add(flows)

    expected = {}
    for (service, host), counted in naive_attribution.bytes_by_host(flows, local, by).items():
        # All ports without a name are one app.
        row = None if by == "app" and service and "/" in service else service
        row = "fragments" if service is None else row
        expected[row, host] = expected.get((row, host), 0) + counted
    found = {}
    for row in attribution._hosts.rows:
        known = REGISTRY.identity(int(row["row"]))
        name = "fragments" if known.unattributed_reason == "fragment-without-first" else known.label
        found[name, host_of(row)] = int(row["bytes"])
    assert found == expected


@settings(max_examples=examples(50))
@given(rows(), st.integers(1, 5))
def test_the_chunks_that_rows_come_in_change_nothing(flows, chunk):
    whole, parts = Attribution("host"), Attribution("host")

    whole.add(flows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("portcall.attribution.attribution.ROWS_AT_ONCE", chunk)
        parts.add(flows)

    assert (
        parts._sums.rows[np.argsort(parts._sums.rows)].tolist()
        == whole._sums.rows[np.argsort(whole._sums.rows)].tolist()
    )


def crediting(rows=2, ends=2, room=4, dtype=CREDIT, layout=CREDITS):
    sums, hosts = Sums(dtype, layout), Sums(HOST_CREDIT, HOST_CREDITS)
    tables = sums.with_room(room), hosts.with_room(room)
    flows = np.zeros(rows, FLOW)
    return credit(flows, np.zeros(ends, FLOW_ENDS), by_host=False, both_ends=True, sums=tables[0], hosts=tables[1])


@pytest.mark.parametrize("wrong", [{"ends": 1}, {"room": 2}, {"dtype": HOST_CREDIT, "layout": HOST_CREDITS}])
def test_crediting_refuses_what_it_would_write_beyond(wrong):
    assert crediting() == 0
    with pytest.raises(ValueError, match="crediting wants"):
        crediting(**wrong)
