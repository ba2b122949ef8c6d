"""Whom an end is credited to, asked of the one function that all groupings ask."""

from __future__ import annotations

import pytest

from portcall.attribution.principals import Principal, Rule, principal_of
from portcall.labels.service_keys import WITHOUT_FIRST, found_key, keys_by_port, keys_without_port
from portcall.records.ownership import Match, MatchQuality, Owner, Program

CURL = Match(Owner(41, 1_000, Program("curl")), MatchQuality.EXACT, "sock_diag")
NOBODY = Match(None, MatchQuality.NONE, "sock_diag", "no-owner")
AMBIGUOUS = Match(None, MatchQuality.AMBIGUOUS, "sock_diag", "ambiguous")
KERNEL = Match(Owner(0, None, Program("[kernel]")), MatchQuality.WILDCARD, "sock_diag", "kernel")
ICMP = int(keys_without_port()[1])
FRAGMENTS = int(keys_without_port()[256])
HTTPS = int(keys_by_port()[443])
EXAMPLE = found_key(HTTPS, "tls", "example.com", "name")
OWNER_RULES = [Rule.APP, Rule.PROCESS, Rule.FLOW]


@pytest.mark.parametrize(
    ("key", "told"),
    [
        (EXAMPLE, Principal("example.com", "name", None, None)),
        (ICMP, Principal("icmp", "protocol", None, None)),
        (FRAGMENTS, Principal(None, None, None, WITHOUT_FIRST)),
    ],
)
def test_where_nobody_asks_for_owners_the_traffic_says_what_an_end_is(key, told):
    assert principal_of(None, key, key, Rule.TRAFFIC) == told


@pytest.mark.parametrize("rule", OWNER_RULES)
def test_an_end_belongs_to_its_program_whatever_the_traffic_says(rule):
    assert principal_of(CURL, EXAMPLE, HTTPS, rule) == Principal("curl", "process", "curl", None)


@pytest.mark.parametrize("rule", OWNER_RULES)
@pytest.mark.parametrize(
    ("match", "process", "reason"),
    [
        (None, None, "no-owner"),
        (NOBODY, None, "no-owner"),
        (AMBIGUOUS, None, "ambiguous"),
        (KERNEL, "[kernel]", "kernel"),
    ],
)
def test_a_name_makes_no_app_of_an_end_without_owner(match, process, reason, rule):
    assert principal_of(match, EXAMPLE, HTTPS, rule) == Principal(None, None, process, reason)


@pytest.mark.parametrize("rule", OWNER_RULES)
def test_fragments_without_their_first_are_nobodys_whoever_is_asked(rule):
    assert principal_of(CURL, FRAGMENTS, FRAGMENTS, rule) == Principal(None, None, None, WITHOUT_FIRST)
