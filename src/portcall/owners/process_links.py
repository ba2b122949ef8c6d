"""Which program a process runs, and what a user is called, asked for somebody who may not look any more.

The link /proc/PID/exe of other users' processes takes CAP_SYS_PTRACE, and once Landlock bounds a process, that of any
other; names of users may come from a directory service by a socket. So a fork from before keeps that capability, and
nothing else: it is ``nobody`` (or stays the user that it was), begins no program, and writes no file.

    asked  kind:char ('p': process and thread, 0 for the first; 'u': user)  number:i32  thread:i32     9 bytes
    told   1 and text, or 0 for nothing
"""

from __future__ import annotations

import os
import socket
import struct
from contextlib import suppress

from portcall.records.report import Degradation
from portcall.system.helper_process import ForkedHelper, since_now

_QUESTION = struct.Struct("=cii")
_MOST_BYTES = 8192
"""Of an answer: paths are shorter (PATH_MAX)."""
_PATIENCE_S = 2.0
_helper: list[ForkedHelper] = []
_losses: list[Degradation] = []
"""What is said once nobody can be asked any more; empty until then."""


def begin_process_links() -> ForkedHelper:
    """Have a fork of this process look, from now on."""
    _losses.clear()
    _helper.append(ForkedHelper("portcall links", _serve, socket.SOCK_SEQPACKET))
    return _helper[-1]


def are_asked() -> bool:
    """Whether there is one."""
    return bool(_helper)


def program_link(pid: int, thread: int = 0) -> str:
    """Where the link leads; OSError where there is none, or nobody may look."""
    return _asked(b"p", pid, thread)


def asked_user_name(user: int) -> str:
    """What a user is called; OSError where it has no name."""
    return _asked(b"u", user, 0)


def losses() -> list[Degradation]:
    """Since when nobody can be asked."""
    return list(_losses)


def _asked(kind: bytes, number: int, thread: int) -> str:
    told = b"" if _losses else _answer(_helper[-1].link, _QUESTION.pack(kind, number, thread))
    if told[:1] != b"1":
        raise FileNotFoundError(0, "nothing is there, or nobody may look")
    return os.fsdecode(told[1:])


def _answer(link: socket.socket, question: bytes) -> bytes:
    """Its bytes; none where whoever is asked has ended, or does not answer: then nothing is asked any more."""
    link.settimeout(_PATIENCE_S)
    try:
        link.send(question)
        if told := link.recv(_MOST_BYTES):
            return told
        how = "has ended"
    except OSError as error:
        how = "does not answer" if isinstance(error, TimeoutError) else "has ended"
    reason = f"unknown {since_now()}: the process that asks for them {how}"
    _losses.append(Degradation("paths of programs", reason, "start portcall again; what was counted stays"))
    return b""


def _serve(link: socket.socket) -> None:
    from portcall.system.confinement import Scope, capabilities
    from portcall.system.privileges import give_up_rights

    kept = (capabilities.SYS_PTRACE,) if capabilities.permitted() >> capabilities.SYS_PTRACE & 1 else ()
    give_up_rights({}, Scope(may_connect=True, files_are_bounded=False, keeps=kept))
    while question := link.recv(_QUESTION.size):
        kind, number, thread = _QUESTION.unpack(question)
        told = ""
        with suppress(OSError, KeyError):
            told = _user_name(number) if kind == b"u" else _link(number, thread)
        link.send((b"1" + os.fsencode(told)) if told else b"0")


def _link(pid: int, thread: int) -> str:
    return os.readlink(f"/proc/{pid}/task/{thread}/exe" if thread else f"/proc/{pid}/exe")  # noqa: PTH115 - as bare as can be


def _user_name(user: int) -> str:
    import pwd

    return pwd.getpwuid(user).pw_name
