"""Whom an end is credited to, asked of the functions that all groupings ask."""

from __future__ import annotations

import pytest

from portcall.attribution.principals import Principal, principal_of, told_principal
from portcall.labels.registry import Registry
from portcall.labels.service_keys import WITHOUT_FIRST, keys_by_port, keys_without_port
from portcall.records.ownership import Match, MatchQuality, Owner, Program

CURL = Match(Owner(41, 1_000, Program("curl")), MatchQuality.EXACT, "sock_diag")
NOBODY = Match(None, MatchQuality.NONE, "sock_diag", "no-owner")
AMBIGUOUS = Match(None, MatchQuality.AMBIGUOUS, "sock_diag", "ambiguous")
KERNEL = Match(Owner(0, None, Program("[kernel]")), MatchQuality.WILDCARD, "sock_diag", "kernel")
ICMP = int(keys_without_port()[1])
FRAGMENTS = int(keys_without_port()[256])
HTTPS = int(keys_by_port()[443])
REGISTRY = Registry()
EXAMPLE = REGISTRY.found_key(HTTPS, "tls", "example.com", "name")


@pytest.mark.parametrize(
    ("key", "told"),
    [
        (EXAMPLE, Principal("example.com", "name", None, None)),
        (ICMP, Principal("icmp", "protocol", None, None)),
        (FRAGMENTS, Principal(None, None, None, WITHOUT_FIRST)),
    ],
)
def test_where_nobody_asks_for_owners_the_traffic_says_what_an_end_is(key, told):
    assert told_principal(REGISTRY.identity(key)) == told


def test_an_end_belongs_to_its_program():
    assert principal_of(CURL, HTTPS) == Principal("curl", "process", "curl", None)


@pytest.mark.parametrize(
    ("match", "process", "reason"),
    [
        (None, None, "no-owner"),
        (NOBODY, None, "no-owner"),
        (AMBIGUOUS, None, "ambiguous"),
        (KERNEL, "[kernel]", "kernel"),
    ],
)
def test_a_known_service_makes_no_app_of_an_end_without_owner(match, process, reason):
    assert principal_of(match, HTTPS) == Principal(None, None, process, reason)


@pytest.mark.parametrize("match", [None, NOBODY])
def test_what_has_no_sockets_is_its_protocol_where_nobody_owns_it(match):
    assert principal_of(match, ICMP) == Principal("icmp", "protocol", "[icmp]", None)


def test_a_protocol_without_ports_may_have_owners_who_may_be_several():
    assert principal_of(CURL, ICMP) == Principal("curl", "process", "curl", None)
    assert principal_of(AMBIGUOUS, ICMP) == Principal(None, None, None, "ambiguous")


def test_fragments_without_their_first_are_nobodys():
    assert principal_of(CURL, FRAGMENTS) == Principal(None, None, None, WITHOUT_FIRST)
