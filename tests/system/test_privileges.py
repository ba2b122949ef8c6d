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


GIVE_UP = """
import json, os, sys
from portcall.system.confinement import Scope
from portcall.system.privileges import file_user, give_up_rights, may_write
reads, writes = sys.argv[1].split(), sys.argv[2].split()
said = [one.reason for one in give_up_rights(os.environ, Scope(reads=reads, writes=writes))]
fields = dict(line.split(":", 1) for line in open("/proc/thread-self/status"))
told = {name: fields[name].split() for name in ("Uid", "Gid", "Groups", "CapPrm", "CapEff", "CapBnd")}
made = None
for folder in writes:
    if os.path.isdir(folder) and may_write(folder):
        with open(folder + "/made", "w"):
            made = os.stat(folder + "/made").st_uid
print(json.dumps([said, told, made, file_user(), [len(open(path).read()) for path in reads]]))
"""
BY_SUDO = {"SUDO_UID": "1234", "SUDO_GID": "1235", "SUDO_USER": "nobody"}
READ_ANY = 1 << 2  # CAP_DAC_READ_SEARCH


def give_up(reads="", writes="", prefix=(), **environment):
    ran = subprocess.run(
        [*prefix, sys.executable, "-c", GIVE_UP, str(reads), str(writes)],
        env={"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@root
def test_plain_root_becomes_nobody_without_a_capability():
    said, told, *_ = give_up()

    assert (said, told["Uid"], told["Gid"], told["Groups"]) == ([], ["65534"] * 4, ["65534"] * 4, [])
    assert {int(told[name][0], 16) for name in ("CapPrm", "CapEff", "CapBnd")} == {0}


def open_for_everybody(folder):
    for one in (folder, *folder.parents[:3]):
        one.chmod(0o755)


@root
@pytest.mark.parametrize("owner", [0, 4321])
def test_towards_files_plain_root_becomes_who_owns_the_folder(tmp_path, owner):
    open_for_everybody(tmp_path)
    os.chown(tmp_path, owner, owner)

    said, told, made, user, _ = give_up(writes=tmp_path)

    assert (said, told["Uid"], made, user) == ([], [*["65534"] * 3, str(owner)], owner, owner)
    assert int(told["CapPrm"][0], 16) == 0


@root
def test_a_device_says_nothing_of_who_plain_root_becomes_towards_files(tmp_path):
    open_for_everybody(tmp_path)
    os.chown(tmp_path, 4321, 4321)

    *_, user, _ = give_up(
        writes=f"{tmp_path}/pipe {tmp_path}", prefix=("sh", "-c", f'mkfifo {tmp_path}/pipe; exec "$@"', "-")
    )

    assert user == 4321


@root
def test_what_is_made_under_sudo_belongs_to_the_caller(tmp_path):
    open_for_everybody(tmp_path)
    tmp_path.chmod(0o777)

    said, told, made, user, _ = give_up(writes=tmp_path, **BY_SUDO)

    assert (said, told["Uid"], told["Gid"], made, user) == ([], ["1234"] * 4, ["1235"] * 4, 1234, 1234)


@root
@pytest.mark.parametrize("caller", [{}, BY_SUDO], ids=["root", "sudo"])
def test_a_file_for_root_alone_is_read_by_the_one_capability_for_that(tmp_path, caller):
    secret = tmp_path / "secret"
    secret.write_text("four")
    secret.chmod(0o600)

    said, told, _, _, lengths = give_up(reads=secret, **caller)

    assert (said, lengths) == ([], [4])
    assert {int(told[name][0], 16) for name in ("CapPrm", "CapEff")} == {READ_ANY}
    assert int(told["CapBnd"][0], 16) == 0


@root
def test_a_file_for_everybody_takes_no_capability(tmp_path):
    open_for_everybody(tmp_path)
    (tmp_path / "open").write_text("four")

    _, told, _, _, lengths = give_up(reads=tmp_path / "open")

    assert (lengths, int(told["CapPrm"][0], 16)) == ([4], 0)


@root
def test_root_who_may_become_nobody_is_confined_and_says_so():
    said, told, *_ = give_up(prefix=("setpriv", "--bounding-set=-setuid"))

    assert told["Uid"] == ["0"] * 4
    assert "stays root" in said[0]
    assert {int(told[name][0], 16) for name in ("CapPrm", "CapEff")} == {0}
