"""Stories: what a row says in columns, in sentences; and what that rests on."""

from __future__ import annotations

import numpy as np
import pytest

from flow_builder import ICMP, SECOND_NS, START_NS, UDP, flow
from portcall.attribution.flow_rows import FlowRows
from portcall.attribution.no_flow_rows import flow_row_on_no_flow
from portcall.explanation.flow_explanation import MOST_DNS_ANSWERS, TCP_STATES, explain_flow
from portcall.flows.conn_state import STATES
from portcall.flows.originator import OriginatorEvidence
from portcall.inspection.dns_cache import CachedAnswer
from portcall.records.detections import OUTER_KINDS, NameKind
from portcall.records.flows import FlowKind
from portcall.records.packets import NO_TIME, Tally
from portcall.records.schema import column_names

CLIENT, SERVER = "192.168.1.5 40000", "93.184.216.34 443"


def row_of(flows):
    conversations = FlowRows()
    conversations.add(flows)
    return next(conversations.take(np.array([0])).rows(column_names("flow")))


def row(client=CLIENT, server=SERVER, protocol=6, **columns):
    return {**row_of(flow(client, server, protocol)), **columns}


def sent(story, heading):
    return next((list(section.sentences) for section in story.sections if section.heading == heading), [])


def test_the_title_is_the_conversation():
    assert explain_flow(row(), 3, []).title == "192.168.1.5:40000-93.184.216.34:443/tcp"


def test_both_sockets_have_their_port_class_in_words():
    story = explain_flow(row(), 1, [])

    assert sent(story, "client") == [
        "192.168.1.5, port 40000: a registered port (1024–49151), where services may wait",
        "to connections of its own it is lent by Linux and FreeBSD",
    ]
    assert sent(story, "server") == ["93.184.216.34, port 443: a well-known port (0–1023), where services wait"]


def test_the_service_by_port_has_its_evidence():
    story = explain_flow(row(), 1, [])

    assert sent(story, "service")[0] == "by the server's port https (curated 443/tcp)"
    assert (story.evidence.service_by_port, story.evidence.service_evidence) == ("https", "curated 443/tcp")


def test_a_service_by_a_range_of_ports_says_so():
    in_range = explain_flow(row(server="93.184.216.34 6885", service="bittorrent"), 1, [])

    assert sent(in_range, "service") == [
        "by the server's port bittorrent (curated 6881-6889/tcp)",
        "BitTorrent. Pieces of files between BitTorrent users.",
    ]


def test_a_port_without_a_service_is_said():
    assert sent(explain_flow(row(server="93.184.216.34 47123"), 1, []), "service") == [
        "no list has a service for 47123/tcp"
    ]


def test_who_opened_is_told_with_its_evidence():
    assert sent(explain_flow(row(), 1, []), "opened") == ["192.168.1.5 opened it: it sent the first SYN"]


@pytest.mark.parametrize("evidence", OriginatorEvidence)
def test_every_evidence_of_who_opened_has_words(evidence):
    story = explain_flow(row(opener_evidence=evidence.name.lower().replace("_", "-")), 1, [])

    assert sent(story, "opened")[0].startswith("192.168.1.5 ")


def test_every_state_has_words():
    assert set(TCP_STATES) == set(STATES)


@pytest.mark.parametrize(
    ("protocol", "state", "words"),
    [
        (6, "S0", "S0: the client asked to connect, and the server did not answer"),
        (UDP, "S0", "S0: the client sent, and nothing came back"),
        (132, "OTH", "OTH: a protocol without connections, which have states"),
    ],
)
def test_the_same_state_means_something_else_in_another_protocol(protocol, state, words):
    assert sent(explain_flow(row(protocol=protocol, state=state), 1, []), "state") == [words]


def test_what_went_each_way_is_exact():
    flow_row = row(bytes_to_server=1_234_567, packets_to_server=1000, payload_to_server=0)

    assert (
        sent(explain_flow(flow_row, 1, []), "traffic")[0] == "to server: 1 000 packets, 1 234 567 bytes, 0 of payload"
    )


def test_times_are_utc_and_may_be_missing():
    with_times = sent(explain_flow(row(first_ns=0, last_ns=SECOND_NS), 1, []), "traffic")
    without = sent(explain_flow(row(first_ns=None, last_ns=None), 1, []), "traffic")

    assert with_times[2] == "from 1970-01-01 00:00:00.000000 UTC to 1970-01-01 00:00:01.000000 UTC, 1.000000 s"
    assert len(without) == 2


def test_a_protocol_has_the_frame_that_showed_it():
    flow_row = row(application_protocol="tls", evidence_frame=7)

    assert sent(explain_flow(flow_row, 1, []), "protocol") == ["tls, recognised by what was said in frame 7"]


def test_a_foreign_protocol_on_a_well_known_port_is_said():
    flow_row = row(application_protocol="ssh", service="ssh", evidence_frame=7)

    assert sent(explain_flow(flow_row, 1, []), "protocol")[1] == "this is not what the port promises, which is https"


@pytest.mark.parametrize("kind", NameKind)
def test_a_name_has_its_source_and_where_it_was_heard(kind):
    is_inspected = kind not in (NameKind.DNS, NameKind.CAPTURE)

    sentence, *more = sent(
        explain_flow(row(hostname="www.example.org", hostname_source=kind.value, evidence_frame=7), 1, []), "name"
    )

    assert sentence.startswith("www.example.org: ")
    assert sentence.endswith(", frame 7") == is_inspected
    assert more == (["behind it: not known"] if kind in OUTER_KINDS.values() else [])


def test_a_cover_has_the_names_behind_it_and_the_app_rests_on_one_of_them():
    covered = row(
        hostname="cover.example",
        hostname_source="tls-sni-outer",
        app="example.com",
        app_source="name",
        said=["ech=yes"],
    )

    story = explain_flow(covered, 1, [], ["shop.example.com"])

    assert "behind it: shop.example.com" in sent(story, "name")[1]
    assert story.evidence.hidden == ("shop.example.com",)
    assert sent(story, "app") == [
        "example.com: by the name, the domain that somebody registered below the public suffix com"
    ]


@pytest.mark.parametrize("said", [["ech=yes"], ["alpn=h2"], None])
def test_what_may_be_grease_is_said_to_be_untellable(said):
    story = explain_flow(row(hostname="www.example.org", hostname_source="tls-sni", said=said), 1, [])

    assert any("nobody on the way can tell" in sentence for sentence in sent(story, "name")) == (said == ["ech=yes"])


def test_a_name_as_sent_is_told_where_it_differs():
    flow_row = row(hostname="example.org", hostname_source="http-host", http_host="Example.ORG:8080")

    assert sent(explain_flow(flow_row, 1, []), "name")[1] == "as sent: Example.ORG:8080"


def test_several_names_are_told_and_none_is_guessed():
    told = [CachedAnswer(START_NS, START_NS, "a.example"), CachedAnswer(START_NS, START_NS, "b.example")]

    story = explain_flow(row(hostname_source="ambiguous"), 1, told)

    assert sent(story, "name") == [
        "ambiguous: several names share the address, and none is guessed: a.example, b.example"
    ]


def test_what_a_resolver_told_before_is_told_with_its_age():
    told = [CachedAnswer(START_NS - SECOND_NS // 2, START_NS + SECOND_NS, "www.example.org")]

    story = explain_flow(row(), 1, told)

    assert sent(story, "dns") == ["0.500000 s before, 192.168.1.5 was told that www.example.org is at 93.184.216.34"]
    assert story.evidence.told == (
        {"name": "www.example.org", "time_ns": START_NS - SECOND_NS // 2, "until_ns": START_NS + SECOND_NS},
    )


def test_an_answer_that_had_run_out_is_called_so():
    (sentence,) = sent(explain_flow(row(), 1, [CachedAnswer(0, SECOND_NS, "www.example.org")]), "dns")

    assert sentence.endswith(", which was no longer valid then")


def test_a_capture_without_times_has_answers_without_ages():
    (sentence,) = sent(explain_flow(row(first_ns=None), 1, [CachedAnswer(NO_TIME, NO_TIME, "www.example.org")]), "dns")

    assert sentence == "192.168.1.5 was told that www.example.org is at 93.184.216.34"


def test_of_many_answers_the_latest_are_told():
    told = [CachedAnswer(START_NS, START_NS, f"{number}.example") for number in range(MOST_DNS_ANSWERS + 2)]

    assert sent(explain_flow(row(), 1, told), "dns")[-1] == "and 2 names earlier"


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"app": "https", "app_source": "port"}, "https: only by the server's port (curated 443/tcp)"),
        ({"app": "tls", "app_source": "protocol"}, "tls: by the protocol"),
        (
            {"app": "spotify", "app_source": "name", "hostname": "audio.scdn.co", "hostname_source": "tls-sni"},
            "spotify: by the name, as scdn.co is in our list of apps",
        ),
        (
            {"app": "example.co.uk", "app_source": "name", "hostname": "a.example.co.uk", "hostname_source": "tls-sni"},
            "example.co.uk: by the name, the domain that somebody registered below the public suffix co.uk",
        ),
        ({"app": "curl", "app_source": "process"}, "curl: by the process"),
        ({"app": None, "unattributed_reason": "no-owner", "owner_quality": "none"}, "none: no owner known"),
        ({"app": None, "unattributed_reason": "no-owner"}, "none: unknown service tcp/443"),
    ],
)
def test_an_app_has_its_reason(columns, words):
    (sentence,) = sent(explain_flow(row(**columns), 1, []), "app")

    assert sentence.startswith(words)


def test_the_app_of_several_names_rests_on_one_of_them():
    told = [CachedAnswer(START_NS, START_NS, "audio.scdn.co"), CachedAnswer(START_NS, START_NS, "www.spotify.com")]
    flow_row = row(app="spotify", app_source="name", hostname_source="ambiguous")

    assert explain_flow(flow_row, 1, told).evidence.app_evidence == "curated scdn.co"


def test_a_protocol_without_ports_is_told_without_them():
    story = explain_flow(row("192.168.1.5", "93.184.216.34", ICMP), 1, [])

    assert sent(story, "server") == ["93.184.216.34; icmp knows no ports"]
    assert sent(story, "service") == sent(story, "name") == []


def test_frames_on_no_conversation_have_a_reason_only():
    on_no_flow = dict.fromkeys(column_names("flow")) | flow_row_on_no_flow("not-ip", Tally(1, 60, None, None))

    story = explain_flow(on_no_flow, 1, [])

    assert [section.heading for section in story.sections] == ["why"]
    assert sent(story, "why") == ["these frames are on no conversation: not IP"]


def test_later_fragments_without_their_first_have_a_story():
    unmatched = row_of(flow("192.168.1.5", "93.184.216.34", UDP, kind=FlowKind.UNMATCHED))

    assert sent(explain_flow(unmatched, 1, []), "server") == ["93.184.216.34; the port stands in the first fragment"]
    assert sent(explain_flow(unmatched, 1, []), "app") == ["none: fragments without their first"]
