"""Programs that confine themselves and then try what an intruder would: what came of each attempt, by its name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ATTEMPTS = """
import ctypes, json, os, signal, socket, subprocess, sys, threading

def system_call(number, *words):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(number, *words) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

def in_a_thread(action):
    caught = []
    def run():
        try:
            action()
        except OSError as error:
            caught.append(error)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if caught:
        raise caught[0]

def connect_again(pair):
    for end in pair:
        with end:
            end.connect("\\0another")

def what_came_of(attempts):
    outcomes = {}
    for name, action in attempts.items():
        try:
            action()
            outcomes[name] = "done"
        except OSError as error:
            outcomes[name] = error.strerror
    return outcomes

ELSEWHERE = sys.argv[1]
INTRUSIONS = {
    "read a file": lambda: open(ELSEWHERE),
    "read a file in a thread": lambda: in_a_thread(lambda: open(ELSEWHERE)),
    "list a folder": lambda: os.listdir(os.path.dirname(ELSEWHERE)),
    "write a file": lambda: open(ELSEWHERE + ".new", "w"),
    "make a folder": lambda: os.mkdir(ELSEWHERE + ".folder"),
    "make a link": lambda: os.symlink("/etc/passwd", ELSEWHERE + ".link"),
    "remove a file": lambda: os.unlink(ELSEWHERE),
    "change a mode": lambda: os.chmod(ELSEWHERE, 0o777),
    "change times": lambda: os.utime(ELSEWHERE),
    "read another's memory": lambda: open("/proc/%d/mem" % os.getppid()),
    "read another's environment": lambda: open("/proc/%d/environ" % os.getppid()),
    "open a socket": lambda: socket.socket(),
    "open a socket in a thread": lambda: in_a_thread(socket.socket),
    "open a pair that may send to others": lambda: socket.socketpair(type=socket.SOCK_DGRAM),
    "connect a pair to another": lambda: connect_again(socket.socketpair()),
    "fork": lambda: os.fork() or os._exit(0),
    "run a program": lambda: subprocess.run(["true"]),
    "become a program": lambda: os.execv("/bin/true", ["true"]),
    "signal another": lambda: os.kill(os.getppid(), 0),
    "limit another": lambda: __import__("resource").prlimit(os.getppid(), 0),
    "trace another": lambda: system_call(101 if os.uname().machine == "x86_64" else 117, 16, os.getppid(), 0, 0),
    "make a namespace": lambda: system_call(272 if os.uname().machine == "x86_64" else 97, 0x10000000),
    "be another user": lambda: os.setuid(0),
    "a call of tomorrow": lambda: system_call(2000),
}
"""
"""What a program begins with; its first argument is a file that nobody named."""

REFUSALS = {"Permission denied", "Operation not permitted", "Function not implemented"}


def outcomes(program, *arguments, environment=(), **how):
    """What a program printed as JSON, run behind ATTEMPTS."""
    ran = subprocess.run(
        [sys.executable, "-c", ATTEMPTS + program, *map(str, arguments)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), **dict(environment)},
        capture_output=True,
        text=True,
        check=False,
        **how,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


WITHOUT_CALLS = """
import ctypes, os, struct, sys
from portcall.system.kernel_calls import call, process_control
step = struct.Struct("=HBBI").pack
program = step(0x20, 0, 0, 0)
for number in sys.argv[1].split(","):
    program += step(0x15, 0, 1, int(number)) + step(0x06, 0, 0, 0x00050000 | 38)
program += step(0x06, 0, 0, 0x7FFF0000)
kept = ctypes.create_string_buffer(program, len(program))
process_control(38, 1)
call("seccomp", 1, 0, struct.pack("@HP", len(program) // 8, ctypes.addressof(kept)))
os.execvp(sys.argv[2], sys.argv[2:])
"""
LANDLOCK, SECCOMP = 444, 317 if os.uname().machine == "x86_64" else 277


def kernel_without(*numbers):
    """What a command begins with to run on a kernel that lacks these calls: a filter answers for it that it does."""
    return [sys.executable, "-c", WITHOUT_CALLS, ",".join(map(str, numbers))]


BY_SUDO = {"SUDO_UID": "1234", "SUDO_GID": "1234", "SUDO_USER": "nobody"}
CALLERS = [{}, *([BY_SUDO] if hasattr(os, "geteuid") and os.geteuid() == 0 else [])]
ISOLATED = [
    *(sys.executable, "-I", "-c"),
    (
        f"import sys; sys.path[:0] = {[path for path in sys.path if path not in ('', str(Path.cwd()))]!r}\n"
        "exec(sys.argv.pop(1))"
    ),
]
"""A program that portcall takes for one that nobody else's code is in, and that is ours."""
TAKEN_OVER = """
def take_over(title, module, name, function):
    place, done = getattr(__import__("portcall." + module, fromlist=[name]), name), []
    before = getattr(place, function)

    def hostile(*words, **named):
        if not done:
            done.append(what_came_of(INTRUSIONS))
            os.write(told_to, json.dumps([title, done[0]]).encode() + b"\\n")
        return before(*words, **named)

    setattr(place, function, hostile)

told_to = int(sys.argv[2])
for title, place in json.loads(sys.argv[3]).items():
    take_over(title, *place)
from portcall.cli import run
sys.argv = ["portcall", *sys.argv[4:]]
run()
"""
"""The command, in which these functions are an intruder's once they are called."""
