"""Reverse DNS: bounded in time and in questions, and silent about what has no name."""

from __future__ import annotations

import threading
import time

import pytest

from portcall.enrichment.reverse_dns import MOST_ADDRESSES, reverse_names, system_name


def test_the_systems_own_resolver_names_this_machine():
    name = system_name("127.0.0.1")

    assert name is not None
    assert reverse_names(["127.0.0.1"]) == {"127.0.0.1": name}


@pytest.mark.parametrize("words", ["not an address", "", "300.1.1.1"])
def test_what_is_no_address_has_no_name(words):
    assert system_name(words) is None


def test_an_address_is_asked_for_once():
    asked = []

    reverse_names(["192.0.2.1", "192.0.2.1", "192.0.2.2"], ask=asked.append)

    assert sorted(asked) == ["192.0.2.1", "192.0.2.2"]


def test_what_does_not_answer_in_time_has_no_name_and_holds_nobody_up():
    never = threading.Event()

    began_s = time.monotonic()
    names = reverse_names(
        ["192.0.2.1", "192.0.2.2"],
        timeout_s=0.2,
        ask=lambda address: "quick.example" if address == "192.0.2.2" else str(never.wait(30)),
    )
    took_s = time.monotonic() - began_s
    never.set()

    assert names == {"192.0.2.2": "quick.example"}
    assert took_s < 5


def test_only_so_many_addresses_are_asked_for():
    asked = []

    reverse_names((f"10.0.{number >> 8}.{number & 255}" for number in range(MOST_ADDRESSES + 500)), ask=asked.append)

    assert len(asked) == MOST_ADDRESSES


def test_a_host_that_is_known_by_its_name_is_not_asked_for():
    assert reverse_names(["www.example.com", "300.1.1.1"], ask=pytest.fail) == {}


def test_nobody_is_asked_about_nothing():
    assert reverse_names([], ask=pytest.fail) == {}
