"""The proc connector: the kernel tells of every fork, exec and exit; what a process runs is then read from /proc.

A thread of its own reads, for a process may live a millisecond: whoever comes later finds nothing. Linux, and
CAP_NET_ADMIN in the first user and pid namespaces. It is the second choice, where no tracing program runs.

    nlmsghdr 16 · cn_msg 20 · u32 what · u32 processor · u64 ns (CLOCK_MONOTONIC) · pids by what happened

Sources: include/uapi/linux/{connector,cn_proc}.h.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from portcall.owners.processes import find_process
from portcall.records.ownership import ProcessChange, ProcessEvent, Program

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONNECTOR, _PROCESSES, _LISTEN, _DONE = 11, 1, 1, 3
_FORK, _EXEC, _EXIT = 1, 2, 0x80000000
_FORCE_RECEIVE_BUFFER, _BUFFER_BYTES = 33, 4 << 20
_BODY = 16 + 20
_HEAD, _PIDS = struct.Struct("=IIQ"), struct.Struct("=IIII")
_MAX_WAITING = 1 << 18


class ProcessConnector:
    """Process events as they happen. ``OSError`` where the kernel does not tell us."""

    def __init__(self, most_waiting: int = _MAX_WAITING) -> None:
        """Of events that nobody drains ``most_waiting`` are kept, the latest."""
        self.lost = 0
        """Times that the kernel had to drop events, and events that gave way to later ones."""
        self._events: deque[ProcessEvent] = deque(maxlen=most_waiting)
        self._netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _CONNECTOR)
        self._ending, self._end = os.pipe()
        try:
            self._netlink.bind((0, _PROCESSES))
            self._enlarge()
            body = struct.pack("=IIIIHHI", _PROCESSES, 1, 0, 0, 4, 0, _LISTEN)
            self._netlink.send(struct.pack("=IHHII", 16 + len(body), _DONE, 0, 0, 0) + body)
        except OSError:
            self._netlink.close()
            os.close(self._ending)
            os.close(self._end)
            raise
        self._thread = threading.Thread(target=self._read, daemon=True, name="proc connector")
        self._thread.start()

    def fileno(self) -> int:
        """Readable while the thread has not yet read what happened, so only a hint to drain soon."""
        return self._netlink.fileno()

    def drain(self) -> list[ProcessEvent]:
        """What happened since the last drain."""
        return [self._events.popleft() for _ in range(len(self._events))]

    def close(self) -> None:
        """End the thread and the subscription."""
        os.close(self._end)
        self._thread.join()
        self._netlink.close()
        os.close(self._ending)

    def _enlarge(self) -> None:
        try:
            self._netlink.setsockopt(socket.SOL_SOCKET, _FORCE_RECEIVE_BUFFER, _BUFFER_BYTES)
        except OSError:
            self._netlink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)

    def _read(self) -> None:
        descriptors = [self._netlink.fileno(), self._ending]
        while self._ending not in select.select(descriptors, [], [])[0]:
            try:
                message = self._netlink.recv(1 << 16)
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self.lost += 1
                continue
            for event in _events(message):
                self.lost += len(self._events) == self._events.maxlen
                self._events.append(event)


def _events(message: bytes) -> Iterator[ProcessEvent]:
    if len(message) < _BODY + _HEAD.size + _PIDS.size - 8:
        return
    what, _, monotonic_ns = _HEAD.unpack_from(message, _BODY)
    time_ns = monotonic_ns + time.time_ns() - time.monotonic_ns()
    pids = message[_BODY + _HEAD.size :].ljust(_PIDS.size, b"\0")
    first, first_group, second, second_group = _PIDS.unpack_from(pids)
    if what == _FORK and second == second_group:
        yield ProcessEvent(ProcessChange.STARTED, time_ns, second_group, first_group)
    elif what == _EXEC:
        found = find_process(first_group)
        program = found.program if found else Program("unknown")
        yield ProcessEvent(
            ProcessChange.EXECUTED, time_ns, first_group, user=found.user if found else None, program=program
        )
    elif what == _EXIT and first == first_group:
        yield ProcessEvent(ProcessChange.EXITED, time_ns, first_group)
