"""Rights are given up for good, in a child process of which nothing else depends."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from portcall.system.privileges import become_invoking_user

needs_root = [
    pytest.mark.root,
    pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root has rights to give up"),
]
NOBODY = 65534
BECOME = """
import json, os
from portcall.system.privileges import become_invoking_user
said = become_invoking_user(os.environ)
try:
    os.setuid(0)
    came_back = True
except PermissionError:
    came_back = False
print(json.dumps([said, os.getresuid(), os.getresgid(), os.getgroups(), came_back]))
"""
RAISE = """
import os
from portcall.system.privileges import raise_priority
if os.geteuid() == 0:
    os.setuid(65534)
raise_priority()
print(os.getpriority(os.PRIO_PROCESS, 0))
"""


def root(test):
    for mark in needs_root:
        test = mark(test)
    return test


def become(**environment):
    script = subprocess.run(
        [sys.executable, "-c", BECOME],
        env={"PYTHONPATH": os.pathsep.join(sys.path), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(script.stdout)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"SUDO_UID": "0", "SUDO_GID": "0"},
        {"SUDO_UID": "1000"},
        {"SUDO_GID": "1000"},
        {"SUDO_UID": "-1", "SUDO_GID": "1000"},
        {"SUDO_UID": "anna", "SUDO_GID": "1000"},
    ],
    ids=["nobody called sudo", "root called sudo", "no group", "no user", "no number", "a name"],
)
def test_without_another_user_who_called_sudo_nothing_changes(environment):
    before = os.getresuid(), os.getresgid()

    assert become_invoking_user(environment) is None
    assert (os.getresuid(), os.getresgid()) == before


@root
def test_the_user_who_called_sudo_is_all_that_is_left():
    sent, users, groups, others, came_back = become(SUDO_UID=str(NOBODY), SUDO_GID=str(NOBODY), SUDO_USER="nobody")

    assert sent == str(NOBODY)
    assert (users, groups, others) == ([NOBODY] * 3, [NOBODY] * 3, [NOBODY])
    assert not came_back


@root
def test_a_user_without_a_name_keeps_no_group_of_roots():
    _, users, groups, others, _ = become(SUDO_UID="54321", SUDO_GID="54321")

    assert (users, groups) == ([54321] * 3, [54321] * 3)
    assert 0 not in others


def test_a_user_who_may_not_be_served_first_is_served_as_before():
    script = subprocess.run(
        [sys.executable, "-c", RAISE],
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert int(script.stdout) == os.getpriority(os.PRIO_PROCESS, 0)
