"""Who starts tshark for a process that may start nothing any more: a fork of it from before, as confined as tshark.

It is handed a capture that is open already, and hands back what tshark writes; it reads neither, and knows no names.
So all that can be asked of it is to start this program with these options, within these limits, and to end it.

    asked     s and the capture's descriptor                w pid:i32, k pid:i32
    answered  pid:i32 and descriptors: output, complaints   status:i32
"""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
from typing import TYPE_CHECKING, BinaryIO

from portcall.system.helper_process import ForkedHelper

if TYPE_CHECKING:
    from portcall.system.confinement import Scope

PROGRAM = "tshark"
CONVERT = ("-n", "-F", "pcapng", "-w", "-", "-r")
"""Options, but for the file that is read."""
MOST_BYTES, MOST_CPU_S = 4 << 30, 3600
"""Address space, of which it takes a tenth; and time, in which it converts a hundred million packets."""
_QUESTION = struct.Struct("=ci")
_ANSWER = struct.Struct("=i")
_starter: list[ForkedHelper] = []


class StartedElsewhere:
    """A tshark that somebody else started, as far as ``subprocess.Popen`` has it."""

    def __init__(self, path: str) -> None:
        """OSError where the capture cannot be opened, or tshark not be started."""
        self._link = _starter[0].link
        with open(path, "rb", buffering=0) as capture:  # noqa: PTH123 - its descriptor is what is wanted
            socket.send_fds(self._link, [_QUESTION.pack(b"s", 0)], [capture.fileno()])
        message, descriptors, _, _ = socket.recv_fds(self._link, _ANSWER.size, 2)
        (self._pid,) = _ANSWER.unpack(message)
        if not descriptors:
            raise OSError(-self._pid, os.strerror(-self._pid))
        self.stdout: BinaryIO = os.fdopen(descriptors[0], "rb")
        self.complaints: BinaryIO = os.fdopen(descriptors[1], "rb")
        self.returncode: int | None = None

    def kill(self) -> None:
        """End it."""
        self._ask(b"k")

    def wait(self) -> int:
        """Its status, once it has ended."""
        if self.returncode is None:
            self.returncode = self._ask(b"w")
        return self.returncode

    def _ask(self, question: bytes) -> int:
        self._link.send(_QUESTION.pack(question, self._pid))
        return int(_ANSWER.unpack(self._link.recv(_ANSWER.size))[0])


def begin_starter() -> None:
    """Have tshark started by a fork of this process from now on, where there is a tshark."""
    program = shutil.which(PROGRAM)
    if program:
        _starter.append(ForkedHelper("portcall tshark", lambda link: _serve(link, program), socket.SOCK_SEQPACKET))


def starts_elsewhere() -> bool:
    """Whether that is so."""
    return bool(_starter)


def scope_of_tshark() -> Scope:
    """What it takes to run it: itself, and what was installed with it."""
    from portcall.system.confinement import Scope

    place = os.path.realpath(shutil.which(PROGRAM) or PROGRAM)
    with_it = os.path.dirname(os.path.dirname(place))  # noqa: PTH120 - no pathlib for this
    return Scope(reads=("/etc/wireshark",), runs=("/bin", "/usr/bin", "/usr/local/bin", place, with_it))


def be_bounded(most_cpu_s: int = MOST_CPU_S) -> None:
    """Bound memory and time of this process and of each that it begins; a home that tshark may not read ends it."""
    os.environ["HOME"] = "/nonexistent"
    import resource

    for kind, most in ((resource.RLIMIT_AS, MOST_BYTES), (resource.RLIMIT_CPU, most_cpu_s), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(kind)
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (least, least))


def _serve(link: socket.socket, program: str) -> None:
    from portcall.system.privileges import give_up_rights

    be_bounded()
    give_up_rights(os.environ, scope_of_tshark())
    running: dict[int, subprocess.Popen[bytes]] = {}
    while True:
        message, descriptors, _, _ = socket.recv_fds(link, _QUESTION.size, 1)
        if not message:
            return
        question, pid = _QUESTION.unpack(message)
        if question == b"s":
            _start(link, program, descriptors[0], running)
            continue
        process = running[pid]
        if question == b"k":
            process.kill()
        link.send(_ANSWER.pack(process.wait()))


def _start(link: socket.socket, program: str, capture: int, running: dict[int, subprocess.Popen[bytes]]) -> None:
    complaints = os.memfd_create("complaints")
    try:
        process = subprocess.Popen(  # noqa: S603 - fixed options
            [program, *CONVERT, "-"], stdin=capture, stdout=subprocess.PIPE, stderr=complaints
        )
    except OSError as error:
        link.send(_ANSWER.pack(-(error.errno or 1)))
        return
    finally:
        os.close(capture)
    running[process.pid] = process
    if process.stdout:
        with process.stdout as output:
            socket.send_fds(link, [_ANSWER.pack(process.pid)], [output.fileno(), complaints])
    os.close(complaints)
