"""Sightings and flow ends in a line each, for tests of ownership. Times are seconds after an arbitrary moment."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

import numpy as np

from portcall.records.ownership import Evidence, OwnerEvents, ProcessChange, ProcessEvent, Program
from portcall.records.sightings import FLOW_END, SIGHTING

if TYPE_CHECKING:
    from numpy.typing import NDArray

NOON_NS = 1_800_000_000_000_000_000
TCP, UDP = 6, 17
NUMBERS = {"tcp": TCP, "udp": UDP, "icmp": 1}


def at(seconds: float) -> int:
    return NOON_NS + round(seconds * 1e9)


def sighting(seconds, socket, pid, evidence, local="0.0.0.0:0", remote=None, *, protocol="tcp", namespace=1, user=0):
    row = np.zeros(1, SIGHTING)
    row["time_ns"], row["socket"], row["process"], row["user"] = at(seconds), socket, pid, user
    row["evidence"], row["protocol"], row["namespace"] = Evidence[evidence], NUMBERS[protocol], namespace
    row["ip_version"] = _put(row, "local", local)
    if remote:
        _put(row, "remote", remote)
    return row


def end(local, remote, first=0.0, last=None, *, protocol="tcp", namespace=1):
    row = np.zeros(1, FLOW_END)
    row["protocol"], row["namespace"] = NUMBERS[protocol], namespace
    row["first_ns"], row["last_ns"] = at(first), at(first if last is None else last)
    row["ip_version"] = _put(row, "local", local)
    _put(row, "remote", remote)
    return row


def started(seconds, pid, parent=1, name=None, user=0):
    program = Program(name) if name else None
    return ProcessEvent(ProcessChange.STARTED, at(seconds), pid, parent, user, program)


def executed(seconds, pid, name, **known):
    return ProcessEvent(ProcessChange.EXECUTED, at(seconds), pid, program=Program(name, **known))


def exited(seconds, pid):
    return ProcessEvent(ProcessChange.EXITED, at(seconds), pid)


def told(timeline, *what, until=0.0, tells_closes=True):
    """The timeline, after an update with these sightings and process events."""
    rows: list[NDArray[np.void]] = [row for row in what if isinstance(row, np.ndarray)]
    processes = [event for event in what if isinstance(event, ProcessEvent)]
    sightings = np.concatenate([np.zeros(0, SIGHTING), *rows])
    timeline.update(OwnerEvents(sightings, processes, at(until), tells_closes))
    return timeline


def _put(row, name, text):
    address, _, port = text.rpartition(":")
    parsed = ipaddress.ip_address(address.strip("[]"))
    row[name][0, 16 - len(parsed.packed) :] = list(parsed.packed)
    row[f"{name}_port"] = int(port)
    return parsed.version
