"""Processes by pid and time: fork clones, exec replaces, exit closes."""

from __future__ import annotations

import pytest

from portcall.ownership.process_table import ProcessTable
from portcall.records.ownership import ProcessChange, ProcessEvent, Program
from sightings import at, executed, exited, started


@pytest.fixture
def table():
    return ProcessTable()


def told(table, *events):
    for event in events:
        table.update(event)
    return table


def name(table, pid, seconds):
    return table.owner(pid, at(seconds)).program.name


def test_a_forked_child_is_what_its_parent_is(table):
    told(table, started(0, 100, name="server"), started(1, 101, parent=100))

    assert name(table, 101, 2) == "server"


def test_a_forked_child_is_what_its_parent_was_then(table):
    told(table, started(0, 100, name="sh"), started(1, 101, parent=100), executed(2, 100, "curl"))

    assert name(table, 101, 3) == "sh"


def test_exec_replaces_the_program_from_then_on(table):
    told(table, started(0, 100, name="sh"), executed(2, 100, "curl"))

    assert [name(table, 100, seconds) for seconds in (1, 3)] == ["sh", "curl"]


def test_exec_makes_no_other_process(table):
    told(table, started(0, 100, name="sh"), executed(2, 100, "curl"))

    assert {table.owner(100, at(seconds)).start_ns for seconds in (1, 3)} == {at(0)}


def test_a_pid_used_again_is_another_process(table):
    told(table, started(0, 100, name="old"), exited(1, 100), started(2, 100, name="new"))

    assert [(name(table, 100, s), table.owner(100, at(s)).start_ns) for s in (0.5, 3)] == [
        ("old", at(0)),
        ("new", at(2)),
    ]


def test_a_pid_used_again_ends_the_process_whose_exit_was_lost(table):
    told(table, started(0, 100, name="old"), started(2, 100, name="new"))
    table.forget(at(3), needed=())

    assert len(table) == 1


def test_a_process_stays_in_its_container_through_exec(table):
    told(table, ProcessEvent(ProcessChange.FOUND, at(0), 100, program=Program("sh", container="4f5e")))
    told(table, executed(1, 100, "curl"))

    assert table.owner(100, at(2)).program.container == "4f5e"


def test_parents_are_told_nearest_first(table):
    told(table, started(0, 10, parent=0, name="sshd"), started(1, 20, parent=10, name="bash"))
    told(table, started(2, 30, parent=20, name="curl"))

    assert table.owner(30, at(3)).parents == ((20, "bash"), (10, "sshd"))


def test_a_process_that_nobody_told_of_has_a_pid_only(table):
    unknown = table.owner(100, at(0))

    assert (unknown.pid, unknown.start_ns, unknown.program.name) == (100, None, "unknown")


@pytest.mark.parametrize("seconds", [0, 1.01])  # its start, as /proc tells it of a zombie, or when it closed a socket
def test_a_process_found_while_it_ends_is_still_what_it_was(table, seconds):
    told(table, started(0, 100, name="server"), exited(1, 100))
    told(table, ProcessEvent(ProcessChange.FOUND, at(seconds), 100, program=Program("worker")))

    assert [name(table, 100, s) for s in (0.5, 1.02)] == ["server", "server"]


def test_a_process_found_after_another_with_its_pid_ended_is_another(table):
    told(table, started(0, 100, name="server"), exited(1, 100))
    told(table, ProcessEvent(ProcessChange.FOUND, at(3), 100, program=Program("worker")))

    assert [name(table, 100, s) for s in (0.5, 3.5)] == ["server", "worker"]


def test_a_process_found_twice_is_one(table):
    found = ProcessEvent(ProcessChange.FOUND, at(0), 100, program=Program("sh"))
    told(table, found, found)

    assert len(table) == 1


def test_a_process_that_turns_up_by_exec_is_that_program_from_the_start(table):
    told(table, executed(5, 100, "curl"))

    assert name(table, 100, 1) == "curl"


def test_an_owner_is_the_same_object_while_nothing_changes(table):
    told(table, started(0, 100, name="sh"))

    assert table.owner(100, at(1)) is table.owner(100, at(2))
