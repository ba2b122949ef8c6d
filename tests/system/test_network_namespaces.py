"""What is done inside network namespaces, one or many, and what stays outside."""

from __future__ import annotations

import socket
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from namespaces import namespace
from portcall.errors import PortcallError
from portcall.system.network_namespaces import (
    Namespace,
    every_namespace,
    find_namespace,
    inside_each,
    own_namespace,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")
root = pytest.mark.root
OWN = Path("/proc/self/ns/net")
HERE = Path("/proc/thread-self/ns/net")


def where_it_runs(_):
    return HERE.stat().st_ino, threading.get_ident()


@pytest.fixture
def three():
    with ExitStack() as stack:
        yield [find_namespace(stack.enter_context(namespace(name))) for name in ("one", "two", "three")]


@root
def test_what_is_done_in_many_namespaces_is_done_in_each_by_one_thread(three):
    acted = inside_each([*three, own_namespace()], where_it_runs)

    numbers, threads = zip(*(each.result() for _, each in acted), strict=True)
    assert [place.number for place, _ in acted] == list(numbers)
    assert set(numbers) == {OWN.stat().st_ino, *(place.number for place in three)}
    assert len(set(threads)) == 1
    assert threads[0] != threading.get_ident()


@root
def test_a_namespace_that_is_gone_fails_alone(three):
    gone = Namespace(1, "gone", "/run/netns/portcall-never-there")

    acted = dict(inside_each([three[0], gone, three[1]], where_it_runs))

    assert isinstance(acted[gone].error, FileNotFoundError)
    assert acted[three[1]].result()[0] == three[1].number


@root
def test_what_fails_in_a_namespace_fails_there_alone(three):
    def raise_in_the_second(place):
        if place == three[1]:
            raise OSError("only here")
        return place.number

    acted = dict(inside_each(three, raise_in_the_second))

    assert str(acted[three[1]].error) == "only here"
    assert [acted[place].result() for place in (three[0], three[2])] == [three[0].number, three[2].number]


@root
def test_this_process_stays_where_it_is(three):
    inside_each(three, lambda _: socket.socket().close())

    assert HERE.stat().st_ino == OWN.stat().st_ino


def test_ones_own_namespace_takes_no_rights_though_others_may_not_be_entered():
    other = Namespace(1, "no namespace", "/proc/self/ns/uts")

    acted = dict(inside_each([other, own_namespace()], where_it_runs))

    assert isinstance(acted[other].error, PortcallError)
    assert acted[own_namespace()].result()[0] == OWN.stat().st_ino


@root
def test_every_namespace_has_its_name_and_ones_own_has_none(three):
    found = {place.number: place for place in every_namespace()}

    assert [found[place.number].name for place in three] == [place.name for place in three]
    assert found[OWN.stat().st_ino].name == ""
