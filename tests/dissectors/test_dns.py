from __future__ import annotations

import socket
from itertools import permutations

import pytest
from scapy.layers.dns import DNS, DNSQR, DNSRR, DNSRRMX, DNSRRSRV

from payload_builder import (
    ANSWER,
    DNS_OF_ODD_KINDS,
    NETBIOS_QUESTION,
    QUESTION,
    ZONE,
    details,
    dns_message,
    from_server,
    inspect,
    to_server,
)
from portcall.dissectors import dns
from portcall.records.detections import TCP, UDP, WAIT, Detection, DnsAnswer, Ends, Role

SERVER = socket.inet_aton("192.0.2.1")
TO_53, FROM_53 = to_server(53, UDP), from_server(53, UDP)


def _framed(*messages: bytes) -> bytes:
    return b"".join(len(message).to_bytes(2, "big") + message for message in messages)


def test_a_question_says_which_name_is_asked_for():
    found = inspect(dns, QUESTION, TO_53)

    assert (found.protocol, found.role, details(found)) == ("dns", Role.CLIENT, {"query": "www.example.com."[:-1]})


def test_addresses_are_answers_for_the_first_name_with_the_least_time_to_live():
    found = inspect(dns, ANSWER, FROM_53)

    assert found.role is Role.SERVER
    assert found.answers == (
        DnsAnswer("www.example.com", socket.inet_pton(socket.AF_INET, "192.0.2.1"), 30),
        DnsAnswer("www.example.com", socket.inet_pton(socket.AF_INET6, "2001:db8::1"), 20),
    )


def test_compressed_names_and_glue_are_told_apart_from_answers():
    message = bytes.fromhex("0001 8180 0001 0001 0000 0001") + b"\1a\4test\0\0\1\0\1"
    message += b"\xc0\x0c\0\1\0\1\0\0\0\x09\0\4\1\2\3\4" + b"\2ns\xc0\x0e\0\1\0\1\0\0\0\x09\0\4\5\6\7\x08"

    assert inspect(dns, message, FROM_53).answers == (DnsAnswer("a.test", b"\1\2\3\4", 9),)


BINDING = bytes.fromhex("0001") + b"\4edge\3cdn\4test\0"
LED_TO = [
    (DNSRRSRV(rrname="_ldap._tcp.corp.test", target="dc1.corp.test", port=389), "dc1.corp.test", "dc1.corp.test"),
    (DNSRRMX(rrname="corp.test", exchange="MX1.corp.test"), "mx1.corp.test", "mx1.corp.test"),
    (DNSRR(rrname=".", type="NS", rdata="a.root.test"), "a.root.test", "a.root.test"),
    (DNSRR(rrname="www.shop.test", type=65, rdata=BINDING), "edge.cdn.test", "www.shop.test"),
    (DNSRR(rrname="www.shop.test", type=65, rdata=bytes.fromhex("000100")), "www.shop.test", "www.shop.test"),
]


@pytest.mark.parametrize("framed", [False, True])
@pytest.mark.parametrize(("answer", "owner", "called"), LED_TO)
def test_addresses_behind_an_answer_that_leads_to_them_count(answer, owner, called, framed):
    behind = [_address(owner, 70, "192.0.2.7"), DNSRR(rrname=owner, type="AAAA", ttl=80, rdata="2001:db8::7")]
    glue = _address("elsewhere.test", 90, "192.0.2.9")
    question = DNSQR(qname=answer.rrname, qtype=answer.type)
    message = bytes(DNS(id=7, qr=1, qd=question, an=[answer], ar=[glue, *behind]))

    found = inspect(dns, _framed(message), from_server(53, TCP)) if framed else inspect(dns, message, FROM_53)

    assert [(each.name, each.time_to_live_s) for each in found.answers] == [(called, 70), (called, 80)]


def test_glue_of_a_referral_was_not_asked_for():
    referral = DNSRR(rrname="corp.test", type="NS", rdata="ns1.corp.test")
    message = bytes(DNS(id=7, qr=1, qd=DNSQR(qname="www.corp.test"), ns=[referral], ar=[_address("ns1.corp.test")]))

    assert inspect(dns, message, FROM_53).answers == ()


@pytest.mark.parametrize("name", [b"\xc0\x0c", b"\1a\xc0\x0c", b"\xc0\x0e\xc0\x0c", b"\xff\xff", b"\x3f" + b"a" * 20])
def test_pointers_in_circles_and_names_beyond_the_end_are_no_message(name: bytes):
    assert inspect(dns, bytes.fromhex("0001 0100 0001 0000 0000 0000") + name + b"\0\1\0\1", TO_53) is None


def test_aliases_in_a_circle_end():
    records = [DNSRR(rrname=a, type="CNAME", rdata=b) for a, b in (("a.test", "b.test"), ("b.test", "a.test"))]
    records.append(DNSRR(rrname="a.test", type="A", rdata="192.0.2.9", ttl=5))

    found = inspect(dns, bytes(DNS(qr=1, qd=DNSQR(qname="a.test"), an=records)), FROM_53)

    assert [answer.name for answer in found.answers] == ["a.test"]


def test_all_whole_messages_of_a_stream_are_heard():
    other = bytes(DNS(id=8, qd=DNSQR(qname="other.example")))

    found = inspect(dns, _framed(QUESTION, other) + b"\0", to_server(53))

    assert found.details == (("query", "www.example.com"), ("query", "other.example"))
    assert not found.is_final


def test_a_stream_that_may_become_dns_is_waited_on():
    stream = _framed(QUESTION)

    assert all(inspect(dns, stream[:end], to_server(9999, TCP)) is WAIT for end in range(len(stream)))


def test_on_a_foreign_port_a_message_must_be_whole():
    ends = to_server(9999, UDP)

    assert inspect(dns, QUESTION, ends).protocol == "dns"
    assert all(inspect(dns, QUESTION[:end], ends) is None for end in range(len(QUESTION)))
    assert inspect(dns, QUESTION + b"\0", ends) is None


def test_a_question_that_the_capture_has_cut_is_dns_on_its_own_port():
    assert inspect(dns, QUESTION[:20], TO_53, is_ended=True) == Detection("dns")


@pytest.mark.parametrize(("port", "protocol"), [(5353, "mdns"), (5355, "llmnr")])
def test_its_kin_are_told_by_their_ports(port: int, protocol: str):
    assert inspect(dns, QUESTION, Ends(UDP, port, port)).protocol == protocol


def test_mdns_answers_without_repeating_the_question_and_its_additions_count():
    pointer = DNSRR(rrname="_ipp._tcp.local", type="PTR", rdata="x.local")
    record = DNSRR(rrname="kettle.local", type="A", rdata="192.0.2.7", ttl=120, cacheflush=1)
    message = bytes(DNS(qr=1, aa=1, qd=[], an=[pointer], ar=[record]))

    found = inspect(dns, message, Ends(UDP, 5353, 5353))

    assert found.answers == (DnsAnswer("kettle.local", bytes([192, 0, 2, 7]), 120),)


def test_a_netbios_name_is_readable():
    found = inspect(dns, NETBIOS_QUESTION, Ends(UDP, 137, 137))

    assert (found.protocol, details(found)["query"]) == ("netbios-ns", "FILESERVER<00>")


def test_dots_inside_a_label_and_odd_bytes_are_escaped():
    message = bytes.fromhex("0001 0100 0001 0000 0000 0000") + b"\x05a.\x1b\xffb\4test\0\0\1\0\1"

    assert details(inspect(dns, message, TO_53)) == {"query": "a\\.\x1b\\xffb.test"}


def _alias(name, target, ttl=60, kind="CNAME"):
    return DNSRR(rrname=name, type=kind, rdata=target, ttl=ttl)


def _address(name, ttl=60, address="192.0.2.1"):
    return DNSRR(rrname=name, type="A", rdata=address, ttl=ttl)


CHAIN = [_alias("www.shop.example", "cdn.example.net", 30), _alias("cdn.example.net", "e7.example.net", 900)]


@pytest.mark.parametrize("records", list(permutations([*CHAIN, _address("e7.example.net")])))
def test_the_name_that_was_asked_for_wins_whatever_the_order(records):
    message = bytes(DNS(qr=1, qd=DNSQR(qname="WWW.shop.example"), an=list(records)))

    assert inspect(dns, message, from_server(53, UDP)).answers == (DnsAnswer("www.shop.example", SERVER, 30),)


@pytest.mark.parametrize(
    ("question", "records", "asked"),
    [
        (
            "a.example",
            [_alias("b.example", "x.example"), _alias("a.example", "x.example"), _address("x.example")],
            "a.example",
        ),
        ("q.example", [_address("x.example"), _alias("b.example", "x.example")], "b.example"),
        (
            "www.old.example",
            [_alias("old.example", "new.example", kind="DNAME"), _address("www.new.example")],
            "www.old.example",
        ),
        (
            "a.old.example",
            [
                _alias("a.old.example", "a.new.example"),
                _alias("old.example", "new.example", kind="DNAME"),
                _address("a.new.example"),
            ],
            "a.old.example",
        ),
        (
            "a.example",
            [_alias("a.example", "b.example"), _alias("b.example", "a.example"), _address("b.example")],
            "a.example",
        ),
        (
            "q.example",
            [_alias("a.example", "b.example"), _alias("b.example", "a.example"), _address("b.example")],
            "b.example",
        ),
        ("a.example", [_alias("a.example", "a.example"), _address("a.example")], "a.example"),
        ("x.a.example", [_alias("a.example", "b.a.example", kind="DNAME"), _address("y.example")], "y.example"),
    ],
)
def test_chains_may_be_several_or_loop_or_rename_a_subtree(question, records, asked):
    message = bytes(DNS(qr=1, qd=DNSQR(qname=question), an=records))

    assert inspect(dns, message, from_server(53, UDP)).answers == (DnsAnswer(asked, SERVER, 60),)


@pytest.mark.parametrize("transport", [TCP, UDP])
@pytest.mark.parametrize("kind", DNS_OF_ODD_KINDS)
def test_every_opcode_is_dns_on_its_own_port(kind: str, transport: int):
    sent = _framed(DNS_OF_ODD_KINDS[kind]) if transport == TCP else DNS_OF_ODD_KINDS[kind]

    for ends, role in ((to_server(53, transport), Role.CLIENT), (from_server(53, transport), Role.SERVER)):
        flag = 0x80 if role is Role.SERVER else 0
        at = 4 if transport == TCP else 2
        found = inspect(dns, sent[:at] + bytes([sent[at] | flag]) + sent[at + 1 :], ends)
        assert (found.protocol, found.role, details(found)["opcode"]) == ("dns", role, kind.partition(" ")[0])
        assert found.answers == ()


@pytest.mark.parametrize("kind", ["update", "update with prerequisites", "notify"])
def test_changes_of_a_zone_are_beyond_doubt_on_any_port(kind: str):
    assert inspect(dns, DNS_OF_ODD_KINDS[kind], to_server(9999, UDP)).role is Role.CLIENT


@pytest.mark.parametrize("kind", ["iquery", "status", "dso", "3", "9"])
def test_other_opcodes_count_on_the_own_port_only(kind: str):
    assert inspect(dns, DNS_OF_ODD_KINDS[kind], to_server(9999, UDP)) is None


@pytest.mark.parametrize(
    "sent",
    [
        DNS_OF_ODD_KINDS["iquery"][:-1],
        DNS_OF_ODD_KINDS["status"] + b"\0",
        DNS_OF_ODD_KINDS["dso"][:-1],
        DNS_OF_ODD_KINDS["dso"] + b"\0",
        dns_message(0, (0, 0, 0, 0), b""),
        dns_message(3, (0, 0, 0, 0), b""),
        dns_message(9, (1, 1, 0, 0), ZONE),
    ],
)
def test_what_an_opcode_says_nothing_of_is_no_message(sent: bytes):
    assert inspect(dns, sent, TO_53) is None
