"""Control groups and network namespaces that come and go for months: what is remembered of them has an end."""

from __future__ import annotations

import os
from contextlib import ExitStack

import numpy as np

from portcall.owners import processes
from portcall.owners.ebpf import EbpfOwners
from portcall.owners.ebpf.programs.events import EVENT
from portcall.owners.processes import ControlGroups

FIRST_INODE = 4026531840


def new_folder(path, stack):
    """One that stays open, so that no other gets its number: control groups never do."""
    path.mkdir()
    stack.callback(os.close, os.open(path, os.O_RDONLY))
    return path


def test_control_groups_that_were_removed_are_remembered_for_one_look_more(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "_SCAN_PAUSE_NS", 0)
    groups = ControlGroups(str(tmp_path))
    groups._is_only = True
    with ExitStack() as stack:
        before = new_folder(tmp_path / "job.service", stack)
        assert groups.place(before.stat().st_ino, 0) == (None, "job.service")
        for number in range(200):
            folder = new_folder(tmp_path / f"job{number}.service", stack)
            inode = before.stat().st_ino
            before.rmdir()
            assert groups.place(folder.stat().st_ino, 0) == (None, folder.name)
            assert groups.place(inode, 0) == (None, before.name)
            before = folder

    assert len(groups._places) + len(groups._places_before) < 10


def met(cookie):
    """Reports of one socket of a namespace: by its cookie, and by its inode."""
    rows = np.zeros(2, EVENT)
    rows["socket"] = cookie
    rows["namespace_cookie"][0], rows["namespace"][1] = cookie, FIRST_INODE + cookie
    return rows


def test_of_network_namespaces_those_are_known_that_sockets_were_met_in_last():
    owners = EbpfOwners.__new__(EbpfOwners)
    owners._namespaces = {}
    for cookie in range(1, 10_000):
        owners._learn_namespaces(met(cookie))
        assert owners._namespace(1) == FIRST_INODE + 1

    assert owners._namespace(9_999) == FIRST_INODE + 9_999
    assert len(owners._namespaces) <= 4096
    assert owners._namespace(2) < FIRST_INODE  # no inode: two are told apart nevertheless
