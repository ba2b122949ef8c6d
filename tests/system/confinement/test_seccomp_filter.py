"""The filter as the kernel would run it, step by step, for each call of the header files of this machine."""

from __future__ import annotations

import errno
import os
import re
import struct
import sys
from pathlib import Path

import pytest

from portcall.system.confinement import refused_calls, seccomp_filter

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has such filters")
HEADERS = {
    "x86_64": (Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), 0xC000003E),
    "aarch64": (Path("/usr/include/asm-generic/unistd.h"), 0xC00000B7),
}
ALLOW, KILL, REFUSE, UNKNOWN = 0x7FFF0000, 0x80000000, 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS
NEEDED = """
read write openat close mmap munmap mprotect brk futex clock_nanosleep lseek pread64 fstat newfstatat poll ppoll
epoll_pwait recvmsg sendmsg sendto recvfrom accept4 bind setsockopt getsockopt madvise renameat2 unlinkat mkdirat
ftruncate fsync getrandom sched_getaffinity exit_group rt_sigaction rt_sigreturn getdents64 fcntl memfd_create statx
set_robust_list rseq prctl landlock_restrict_self seccomp faccessat2 readlinkat
"""


def run(program, number, machine, arguments=(0, 0)):
    """What classic BPF gives of one call (Linux: Documentation/networking/filter.rst)."""
    data = struct.pack("=IIQQQ", number & 0xFFFFFFFF, machine, 0, *arguments).ljust(64, b"\0")
    steps, at, loaded = list(struct.iter_unpack("=HBBI", program)), 0, 0
    while True:
        code, if_true, if_not, operand = steps[at]
        at += 1
        if code == 0x06:
            return operand
        if code == 0x20:
            (loaded,) = struct.unpack_from("=I", data, operand)
            continue
        holds = {0x15: loaded == operand, 0x25: loaded > operand, 0x45: bool(loaded & operand)}[code]
        at += if_true if holds else if_not


@pytest.fixture(params=HEADERS)
def machine(request, monkeypatch):
    header, number = HEADERS[request.param]
    if not header.exists():
        pytest.skip(f"{header} is of a package that is not here")
    name = os.uname()
    monkeypatch.setattr(os, "uname", lambda: os.uname_result((*name[:4], request.param)))
    text = header.read_text()
    known = {name: int(told) for name, told in re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)\b", text)}
    return known, number


def test_every_number_is_that_of_the_kernels_header(machine):
    known, number = machine
    column = [one for _, one in HEADERS.values()].index(number)
    single = {"clone": refused_calls.CLONE, "clone3": refused_calls.CLONE3, "ioctl": refused_calls.IOCTL}
    single["socketpair"] = refused_calls.PAIR
    of_this = {name: numbers for name, (numbers, _) in refused_calls.OF_THIS_PROCESS.items()}
    tables = {
        **refused_calls.REFUSED,
        **refused_calls.FORKS,
        **refused_calls.EXECUTES,
        **refused_calls.IDENTITY,
        **single,
        **of_this,
    }

    newer = max(known.values())  # than this header
    told = {name: numbers[column] for name, numbers in tables.items()}
    assert {n: t for n, t in told.items() if t is not None and t <= newer and known.get(n) != t} == {}
    assert [name for name, number in told.items() if number is None and name in known] == []


def test_what_counting_needs_is_allowed(machine):
    known, number = machine
    program = seccomp_filter.build()

    verdicts = {name: run(program, known[name], number) for name in NEEDED.split() if name in known}
    assert set(verdicts.values()) == {ALLOW}, {name for name, verdict in verdicts.items() if verdict != ALLOW}


def test_what_is_listed_is_refused(machine):
    _, number = machine
    column = [one for _, one in HEADERS.values()].index(number)
    program = seccomp_filter.build()

    listed = {**refused_calls.REFUSED, **refused_calls.FORKS, **refused_calls.EXECUTES, **refused_calls.IDENTITY}
    assert {run(program, one[column], number) for one in listed.values() if one[column] is not None} == {REFUSE}


@pytest.mark.parametrize(
    ("name", "arguments", "verdict"),
    [
        ("clone", (0x3D0F00, 0), ALLOW),  # a thread, as glibc begins it
        ("clone", (0x11, 0), REFUSE),  # a process
        ("clone", (0x10010000, 0), REFUSE),  # a thread in a namespace of users
        ("clone3", (0, 0), UNKNOWN),
        ("kill", (os.getpid(), 9), ALLOW),
        ("kill", (1, 9), REFUSE),
        ("kill", (0, 9), REFUSE),
        ("tgkill", (os.getpid(), 9), ALLOW),
        ("tgkill", (os.getppid(), 9), REFUSE),
        ("prlimit64", (0, 7), ALLOW),
        ("prlimit64", (1, 7), REFUSE),
        ("ioctl", (0, 0x5413), ALLOW),  # TIOCGWINSZ
        ("ioctl", (0, 0x5412), REFUSE),  # TIOCSTI
        ("socketpair", (1, 1), ALLOW),  # AF_UNIX, SOCK_STREAM
        ("socketpair", (1, 0x80801), ALLOW),  # SOCK_CLOEXEC, SOCK_NONBLOCK
        ("socketpair", (1, 2), REFUSE),  # SOCK_DGRAM
        ("socketpair", (1, 0x80802), REFUSE),
        ("socketpair", (1, 3), REFUSE),  # SOCK_RAW, which is SOCK_DGRAM there
        ("socketpair", (1, 5), REFUSE),  # SOCK_SEQPACKET
        ("socketpair", (30, 1), REFUSE),  # AF_TIPC
    ],
)
def test_some_calls_are_judged_by_what_they_ask_for(machine, name, arguments, verdict):
    known, number = machine

    assert run(seccomp_filter.build(), known[name], number, arguments) == verdict


def test_a_call_newer_than_all_that_is_known_is_not_there(machine):
    known, number = machine
    program = seccomp_filter.build()

    assert {run(program, one, number) for one in (refused_calls.NEWEST + 1, 5000, 0x40000000, -1)} == {UNKNOWN}
    assert max(known.values()) <= refused_calls.NEWEST


@pytest.mark.usefixtures("machine")
def test_a_program_of_another_machine_is_killed():
    assert run(seccomp_filter.build(), 0, 0x40000003) == KILL  # i386


def test_who_resolves_names_may_talk_and_nothing_more(machine):
    known, number = machine
    program = seccomp_filter.build(may_connect=True)

    assert {run(program, known[name], number) for name in ("socket", "connect")} == {ALLOW}
    assert {run(program, known[name], number) for name in ("execve", "ptrace", "bpf")} == {REFUSE}
