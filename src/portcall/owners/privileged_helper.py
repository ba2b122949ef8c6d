"""A back end in a process of its own, which keeps the rights that the rest of the program gives up.

It parses no packets. It gets FLOW_END rows, whose length is all that is believed of them, and answers with owner
events; when the other side goes away, however it ends, it sees the end of its input and ends too.

    python -m portcall.owners.privileged_helper NUMBER DESCRIPTOR        a message is u32 length and that many bytes
"""

from __future__ import annotations

import pickle
import select
import socket
import struct
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from portcall.records.ownership import FLOW_END, SIGHTING, OwnerEvents

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from portcall.owners import BackEnd
    from portcall.records.report import Degradation

MOST_ENDS = 4096
"""Ends that one question may name; more wait for the next."""

_LENGTH = struct.Struct("=I")
_ANSWER_S = 10.0


class KeptOwners:
    """A back end by name, run with the rights that this process has now. ``OSError`` where it cannot start there."""

    def __init__(self, name: BackEnd) -> None:
        from portcall.owners import BACK_ENDS

        number = BACK_ENDS.index(name)
        self.name: str = name
        self.lost = 0
        self._unknown = np.zeros(0, FLOW_END)
        self._link, other = socket.socketpair()
        with other:
            command = [sys.executable, "-m", __name__, str(number), str(other.fileno())]
            self._process = subprocess.Popen(  # noqa: S603 - this very interpreter, a module of ours and two numbers
                command,
                pass_fds=[other.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is ours to hear
            )
        self._link.settimeout(_ANSWER_S)
        try:
            self.degradations: list[Degradation]
            (self.degradations,) = self._answer()
        except OSError:
            self.close()
            raise
        self._is_asked = False

    def fileno(self) -> int:
        """Readable when an answer has arrived."""
        return self._link.fileno()

    def drain(self, unknown: NDArray[np.void] | None = None) -> OwnerEvents:
        """The answer to an earlier question, if it is there; and the next question. It never waits for one."""
        if unknown is not None:
            self._unknown = np.concatenate([self._unknown, unknown])[-MOST_ENDS:]
        events = OwnerEvents(np.zeros(0, SIGHTING), [], 0)
        if self._is_asked and select.select([self._link], [], [], 0)[0]:
            self.lost, events = self._answer()
            self._is_asked = False
        if not self._is_asked:
            _send(self._link, self._unknown.tobytes())
            self._unknown, self._is_asked = self._unknown[:0], True
        return events

    def close(self) -> None:
        """End the process."""
        self._link.close()
        self._process.wait()

    def _answer(self) -> tuple[Any, ...]:  # Any: what ``main`` sends
        message = _receive(self._link)
        if message is None:
            raise OSError(f"the process that asks {self.name} for owners has ended")
        answer: tuple[Any, ...] = pickle.loads(message)  # noqa: S301 - from a process with more rights than this one
        return answer


def main() -> None:
    """Answer questions until there are no more."""
    from portcall.owners import BACK_ENDS, open_here

    number, descriptor = sys.argv[1:]
    with socket.socket(fileno=int(descriptor)) as link:
        owners = open_here(BACK_ENDS[int(number)])
        _send(link, pickle.dumps((owners.degradations,)))
        while (question := _receive(link)) is not None:
            whole = len(question) // FLOW_END.itemsize * FLOW_END.itemsize
            events = owners.drain(np.frombuffer(question[:whole], FLOW_END))
            _send(link, pickle.dumps((owners.lost, events)))
        owners.close()


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


if __name__ == "__main__":
    main()
