"""Attribution with owners: every local end is credited to its process or to the reason why there is none."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples import examples
from flow_builder import ICMP, TCP, UDP, flow, tallies_of
from portcall.attribution.attribution import Attribution
from portcall.errors import UsageError
from portcall.flows.originator import clients_are_low
from portcall.records.flows import FlowKind
from portcall.records.ownership import Match, MatchQuality, Owner, Program
from portcall.records.schema import GROUPINGS, LIVE_GROUPINGS, asked_names, column_names, directions
from portcall.views.tables import write_table

if TYPE_CHECKING:
    from portcall.records.report import Report

PC, LOOPBACK, WEB = "192.168.1.5", "127.0.0.1", "93.184.216.34"
CURL = Owner(41, 1_000, Program("curl", "/usr/bin/curl", unit="session-2.scope"), "anna")
OTHER_CURL = Owner(42, 2_000, Program("curl", "/usr/bin/curl"), "bert")
LATER_CURL = Owner(41, 3_000, Program("curl", "/usr/bin/curl"), "anna")
NGINX = Owner(80, 500, Program("nginx", "/usr/sbin/nginx", container="web", unit="docker-1.scope"), "www-data")
KERNEL = Owner(0, None, Program("[kernel]"))
NO_OWNER = Match(None, MatchQuality.NONE, "sock_diag", "no-owner")
AMBIGUOUS = Match(None, MatchQuality.AMBIGUOUS, "sock_diag", "ambiguous")
THE_KERNELS = Match(KERNEL, MatchQuality.WILDCARD, "sock_diag", "kernel")


def owned(owner: Owner, quality: MatchQuality = MatchQuality.EXACT, source: str = "sock_diag") -> Match:
    return Match(owner, quality, source)


def call(client: Match | None, server: Match | None, ends: tuple[str, str] = (f"{PC} 40000", f"{WEB} 443"), **options):
    """A flow and its matches, low end first; local are the ends that have a match."""
    row = flow(*ends, local=(client is not None, server is not None), **options)
    client_is_low = clients_are_low(row)[0][0]
    return row, *((client, server) if client_is_low else (server, client))


def loop(client: Match | None, server: Match | None, **options):
    return call(client, server, (f"{LOOPBACK} 40000", f"{LOOPBACK} 8080"), **options)


def add_all(attribution: Attribution, calls) -> None:
    rows, low, high = zip(*calls, strict=True)
    attribution.add(np.concatenate(rows), low, high)


def report(by: str, *calls) -> Report:
    attribution = Attribution(by)
    add_all(attribution, calls)
    return attribution.report(tallies_of(np.concatenate([row for row, _, _ in calls])), "test")


def values(result: Report, *names: str) -> set[tuple]:
    return {tuple(row[name] for name in names) for row in result.rows}


def credited(result: Report) -> int:
    out, back = directions(result.by)
    return sum(row[f"bytes_{out}"] + row[f"bytes_{back}"] for row in result.rows)


def test_an_owned_end_is_credited_to_its_process():
    result = report("app", call(owned(CURL), None, sizes=(10, 7)))

    assert values(result, "app", "app_source", "process", "pid", "owner_quality", "bytes_out", "bytes_in") == {
        ("curl", "process", "curl", 41, "exact", 10, 7)
    }
    assert (result.rows[0]["services"], result.rows[0]["top_host"]) == (["https"], WEB)
    assert result.coverage.bytes_attributed == 17


def test_an_app_of_several_processes_has_no_pid_and_the_worst_quality():
    result = report("app", call(owned(CURL), None), call(owned(OTHER_CURL, MatchQuality.WILDCARD), None))

    assert values(result, "app", "pid", "owner_quality", "flows") == {("curl", None, "wildcard", 2)}


def test_a_pid_that_was_used_again_is_two_processes():
    calls = [call(owned(CURL), None), call(owned(LATER_CURL), None)]

    assert values(report("app", *calls), "app", "pid") == {("curl", None)}
    assert [(row["process"], row["pid"]) for row in report("process", *calls).rows] == [("curl", 41), ("curl", 41)]


def test_by_process_each_process_is_a_row():
    result = report("process", call(owned(CURL), None), call(owned(OTHER_CURL), None), call(owned(CURL), None))

    assert values(result, "process", "pid", "flows") == {("curl", 41, 2), ("curl", 42, 1)}
    assert tuple(result.rows[0])[:3] == ("process", "pid", "app_source")


def test_by_user_all_that_one_users_processes_exchange_is_a_row():
    wget = Owner(43, 9, Program("wget"), "anna")

    result = report("user", call(owned(CURL), None), call(owned(wget), None), call(owned(OTHER_CURL), None))

    assert values(result, "user", "process", "pid", "flows") == {("anna", None, None, 2), ("bert", "curl", 42, 1)}
    assert tuple(result.rows[0])[:2] == ("user", "app_source")
    assert result.coverage.bytes_attributed == result.coverage.bytes


def test_by_user_traffic_between_two_users_counts_at_both():
    result = report("user", loop(owned(CURL), owned(NGINX), sizes=(10, 7)))

    assert values(result, "user", "bytes_out", "bytes_in") == {("anna", 10, 7), ("www-data", 7, 10)}
    assert result.coverage.bytes_credited_twice == 17


def test_by_user_what_is_nobodys_says_why():
    unknown = Owner(7, 1, Program("odd"), None)

    result = report("user", *(call(match, None) for match in (NO_OWNER, AMBIGUOUS, THE_KERNELS, owned(unknown))))

    assert values(result, "user", "process", "unattributed_reason") == {
        (None, None, "no-owner"),
        (None, None, "ambiguous"),
        (None, "[kernel]", "kernel"),
        (None, "odd", None),
    }


def test_a_table_by_user_names_users_and_escapes_them():
    stream = io.StringIO()
    hostile = Owner(7, 1, Program("odd"), "\x1b[2Jmallory")

    write_table(report("user", call(owned(CURL), None), call(owned(hostile), None), call(THE_KERNELS, None)), stream)

    assert {"anna", "(the", "\\x1b[2Jmallory"} <= set(stream.getvalue().split())


def test_a_process_that_becomes_another_program_is_one_row_with_its_latest_name():
    became = Owner(CURL.pid, CURL.start_ns, Program("wget"))

    result = report("process", call(owned(CURL), None), call(owned(became), None))

    assert values(result, "process", "pid", "flows") == {("wget", 41, 2)}


@pytest.mark.parametrize("by", ["app", "process"])
def test_a_flow_between_two_local_processes_is_credited_to_both(by):
    result = report(by, loop(owned(CURL), owned(NGINX), sizes=(10, 7)))

    assert values(result, "process", "pid", "bytes_out", "bytes_in", "flows") == {
        ("curl", 41, 10, 7, 1),
        ("nginx", 80, 7, 10, 1),
    }
    assert result.coverage.bytes_credited_twice == 17


def test_a_flow_within_one_app_counts_once_in_its_row():
    result = report("app", loop(owned(CURL), owned(OTHER_CURL), sizes=(10, 7)))

    assert values(result, "app", "bytes_out", "bytes_in", "flows") == {("curl", 17, 17, 1)}


@pytest.mark.parametrize("by", ["app", "process"])
def test_each_reason_is_a_row_of_its_own(by):
    result = report(by, *(call(match, None) for match in (owned(CURL), NO_OWNER, AMBIGUOUS, THE_KERNELS)))

    assert values(result, "unattributed_reason", "process", "pid", "owner_quality") == {
        (None, "curl", 41, "exact"),
        ("no-owner", None, None, "none"),
        ("ambiguous", None, None, "ambiguous"),
        ("kernel", "[kernel]", None, "wildcard"),
    }
    assert result.coverage.bytes_attributed == 1100


def test_an_unowned_end_beside_an_owned_one_goes_to_its_reason():
    result = report("app", loop(owned(CURL), AMBIGUOUS, sizes=(10, 7)))

    assert values(result, "app", "unattributed_reason", "bytes_out") == {
        ("curl", None, 10),
        (None, "ambiguous", 7),
    }


def test_a_flow_without_a_local_end_is_credited_once_in_the_clients_view():
    result = report("app", call(None, None, sizes=(10, 7)))

    assert values(result, "app", "unattributed_reason", "bytes_out", "bytes_in") == {(None, "no-owner", 10, 7)}
    assert (result.coverage.bytes_credited_twice, result.degradations) == (0, [])


def test_a_protocol_without_ports_stays_its_own_app_where_nobody_owns_it():
    ping = call(NO_OWNER, None, (PC, WEB), protocol=ICMP)

    for by in ("app", "flow"):
        assert values(report(by, ping), "app", "app_source", "unattributed_reason") == {("icmp", "protocol", None)}
    assert values(report("process", ping), "process", "pid", "unattributed_reason") == {("[icmp]", None, None)}


@pytest.mark.parametrize("by", ["app", "process", "flow"])
def test_fragments_without_their_first_have_no_owner_to_ask_for(by):
    result = report(by, call(owned(CURL), None, (PC, WEB), protocol=UDP, kind=FlowKind.UNMATCHED))

    assert [row["unattributed_reason"] for row in result.rows] == ["fragment-without-first"]
    assert result.rows[0]["owner_quality"] is None


@pytest.mark.parametrize("by", ["service", "host"])
def test_owners_do_not_change_what_services_and_hosts_are(by):
    calls = [call(owned(CURL), None), loop(owned(CURL), owned(NGINX)), call(NO_OWNER, None)]
    without = Attribution(by)
    without.add(np.concatenate([row for row, _, _ in calls]))

    expected = without.rows(tallies_of(np.concatenate([row for row, _, _ in calls])))

    assert report(by, *calls).rows == expected


def test_a_flow_row_names_the_owners_of_both_ends():
    row = report("flow", loop(owned(CURL), owned(NGINX, MatchQuality.LISTENER, "psutil"))).rows[0]

    assert tuple(row) == column_names("flow")
    prefixes = ("client_", "server_", "app", "owner")
    sent = {name: row[name] for name in row if name.startswith(prefixes) and name != "application_protocol"}
    assert sent == {
        "client_ip": LOOPBACK,
        "client_port": 40000,
        "client_port_class": "registered",
        "client_pid": 41,
        "client_process": "curl",
        "client_exe": "/usr/bin/curl",
        "client_user": "anna",
        "client_container": "session-2.scope",
        "client_script": None,
        "server_script": None,
        **dict.fromkeys((*asked_names("client"), *asked_names("server"))),
        "server_ip": LOOPBACK,
        "server_port": 8080,
        "server_port_class": "registered",
        "server_pid": 80,
        "server_process": "nginx",
        "server_exe": "/usr/sbin/nginx",
        "server_user": "www-data",
        "server_container": "web",
        "app": "curl",
        "app_source": "process",
        "owner_quality": "exact",
        "owner_search": None,
        "owner_source": "sock_diag",
    }


def test_the_server_names_the_app_of_a_flow_whose_client_has_no_owner():
    row = report("flow", loop(AMBIGUOUS, owned(NGINX, MatchQuality.WILDCARD, "psutil"))).rows[0]

    assert (row["app"], row["unattributed_reason"], row["client_pid"]) == ("nginx", None, None)
    assert (row["owner_quality"], row["owner_source"]) == ("wildcard", "psutil")


@pytest.mark.parametrize(
    ("client", "server", "told"),
    [
        (NO_OWNER, None, (None, "no-owner", "none", None)),
        (None, None, (None, "no-owner", "none", None)),
        (NO_OWNER, AMBIGUOUS, (None, "ambiguous", "ambiguous", None)),
        (THE_KERNELS, NO_OWNER, (None, "kernel", "wildcard", "[kernel]")),
    ],
)
def test_a_flow_without_owner_says_why(client, server, told):
    result = report("flow", loop(client, server))

    assert values(result, "app", "unattributed_reason", "owner_quality", "client_process") == {told}


@pytest.mark.parametrize("by", ["process", "user"])
def test_what_only_owners_tell_is_refused_without_them_with_what_to_do(by):
    with pytest.raises(UsageError, match=f"which {by} sent a packet. Use --by app"):
        Attribution(by).add(flow(f"{PC} 40000", f"{WEB} 443"))


def test_captures_are_not_offered_a_grouping_that_needs_owners():
    assert set(LIVE_GROUPINGS) - set(GROUPINGS) == {"process", "user"}


def running(script, pid=7):
    return owned(Owner(pid, pid, Program("python3", script=script)))


def test_a_row_says_what_an_interpreter_runs_and_is_grouped_as_before():
    calls = call(running("a.py"), None), call(running("a.py", pid=8), None)

    assert [(row["app"], row["script"], row["pid"]) for row in report("app", *calls)] == [("python3", "a.py", None)]
    assert [(row["process"], row["script"], row["pid"]) for row in report("process", *calls)] == [
        ("python3", "a.py", 7),
        ("python3", "a.py", 8),
    ]


@pytest.mark.parametrize("scripts", [["a.py", "b.py", "a.py"], [None, "a.py", "a.py"], ["a.py", None, None]])
def test_a_row_of_different_scripts_names_none(scripts):
    calls = [call(running(script, pid=7 + number), None) for number, script in enumerate(scripts)]

    assert [(row["app"], row["script"]) for row in report("app", *calls)] == [("python3", None)]


@pytest.mark.parametrize("by", ["app", "process", "user"])
def test_scripts_are_the_same_however_the_capture_was_cut(by):
    calls = [call(running("a.py"), None), call(running("b.py", pid=8), None), call(running("a.py", pid=9), None)]
    parts = []
    for one in calls:
        parts.append(Attribution(by))
        add_all(parts[-1], [one])
    for part in parts[1:]:
        parts[0].merge(part)
    whole = Attribution(by)
    add_all(whole, calls)

    assert [(row["pid"], row["script"]) for row in parts[0].rows({})] == [
        (row["pid"], row["script"]) for row in whole.rows({})
    ]


def test_both_ends_of_a_conversation_say_what_they_run():
    (row,) = report("flow", loop(running("client.py"), running("server.py", pid=8))).rows

    assert (row["client_script"], row["server_script"]) == ("client.py", "server.py")


@pytest.mark.parametrize(
    ("by", "words"), [("app", "python3 (a.py)"), ("process", "python3 (a.py)"), ("flow", "curl → python3 (a.py)")]
)
def test_a_table_shows_what_an_interpreter_runs_and_escapes_it(by, words):
    def shown(script):
        stream = io.StringIO()
        write_table(report(by, loop(owned(CURL), running(script))), stream, width=150)
        return stream.getvalue()

    assert words in shown("a.py")
    assert "\x1b" not in shown("\x1b[2Ja.py")


def test_process_columns_are_the_grouped_ones_with_the_process_first():
    assert column_names("process") == (
        "process",
        "pid",
        *(name for name in column_names("app") if name not in ("app", "process", "pid")),
    )


@pytest.mark.parametrize("by", ["app", "process"])
def test_a_table_shows_the_process_id_where_there_is_one(by):
    stream = io.StringIO()

    write_table(report(by, call(owned(CURL), None), call(THE_KERNELS, None)), stream)

    header, *rows = stream.getvalue().split("\n\n")[1].splitlines()
    assert header.split()[:2] == [by, "pid"]
    assert any(row.split()[:2] == ["curl", "41"] for row in rows)


def test_a_process_that_calls_itself_nothing_still_has_a_row_to_read():
    stream = io.StringIO()

    write_table(report("process", call(owned(Owner(7, 1, Program(""))), None)), stream)

    assert "(without a name)" in stream.getvalue()


owners = st.builds(
    Owner, st.integers(1, 3), st.sampled_from([None, 5]), st.builds(Program, st.sampled_from(["curl", "nginx", ""]))
)
named = st.builds(Match, owners, st.sampled_from(list(MatchQuality)[:3]), st.sampled_from(["sock_diag", "psutil"]))
matches = st.one_of(st.none(), named, st.sampled_from([NO_OWNER, AMBIGUOUS, THE_KERNELS]))
addresses = st.sampled_from([PC, LOOPBACK, WEB, "192.168.1.9"])
ports = st.sampled_from([12, 53, 443, 40000])
calls_strategy = st.lists(
    st.builds(
        lambda client, server, ports, protocol, sizes, local, kind, low, high: (
            flow(
                f"{client} {0 if kind == FlowKind.UNMATCHED else ports[0]}",
                f"{server} {0 if kind == FlowKind.UNMATCHED else ports[1]}",
                protocol,
                sizes=sizes,
                local=local,
                kind=kind,
            ),
            low,
            high,
        ),
        addresses, addresses, st.tuples(ports, ports), st.sampled_from([TCP, UDP, ICMP]),
        st.tuples(st.integers(0, 2**40), st.integers(0, 2**40)), st.tuples(st.booleans(), st.booleans()),
        st.sampled_from([FlowKind.CONVERSATION, FlowKind.CONVERSATION, FlowKind.UNMATCHED]), matches, matches,
    ),
    min_size=1, max_size=10,
)  # fmt: skip


@settings(max_examples=examples(60))
@given(calls=calls_strategy, cut=st.integers(0, 10))
@pytest.mark.parametrize("by", LIVE_GROUPINGS)
def test_the_law_holds_with_any_owners_and_shards_merge_to_the_whole(by, calls, cut):
    whole, left, right = Attribution(by), Attribution(by), Attribution(by)
    tallies = tallies_of(np.concatenate([row for row, _, _ in calls]), not_ip=(2, 99))

    add_all(whole, calls)
    for shard, part in ((left, calls[:cut]), (right, calls[cut:])):
        for one in part:
            add_all(shard, [one])
    left.merge(right)

    result, merged = whole.report(tallies, "test"), left.report(tallies, "test")
    assert credited(result) == result.coverage.bytes + result.coverage.bytes_credited_twice
    assert sorted(map(str, merged.rows)) == sorted(map(str, result.rows))
    assert merged.coverage == result.coverage


@settings(max_examples=examples(60))
@given(calls=calls_strategy)
@pytest.mark.parametrize("by", ["app", "process"])
def test_what_a_process_is_credited_with_is_what_its_ends_sent_and_got(by, calls):
    expected: dict = {}
    for row, *ends in calls:
        for side, match in enumerate(ends):
            if row["local"][0] >> side & 1 and match and match.owner and not match.reason and not row["kind"][0]:
                owner = match.owner
                key = owner.program.name if by == "app" else (owner.pid, owner.start_ns)
                out, back = expected.get(key, (0, 0))
                expected[key] = (out + int(row["bytes"][0, side]), back + int(row["bytes"][0, 1 - side]))

    rows = [row for row in report(by, *calls).rows if row["app_source"] == "process"]

    assert sorted((row["bytes_out"], row["bytes_in"]) for row in rows) == sorted(expected.values())


@pytest.mark.parametrize("by", [by for by in LIVE_GROUPINGS if by != "query"])
def test_what_has_an_app_is_the_same_in_every_grouping(by):
    calls = [call(match, None, sizes=(60, 40)) for match in (owned(CURL), NO_OWNER, AMBIGUOUS)]

    assert report(by, *calls).coverage.bytes_attributed == 100


@pytest.mark.parametrize(("by", "octets"), [("app", 117), ("host", 117), ("service", 100), ("time", 100)])
def test_an_end_with_an_app_counts_wherever_it_is_credited(by, octets):
    whole, first, second = (Attribution(by) for _ in range(3))
    calls = [loop(owned(CURL), AMBIGUOUS, sizes=(60, 40)), loop(NO_OWNER, owned(NGINX), sizes=(10, 7))]
    add_all(whole, calls)
    add_all(first, calls[:1])
    add_all(second, calls[1:])
    first.merge(second)

    for attribution in (whole, first):
        tallies = tallies_of(np.concatenate([row for row, _, _ in calls]))
        assert attribution.report(tallies, "test").coverage.bytes_attributed == octets
