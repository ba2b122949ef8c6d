"""What a run's registry numbers, and that two runs know nothing of each other."""

from __future__ import annotations

import numpy as np
import pytest

from portcall.labels.registry import Registry
from portcall.labels.service_keys import identity_by_port, keys_by_port

HTTPS = int(keys_by_port()[443])


def test_an_app_behind_a_service_has_one_number_that_says_both():
    registry = Registry()

    key = registry.found_key(HTTPS, None, "example.com", "name")

    assert key == registry.found_key(HTTPS, None, "example.com", "name") != HTTPS
    assert registry.identity(key)[:3] == ("https", "example.com", "name")
    assert registry.label_keys(np.array([key])) == HTTPS


def test_equal_apps_behind_different_services_have_one_app_key():
    registry = Registry()
    keys = [registry.found_key(HTTPS, protocol, "example.com", "name") for protocol in (None, "ssh")]

    assert len(set(keys)) == 2
    assert len(set(registry.app_keys(np.array(keys)).tolist())) == 1


def test_names_of_hosts_are_numbered_from_one_on():
    registry = Registry()

    assert [registry.host_number(name) for name in ("a.example", "b.example", "a.example")] == [1, 2, 1]
    assert registry.host_name(2) == "b.example"


def test_two_runs_number_what_they_find_by_themselves():
    one, other = Registry(), Registry()
    one.found_key(HTTPS, None, "first.example", "name")

    keys = [registry.found_key(HTTPS, None, "example.com", "name") for registry in (one, other)]

    assert keys[0] != keys[1]
    assert [other.host_number("a.example"), one.host_number("b.example")] == [1, 1]


def test_a_number_that_only_a_registry_knows_is_no_service_by_port():
    key = Registry().found_key(HTTPS, None, "example.com", "name")

    with pytest.raises(ValueError, match="only its registry knows"):
        identity_by_port(key)
