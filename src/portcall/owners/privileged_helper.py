"""A back end in a process of its own, which keeps the rights that the rest of the program gives up.

It parses no packets. It gets FLOW_END rows, whose length is all that is believed of them, and answers with owner
events; when the other side goes away, however it ends, it sees the end of its input and ends too.

It is started as ``helper_process`` does, with the number of a back end. A message is u32 length and that many bytes.
"""

from __future__ import annotations

import contextlib
import pickle
import select
import socket
import struct
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from portcall.records.ownership import OwnerEvents
from portcall.records.report import Degradation
from portcall.records.sightings import FLOW_END, SIGHTING
from portcall.system.helper_process import HelperProcess, since_now

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from portcall.owners import BackEnd

MOST_ENDS = 4096
"""Ends that one question may name; more wait for the next."""

_LENGTH = struct.Struct("=I")
_ANSWER_S = 10.0


class KeptOwners:
    """A back end by name, run with the rights that this process has now. ``OSError`` where it cannot start there.

    Where its process ends before us, or falls silent, there are no more owners, and ``degradations`` say since when.
    """

    def __init__(self, name: BackEnd) -> None:
        from portcall.owners import BACK_ENDS

        self.name: str = name
        self.lost = 0
        self._unknown = np.zeros(0, FLOW_END)
        self._helper = HelperProcess(__name__, str(BACK_ENDS.index(name)))
        self._link = self._helper.link
        self._link.settimeout(_ANSWER_S)
        try:
            (opened,) = self._answer()
            if isinstance(opened, OSError):
                raise opened
        except OSError:
            self.close()
            raise
        self.degradations: list[Degradation] = opened
        self._asked_s: float | None = None
        self._is_there = True
        self.patience_s = _ANSWER_S

    def fileno(self) -> int | None:
        """Readable when an answer has arrived; None once there will be none any more."""
        return self._link.fileno() if self._is_there else None

    def drain(self, unknown: NDArray[np.void] | None = None) -> OwnerEvents:
        """The answer to an earlier question, if it is there; and the next question. It never waits for one."""
        events = OwnerEvents(np.zeros(0, SIGHTING), [], 0)
        if not self._is_there:
            return events
        if unknown is not None:
            self._unknown = np.concatenate([self._unknown, unknown])[-MOST_ENDS:]
        try:
            if self._asked_s is not None and self._has_answered(self._asked_s):
                self.lost, events = self._answer()
                self._asked_s = None
            if self._asked_s is None:
                _send(self._link, self._unknown.tobytes())
                self._unknown, self._asked_s = self._unknown[:0], time.monotonic()
        except OSError as error:
            self._is_there = False
            why = "does not answer" if isinstance(error, TimeoutError) else "has ended"
            reason = f"none {since_now()}: the process that asks {self.name} for them {why}"
            self.degradations.append(Degradation("owners", reason, "start portcall again; what was counted stays"))
        return events

    def close(self) -> None:
        """End the process."""
        self._helper.close()

    def _has_answered(self, asked_s: float) -> bool:
        if select.select([self._link], [], [], 0)[0]:
            return True
        if time.monotonic() - asked_s > self.patience_s:
            raise TimeoutError
        return False

    def _answer(self) -> tuple[Any, ...]:  # Any: what ``main`` sends
        message = _receive(self._link)
        if message is None:
            raise OSError(f"the process that asks {self.name} for owners has ended")
        answer: tuple[Any, ...] = pickle.loads(message)  # noqa: S301 - from a process with more rights than this one
        return answer


def main(words: list[str]) -> None:
    """Answer questions until there are no more, or nobody who asks."""
    from portcall.owners import BACK_ENDS, open_here

    descriptor, number = map(int, words)
    with socket.socket(fileno=descriptor) as link:
        try:
            owners = open_here(BACK_ENDS[number])
        except OSError as error:
            _send(link, pickle.dumps((error,)))
            return
        with contextlib.closing(owners), contextlib.suppress(ConnectionError):
            _send(link, pickle.dumps((owners.degradations,)))
            while (question := _receive(link)) is not None:
                whole = len(question) // FLOW_END.itemsize * FLOW_END.itemsize
                events = owners.drain(np.frombuffer(question[:whole], FLOW_END))
                _send(link, pickle.dumps((owners.lost, events)))


def _send(link: socket.socket, message: bytes) -> None:
    link.sendall(_LENGTH.pack(len(message)) + message)


def _receive(link: socket.socket) -> bytes | None:
    """One message; None at the end of the input."""
    head = _receive_bytes(link, _LENGTH.size)
    return None if head is None else _receive_bytes(link, _LENGTH.unpack(head)[0])


def _receive_bytes(link: socket.socket, count: int) -> bytes | None:
    parts = []
    while count:
        part = link.recv(min(count, 1 << 20))
        if not part:
            return None
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
