"""What is said of ports, addresses, sockets and conversations; named after the tutorial that taught it."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import asdict
from functools import partial

import pytest

from machine_builder import machine, system_socket
from portcall.explanation.facts import explain
from portcall.explanation.socket_sentences import socket_facts
from portcall.explanation.subject import parse_subject
from portcall.records.report import Origin
from portcall.records.sockets import Holding
from portcall.system.port_ranges import PortSettings
from socket_builder import listing
from socket_builder import system_socket as socket_between

# The tutorial's table "The most important ports you must know", in our words.
TABLE = [
    (20, "tcp", "FTP data", "files themselves", "no"),
    (21, "tcp", "FTP", "the login and the commands", "starttls"),
    (22, "tcp", "SSH", "login to another machine", "yes"),
    (25, "tcp", "SMTP", "servers hand e-mail to each other", "starttls"),
    (53, "udp", "DNS", "turns names into addresses", "no"),
    (53, "tcp", "DNS", "large answers", "no"),
    (67, "udp", "DHCP server", "Gives a computer its address", "no"),
    (68, "udp", "DHCP client", "receives its address", "no"),
    (80, "tcp", "HTTP", "in the clear", "no"),
    (110, "tcp", "POP3", "old way to fetch e-mail", "starttls"),
    (143, "tcp", "IMAP", "stays on the server", "starttls"),
    (443, "tcp", "HTTPS", "Encrypted web", "yes"),
    (443, "udp", "HTTP/3 (QUIC)", "QUIC", "yes"),
    (587, "tcp", "SMTP submission", "Your mail program sends", "starttls"),
    (3306, "tcp", "MySQL, MariaDB", "database", "starttls"),
    (5432, "tcp", "PostgreSQL", "database", "starttls"),
    (6379, "tcp", "Redis, Valkey", "cache and message broker", "no"),
    (8080, "tcp", "Alternative HTTP", "developers", "no"),
    (27017, "tcp", "MongoDB", "database", "no"),
]
AVOIDED = [20, 21, 80, 110, 6379, 27017]


def explained(words, on=None):
    return explain(parse_subject(words), on or machine())


def service(words, transport):
    (facts,) = (one for one in explained(words).ports[0].services if one.transport == transport)
    return facts


@pytest.mark.parametrize(("port", "transport", "title", "words", "encrypted"), TABLE)
def test_the_tutorials_table_of_ports_is_described(port, transport, title, words, encrypted):
    facts = service(str(port), transport)

    assert facts.title == title
    assert words in facts.description
    assert facts.encrypted == encrypted


@pytest.mark.parametrize("port", AVOIDED)
def test_what_should_be_avoided_says_why_and_what_instead(port):
    assert ". " in service(str(port), "tcp").avoid


@pytest.mark.parametrize("port", [22, 443, 587, 3306, 5432])
def test_what_need_not_be_avoided_is_not_warned_of(port):
    assert service(str(port), "tcp").avoid is None


@pytest.mark.parametrize(
    ("port", "name", "first", "last", "meaning"),
    [
        (0, "well-known", 0, 1023, "great services"),
        (1023, "well-known", 0, 1023, "great services"),
        (1024, "registered", 1024, 49151, "IANA lists"),
        (49151, "registered", 1024, 49151, "IANA lists"),
        (49152, "ephemeral", 49152, 65535, "lent to outgoing connections"),
        (65535, "ephemeral", 49152, 65535, "lent to outgoing connections"),
    ],
)
def test_the_tutorials_three_ranges_are_told_with_what_they_mean(port, name, first, last, meaning):
    (facts,) = explained(str(port)).ports

    assert (facts.port_class, facts.class_range) == (name, (first, last))
    assert meaning in facts.class_meaning


@pytest.mark.parametrize("words", ["well-known", "registered", "ephemeral"])
def test_each_of_the_three_ranges_can_be_explained_by_itself(words):
    explanation = explained(words)

    assert explanation.title.lower().startswith(words)
    assert "32768–60999" in " ".join(explanation.lessons)


@pytest.mark.parametrize(
    ("first_unprivileged", "words"),
    [(1024, "below 1024 a program needs root's rights"), (0, "anybody may listen here"), (80, "only those below 80")],
)
def test_who_may_listen_at_a_well_known_port_is_what_this_system_says(first_unprivileged, words):
    settings = PortSettings((32768, 60999), "test", first_unprivileged)

    (facts,) = explained("443", machine(settings=settings)).ports

    assert words in facts.class_meaning


@pytest.mark.parametrize(("port", "words"), [("40000", "is among"), ("60999", "is among"), ("443", "is not among")])
def test_a_port_is_said_to_be_lent_by_this_system_or_not(port, words):
    (facts,) = explained(port).ports

    assert facts.on_this_system.startswith(f"{port} {words} the ports 32768–60999")


def test_tcp_and_udp_of_one_number_are_told_apart():
    explanation = explained("53")

    tcp, udp = explanation.ports[0].services
    assert (tcp.transport, udp.transport) == ("tcp", "udp")
    assert tcp.description != udp.description
    assert "TCP and UDP have ports of their own" in explanation.lessons[0]


@pytest.mark.parametrize(("port", "tcp", "udp"), [("514", "shell", "syslog"), ("853", "dns-over-tls", "dns-over-quic")])
def test_one_number_may_be_two_services(port, tcp, udp):
    assert [one.name for one in explained(port).ports[0].services][:2] == [tcp, udp]


def test_a_transport_that_was_asked_for_is_the_only_one_told():
    assert [one.transport for one in explained("53/udp").ports[0].services] == ["udp"]


@pytest.mark.parametrize(
    ("words", "lesson"), [("tcp", "handshake"), ("udp", "without a handshake"), ("TIME_WAIT", "late packets")]
)
def test_transports_and_states_have_a_lesson(words, lesson):
    assert lesson in " ".join(explained(words).lessons)


def test_a_port_that_only_iana_knows_has_its_name_and_no_more():
    facts = service("4444", "tcp")

    assert facts.name == "krb524"
    assert facts.title is None
    assert "IANA" in facts.description
    assert facts.encrypted is None


def test_a_port_in_a_range_is_told_as_what_takes_its_ports_there():
    facts = service("60005", "udp")

    assert (facts.name, facts.title, facts.encrypted) == ("mosh", "Mosh", "yes")
    assert "60005 lies in its range 60000–61000" in facts.description
    assert facts.source == "curated 60000-61000/udp"


@pytest.mark.parametrize(
    ("port", "name", "hint", "numbers"), [("5905", "vnc", "asmgcs", "5900–5999"), ("6001", "x11", "x11-1", "6000–6063")]
)
def test_a_port_of_a_range_that_iana_lists_for_something_else_has_that_as_a_hint(port, name, hint, numbers):
    facts = service(port, "tcp")

    assert (facts.name, facts.source) == (name, f"curated {numbers.replace('–', '-')}/tcp")
    assert facts.description.endswith(f"{port} lies in its range {numbers}. IANA lists it for {hint}.")


def test_what_only_iana_lists_is_a_hint():
    facts = service("9999", "tcp")

    assert (facts.name, facts.source) == ("distinct", "IANA 9999/tcp")
    assert facts.description == "IANA lists it for distinct; we know no more of it."


def test_a_port_of_our_own_list_is_not_told_by_the_range_around_it():
    assert "range" not in service("5985", "tcp").description


def test_a_service_that_has_a_range_is_named_with_its_first_and_last_port():
    assert explained("mosh").title == "Service mosh: ports 60000–61000"


def test_a_port_of_nobody_says_so():
    assert "no service" in service("65000", "tcp").description


# --- on this machine


NGINX = system_socket("0.0.0.0 443", process="nginx 812")
RESOLVER = system_socket("127.0.0.53 53", process="resolved 5", protocol="udp")
CURL = system_socket("192.168.1.5 54823", "142.250.80.46 443", "curl 4242")
SERVED = system_socket("192.168.1.5 443", "198.51.100.7 40001", "nginx 812")
HERE = machine(NGINX, RESOLVER, CURL, SERVED)


def sentences(words, on=HERE):
    explanation = explained(words, on)
    return [socket.sentence for socket in explanation.here], [socket.sentence for socket in explanation.talking]


def test_who_has_a_port_here_and_who_talks_to_one_elsewhere_are_apart():
    here, talking = sentences("443")

    assert here == [
        "nginx (pid 812) waits at 0.0.0.0:443 (tcp, LISTEN); reach: every interface, IPv4",
        "nginx (pid 812) at 192.168.1.5:443 talks to 198.51.100.7:40001 (tcp, ESTAB)",
    ]
    assert talking == ["curl (pid 4242) at 192.168.1.5:54823 talks to 142.250.80.46:443 (tcp, ESTAB)"]


def test_the_other_transport_has_nothing_to_do_with_it():
    assert sentences("443/udp") == ([], [])


def test_data_for_a_socket_reach_what_is_bound_to_any_address():
    here, _ = sentences("192.168.1.5:443")

    assert here[0].startswith("nginx (pid 812) waits at 0.0.0.0:443 (tcp, LISTEN)")


def test_data_for_another_machine_reach_nobody_here():
    assert sentences("192.168.1.77:443") == ([], [])


def test_a_socket_elsewhere_shows_who_talks_to_it():
    assert sentences("142.250.80.46:443")[1] == [
        "curl (pid 4242) at 192.168.1.5:54823 talks to 142.250.80.46:443 (tcp, ESTAB)"
    ]


def test_a_conversation_of_this_machine_names_its_process():
    here, _ = sentences("192.168.1.5:54823-142.250.80.46:443")

    assert here == ["curl (pid 4242) at 192.168.1.5:54823 talks to 142.250.80.46:443 (tcp, ESTAB)"]


def test_a_conversation_is_the_same_from_its_other_end():
    assert sentences("142.250.80.46:443-192.168.1.5:54823") == sentences("192.168.1.5:54823-142.250.80.46:443")


def test_what_is_at_an_address_is_not_said_twice():
    loop = system_socket("127.0.0.1 5000", "127.0.0.1 5001", "a 1")

    here, talking = sentences("127.0.0.1", machine(loop))

    assert (len(here), talking) == (1, [])


@pytest.mark.parametrize(
    "words", ["fd31:7::1", "fd31:7:0:0:0:0:0:1", "fd31:0007::0001", "fd31:7::1%lo", "[fd31:7:0::1]:80"]
)
def test_an_ipv6_address_is_found_in_every_form(words):
    server, client = (
        system_socket("fd31:7::1 80", process="a 1"),
        system_socket("fd31:7::9 5001", "fd31:7::1 80", "b 2"),
    )

    here, talking = sentences(words, machine(server, client, addresses=["fd31:7::1/64"]))

    assert ([line.split()[0] for line in here], [line.split()[0] for line in talking]) == (["a"], ["b"])


@pytest.mark.parametrize(("zone", "is_found"), [("eth0", True), ("eth1", False)])
def test_a_zone_chooses_the_interface(zone, is_found):
    linked = system_socket("fe80::1 80", process="a 1", interface="eth0")

    here, _ = sentences(f"fe80::1%{zone}", machine(linked))

    assert bool(here) == is_found


def test_the_sockets_of_a_state_are_listed():
    here, _ = sentences("LISTEN")

    assert [sentence.split(";")[0] for sentence in here] == ["nginx (pid 812) waits at 0.0.0.0:443 (tcp, LISTEN)"]


# --- ends and addresses


def test_the_server_of_the_tutorials_conversation_is_the_known_port():
    roles = explained("192.168.1.5:54823-142.250.80.46:443").roles

    assert (str(roles.client), str(roles.server)) == ("192.168.1.5:54823", "142.250.80.46:443")
    assert "443 is well-known" in roles.evidence


def test_addresses_say_whose_they_are():
    near, far = explained("192.168.1.5:54823-142.250.80.46:443").addresses

    assert (near.kind, near.is_own) == ("private", True)
    assert (far.kind, far.is_own) == ("public", False)


def test_place_and_name_of_an_address_are_told_where_they_were_found():
    known = machine(
        origins={"142.250.80.46": Origin("US", 64500, "Example")}, reverse_names={"142.250.80.46": "far.example"}
    )

    (facts,) = explained("142.250.80.46", known).addresses

    assert (facts.country, facts.network, facts.reverse_name) == ("US", "AS64500 Example", "far.example")


@pytest.mark.parametrize(
    "words", ["443", "https", "0.0.0.0:80", "1.2.3.4:5-6.7.8.9:443", "::1", "ephemeral", "TIME_WAIT", "udp"]
)
def test_an_explanation_is_plain_data(words):
    facts = json.loads(json.dumps(asdict(explained(words, HERE))))

    assert facts["question"] == words
    assert facts["next_steps"]


def test_a_service_of_many_ports_is_not_endless():
    explanation = explained("http-alt")

    assert 1 <= len(explanation.ports) <= 4


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ("TIME-WAIT", "the conversation of 127.0.0.1:80 with 127.0.0.1:40000 is over, and no program has it any more"),
        ("ESTAB", "the conversation of 127.0.0.1:40000 with 127.0.0.1:80 waits until a program accepts it"),
    ],
)
def test_what_no_program_has_is_over_or_waits(state, sentence):
    nobodys = socket_between("127.0.0.1:80", "127.0.0.1:40000", state=state, holding=Holding.NOBODY)

    assert socket_facts(nobodys, listing(nobodys)).sentence == f"{sentence} (tcp, {state})"


@pytest.mark.parametrize(
    "words", ["5000", "127.0.0.1", "127.0.0.1:5000", "127.0.0.1:50000-127.0.0.1:5000", "ESTAB", "tcp", "ephemeral"]
)
def test_an_explanation_takes_no_more_steps_for_each_socket_where_there_are_more(words):
    explained(words, crowd_at_one_port(1))  # which loads what is loaded once

    few, many = (steps(partial(explained, words, crowd_at_one_port(clients))) for clients in (100, 400))

    assert few > 100
    assert many < 4.1 * few


def crowd_at_one_port(clients):
    """A machine on which so many programs talk with one, over loopback: both ends of each conversation are here."""
    ends = [(f"127.0.0.1 {port}", "127.0.0.1 5000") for port in range(50_000, 50_000 + clients)]
    calling = [system_socket(near, far, "client 8") for near, far in ends]
    called = [system_socket(far, near, "server 9") for near, far in ends]
    return machine(system_socket("127.0.0.1 5000", process="server 9"), *calling, *called)


def steps(action):
    """How many calls of functions it makes."""
    counted = Counter()
    sys.setprofile(lambda frame, event, argument: counted.update([event]))
    try:
        action()
    finally:
        sys.setprofile(None)
    return counted["call"] + counted["c_call"]
