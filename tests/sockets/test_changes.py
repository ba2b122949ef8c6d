"""What appears and what goes among listening sockets."""

from __future__ import annotations

import pytest

from portcall.sockets.changes import PortWatch
from portcall.sockets.rows import port_rows
from socket_builder import listing, owner, system_socket


def rows(*ports, pid=100):
    return port_rows(listing(*(system_socket(f"0.0.0.0:{port}", owners=[owner(pid=pid)]) for port in ports)))


@pytest.fixture
def watch():
    return PortWatch(rows(22), marked_s=10)


def marks(marked):
    return [(mark, row["port"]) for mark, row in marked]


def test_nothing_new_is_no_change(watch):
    assert watch.update(rows(22), 1) == []


def test_what_appears_and_what_goes_is_told_once(watch):
    assert marks(watch.update(rows(9999), 1)) == [("-", 22), ("+", 9999)]
    assert watch.update(rows(9999), 2) == []


def test_another_process_on_the_port_is_a_change(watch):
    assert marks(watch.update(rows(22, pid=200), 1)) == [("-", 22), ("+", 22)]


def test_marks_stay_for_a_while_and_then_fade(watch):
    watch.update(rows(9999), 1)

    assert marks(watch.marked(2)) == [("+", 9999), ("-", 22)]
    assert marks(watch.marked(12)) == [("", 9999)]


def test_what_comes_back_is_not_marked_as_gone(watch):
    watch.update([], 1)
    watch.update(rows(22), 2)

    assert marks(watch.marked(3)) == [("+", 22)]
