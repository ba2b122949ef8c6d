"""Attribution: who is credited with what. The law of the rows is checked on generated flows in every grouping."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples import examples
from flow_builder import ICMP, START_NS, TCP, UDP, flow, tallies_of
from portcall.attribution.attribution import Attribution
from portcall.errors import UsageError
from portcall.inspection.server_names import ServerNames
from portcall.queries.row_filter import compile_where
from portcall.records.flows import NEVER, FlowKind
from portcall.records.packets import NO_TIME, Verdict
from portcall.records.schema import GROUPINGS, column_names, directions

if TYPE_CHECKING:
    from portcall.records.report import Report

PC, OTHER_PC, WEB, WEB6 = "192.168.1.5", "192.168.1.9", "93.184.216.34", "2606:2800:220:1::1"


def report(by: str, *flows: np.ndarray, local: tuple[str, ...] = (), **others: tuple[int, int]) -> Report:
    table = np.concatenate(flows)
    attribution = Attribution(by, local)
    attribution.add(table)
    return attribution.report(tallies_of(table, **others), "test")


def credited(result: Report) -> int:
    out, back = directions(result.by)
    return sum(row[f"bytes_{out}"] + row[f"bytes_{back}"] for row in result.rows)


def test_an_app_without_owners_is_the_service_at_the_servers_port():
    rows = report("app", flow(f"{PC} 40000", f"{WEB} 443")).rows

    assert [(row["app"], row["app_source"], row["services"]) for row in rows] == [("https", "port", ["https"])]


def test_a_protocol_without_ports_is_its_own_app():
    rows = report("app", flow(PC, WEB, ICMP)).rows

    assert (rows[0]["app"], rows[0]["app_source"]) == ("icmp", "protocol")


def test_unnamed_ports_share_one_row_that_lists_the_greatest_first():
    rows = report(
        "app",
        flow(f"{PC} 40000", f"{WEB} 12", sizes=(1, 1)),
        flow(f"{PC} 40001", f"{WEB} 50001", sizes=(5, 5)),
        flow(f"{PC} 40002", f"{WEB} 50002", sizes=(4, 4)),
        flow(f"{PC} 40003", f"{WEB} 12", UDP, sizes=(30, 3)),
    ).rows

    assert [(row["unattributed_reason"], row["services"]) for row in rows] == [
        ("no-owner", ["udp/12", "tcp/ephemeral", "tcp/12"])
    ]


def test_by_service_an_unnamed_port_is_a_row_of_its_own():
    rows = report("service", flow(f"{PC} 40000", f"{WEB} 12"), flow(f"{PC} 40001", f"{WEB} 50001")).rows

    assert {row["service"] for row in rows} == {"tcp/12", "tcp/ephemeral"}
    assert {row["unattributed_reason"] for row in rows} == {"no-owner"}


def test_the_private_end_is_local_where_the_capture_does_not_say():
    row = report("app", flow(f"{WEB} 40000", f"{PC} 443", sizes=(10, 7))).rows[0]

    assert (row["bytes_out"], row["bytes_in"]) == (7, 10)


def test_without_a_local_end_the_client_is_the_view():
    row = report("app", flow(f"{WEB} 40000", "8.8.8.8 443", sizes=(10, 7))).rows[0]

    assert (row["bytes_out"], row["bytes_in"], row["top_host"]) == (10, 7, "8.8.8.8")


def test_inference_is_said_with_its_remedy_except_where_it_changes_little():
    one = flow(f"{PC} 40000", f"{WEB} 443")

    told = {by: [d.remedy for d in report(by, one).degradations] for by in GROUPINGS}

    said = ["--local CIDR"]
    assert told == {"app": said, "host": said, "time": said, "service": [], "query": [], "flow": []}


def test_direction_bits_of_the_capture_are_believed_before_addresses():
    result = report("app", flow(f"{PC} 40000", f"{WEB} 443", sizes=(10, 7), local=(False, True)))

    assert (result.rows[0]["bytes_out"], result.degradations) == (7, [])


def test_networks_named_by_the_user_decide_alone():
    result = report("app", flow(f"{PC} 40000", f"{WEB} 443", sizes=(10, 7), local=(True, False)), local=("93.0.0.0/8",))

    assert (result.rows[0]["bytes_out"], result.degradations) == (7, [])


@pytest.mark.parametrize("network", ["2606:2800::/32", "2606:2800:220:1::/64", "2606:2800:220:1::1"])
def test_local_networks_may_be_of_ip_version_6(network):
    row = report("app", flow("2001:db8::1 40000", f"{WEB6} 443", sizes=(10, 7)), local=(network,)).rows[0]

    assert row["bytes_out"] == 7


def test_a_local_network_that_is_none_is_refused():
    with pytest.raises(UsageError, match=r"--local 10\.0\.0\.0/33"):
        Attribution("app", ["10.0.0.0/33"])


def test_both_local_ends_are_credited_and_counted_as_twice():
    result = report("app", flow(f"{PC} 40000", f"{OTHER_PC} 443", sizes=(10, 7), local=(True, True)))

    row = result.rows[0]
    assert (row["bytes_out"], row["bytes_in"], row["flows"]) == (17, 17, 1)
    assert result.coverage.bytes_credited_twice == 17


def test_each_local_end_is_the_others_host():
    result = report("host", flow(f"{PC} 40000", f"{OTHER_PC} 443", sizes=(10, 7), local=(True, True)))

    assert {row["host"]: (row["bytes_out"], row["bytes_in"], row["flows"]) for row in result.rows} == {
        PC: (7, 10, 1),
        OTHER_PC: (10, 7, 1),
    }


@pytest.mark.parametrize("by", ["service", "flow"])
def test_services_and_flows_are_never_credited_twice(by):
    result = report(by, flow(f"{PC} 40000", f"{OTHER_PC} 443", local=(True, True)))

    assert (credited(result), result.coverage.bytes_credited_twice) == (1100, 0)


def test_frames_on_no_flow_are_rows_with_a_reason_and_count_as_in():
    rows = report("app", flow(f"{PC} 40000", f"{WEB} 443"), not_ip=(3, 180)).rows

    assert rows[-1]["app"] is None
    assert (rows[-1]["unattributed_reason"], rows[-1]["packets_in"], rows[-1]["bytes_in"]) == ("not-ip", 3, 180)


@pytest.mark.parametrize("by", ["app", "service", "host"])
def test_fragments_without_their_first_count_as_in_and_as_no_flow(by):
    unmatched = flow(PC, WEB, UDP, sizes=(500, 0), packets=(2, 0), kind=FlowKind.UNMATCHED)

    row = report(by, unmatched).rows[0]

    assert (row[by], row["unattributed_reason"]) == (None, "fragment-without-first")
    assert (row["bytes_out"], row["bytes_in"], row["flows"]) == (0, 500, 0)


def test_later_fragments_are_not_counted_again_from_the_tallies():
    result = report("app", flow(f"{PC} 40000", f"{WEB} 53", UDP), later_fragment=(0, 0))

    assert credited(result) == result.coverage.bytes


def test_the_top_host_is_the_remote_address_with_most_bytes():
    rows = report(
        "service",
        flow(f"{PC} 40000", "8.8.8.8 443", sizes=(1, 10)),
        flow(f"{PC} 40001", f"{WEB} 443", sizes=(1, 8)),
        flow(f"{OTHER_PC} 40002", f"{WEB} 443", sizes=(1, 8)),
    ).rows

    assert rows[0]["top_host"] == WEB


def test_the_top_host_of_unnamed_ports_is_counted_over_all_of_them():
    rows = report(
        "app",
        flow(f"{PC} 40000", "8.8.8.8 12", sizes=(1, 10)),
        flow(f"{PC} 40001", f"{WEB} 12", sizes=(1, 8)),
        flow(f"{PC} 40002", f"{WEB} 50001", sizes=(1, 8)),
    ).rows

    assert [row["top_host"] for row in rows] == [WEB]


def test_a_host_lists_its_services_and_mixes_attributed_with_not():
    result = report(
        "host",
        flow(f"{PC} 40000", f"{WEB} 443", sizes=(0, 8)),
        flow(f"{PC} 40001", f"{WEB} 12", sizes=(0, 3)),
    )

    assert (result.rows[0]["services"], result.coverage.bytes_attributed) == (["https", "tcp/12"], 8)


def test_a_flow_row_says_everything_that_the_interface_promises():
    row = report("flow", flow(f"{WEB6} 40000", "2001:db8::1 443", packets=(3, 2), sizes=(10, 7), payload=(4, 2))).rows[
        0
    ]

    assert tuple(row) == column_names("flow")
    assert {name: value for name, value in row.items() if value is not None} == {
        "protocol": "tcp",
        "client_ip": WEB6,
        "client_port": 40000,
        "server_ip": "2001:db8::1",
        "server_port": 443,
        "packets_to_server": 3,
        "bytes_to_server": 10,
        "payload_to_server": 4,
        "packets_to_client": 2,
        "bytes_to_client": 7,
        "payload_to_client": 2,
        "first_ns": START_NS,
        "last_ns": START_NS + 1_000_000_000,
        "tcp_flags_to_server": 2,
        "tcp_flags_to_client": 18,
        "state": row["state"],
        "service": "https",
        "client_port_class": "registered",
        "server_port_class": "well-known",
        "app": "https",
        "app_source": "port",
        "opener_evidence": "syn",
    }


def test_an_unnamed_flow_has_no_service_and_a_reason():
    row = report("flow", flow(f"{PC} 40000", f"{WEB} 12", UDP)).rows[0]

    assert (row["service"], row["app"], row["unattributed_reason"], row["tcp_flags_to_server"]) == (
        None,
        None,
        "no-owner",
        None,
    )


@pytest.mark.parametrize("by", GROUPINGS)
def test_a_capture_without_times_has_rows_without_times(by):
    result = report(by, flow(f"{PC} 40000", f"{WEB} 443", first_ns=NEVER, last_ns=NO_TIME))

    assert (result.rows[0]["first_ns"], result.rows[0]["last_ns"], result.window_ns) == (None, None, None)


def test_rows_left_out_still_count_as_covered():
    table = np.concatenate([flow(f"{PC} 40000", f"{WEB} {port}") for port in (443, 53, 22)])
    attribution = Attribution("service")
    attribution.add(table)

    result = attribution.report(tallies_of(table), "test", where=compile_where("service != ssh", "service"), top=1)

    assert (len(result.rows), result.rows_left_out, result.coverage.bytes) == (1, 2, 3300)


def test_an_unknown_grouping_is_refused_with_the_nearest_one():
    with pytest.raises(UsageError, match="Did you mean 'service'"):
        Attribution("sevice")


def test_a_top_host_is_null_where_too_many_hosts_make_it_uncertain():
    attribution = Attribution("service", most_hosts=4)
    flows = [flow(f"{PC} {40000 + n}", f"8.8.{n}.8 443", sizes=(0, 100 + n)) for n in range(20)]

    for one in flows:
        attribution.add(one)

    assert attribution.rows(tallies_of(np.concatenate(flows)))[0]["top_host"] is None
    assert [note.feature for note in attribution.degradations()] == ["hosts"]


def test_a_top_host_far_ahead_is_certain_among_too_many_hosts():
    attribution = Attribution("service", most_hosts=4)
    flows = [flow(f"{PC} {40000 + n}", f"8.8.{n}.8 443", sizes=(0, 10**6 if n == 7 else 100)) for n in range(20)]

    for one in flows:
        attribution.add(one)

    assert attribution.rows(tallies_of(np.concatenate(flows)))[0]["top_host"] == "8.8.7.8"


addresses = st.sampled_from([PC, OTHER_PC, WEB, "8.8.8.8", "127.0.0.1", "224.0.0.251"])
ports = st.sampled_from([0, 12, 53, 443, 8443, 33000, 40000, 65535])
sizes = st.tuples(st.integers(0, 2**40), st.integers(0, 2**40))
flows_strategy = st.lists(
    st.builds(
        lambda client, server, client_port, server_port, protocol, counted, local, are_unmatched: flow(
            f"{client} {0 if are_unmatched else client_port}",
            f"{server} {0 if are_unmatched else server_port}",
            protocol,
            sizes=counted,
            local=local,
            kind=FlowKind.UNMATCHED if are_unmatched else FlowKind.CONVERSATION,
        ),
        addresses, addresses, ports, ports, st.sampled_from([TCP, UDP, ICMP, 132, 89]), sizes,
        st.tuples(st.booleans(), st.booleans()), st.booleans(),
    ),
    min_size=1, max_size=12,
)  # fmt: skip


@settings(max_examples=examples(60))
@given(flows=flows_strategy, local=st.sampled_from([(), ("192.168.0.0/16",), ("0.0.0.0/0",)]), cut=st.integers(0, 12))
@pytest.mark.parametrize("by", GROUPINGS)
def test_the_law_holds_and_shards_merge_to_the_whole(by, flows, local, cut):
    whole, left, right = (Attribution(by, local) for _ in range(3))
    table = np.concatenate(flows)
    tallies = tallies_of(table, not_ip=(2, 99), malformed=(1, 60), truncated=(1, 40))

    whole.add(table)
    for shard, rows in ((left, flows[:cut]), (right, flows[cut:])):
        for row in rows:
            shard.add(row)
    left.merge(right)

    result = whole.report(tallies, "test")
    assert credited(result) == result.coverage.bytes + result.coverage.bytes_credited_twice
    assert sum(result.coverage.verdicts.values()) == result.coverage.frames
    merged = left.report(tallies, "test")
    assert sorted(map(str, merged.rows)) == sorted(map(str, result.rows))
    assert merged.coverage == result.coverage


def test_an_empty_capture_has_no_rows():
    result = Attribution("app").report({}, "test")

    assert (result.rows, result.coverage.frames, result.coverage.verdicts["ok"]) == ([], 0, 0)
    assert set(result.coverage.verdicts) == {verdict.name.lower().replace("_", "-") for verdict in Verdict}


@pytest.mark.parametrize("by", ["app", "service", "host"])
def test_a_grouped_report_lets_go_of_what_made_it(by):
    """Or a thousand of them kept as many tables of names."""
    names = ServerNames()
    watched = weakref.ref(names)
    attribution = Attribution(by, (), names)
    attribution.add(flow(f"{PC} 40000", f"{WEB} 443"))

    kept = attribution.report({}, "made up")
    del names, attribution

    gc.collect()
    assert watched() is None
    assert len(kept) == 1
