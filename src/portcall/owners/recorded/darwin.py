"""Processes as Apple's libpcap writes them: blocks of its own, to which packets point by number.

    0 80000001:32  4 length:32  8 pid:32  12 options (2 name, 4 UUID)  … length:32
    packet's options: 8001 number of the block in its section:32, 8003 the same, of the process on whose behalf it acts,
    8002 class of service, 8004 flags

Source: apple-oss-distributions/libpcap, pcap/pcap-ng.h; Wireshark, wiretap/pcapng-darwin.c.
"""

from __future__ import annotations

import struct

from portcall.owners.recorded.words import options_of
from portcall.records.ownership import Owner, Program
from portcall.records.recorded.claims import UNKNOWN_PROGRAM, RecordedOwner, clean_name
from portcall.records.recorded.process_blocks import PIB_NAME

SOURCE = "darwin"
PROCESS, EFFECTIVE_PROCESS = 0x8001, 0x8003
_KERNEL = "kernel_task"
_NO_PIDS = frozenset({-1, 0xFFFFFFFF})


def process_of(body: bytes, order: str) -> RecordedOwner | None:
    """The process of a block, from behind its length on; None where it is too short for one."""
    if len(body) < 4:  # noqa: PLR2004 (the pid)
        return None
    (pid,) = struct.unpack_from(order + "I", body)
    return _owner(pid, options_of(body[4:], order).get(PIB_NAME, b""), SOURCE) or RecordedOwner(
        Owner(0, None, UNKNOWN_PROGRAM), SOURCE
    )


def owner_on_behalf(
    process: tuple[int, bytes | str], effective: tuple[int, bytes | str], source: str
) -> RecordedOwner | None:
    """Of pid and name of a process, and of those of the one on whose behalf it acts, the latter if there is one."""
    behind = None if effective[0] == 0 else _owner(*effective, source)
    actor = _owner(*process, source)
    if behind is None or (actor and behind.owner.pid == actor.owner.pid and not effective[1]):
        return actor
    if actor and actor.owner.pid != behind.owner.pid:
        return behind._replace(owner=behind.owner._replace(parents=((actor.owner.pid, actor.owner.program.name),)))
    return behind


def _owner(pid: int, name: bytes | str, source: str) -> RecordedOwner | None:
    text = clean_name(name)
    if pid in _NO_PIDS or pid < 0 or (pid == 0 and not text):
        return None
    is_kernel = pid == 0 and text == _KERNEL
    return RecordedOwner(Owner(pid, None, Program(text) if text else UNKNOWN_PROGRAM), source, is_kernel=is_kernel)
