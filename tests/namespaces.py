"""Network namespaces that a test makes, and takes away again."""

import ctypes
import os
import subprocess
from contextlib import contextmanager
from pathlib import Path

NEW_NETWORK = 0x40000000  # linux/sched.h: CLONE_NEWNET


@contextmanager
def namespace(name):
    """A network namespace with loopback; gives its name."""
    name = f"portcall-{os.getpid()}-{name}"
    ip("netns", "add", name)
    try:
        ip("-n", name, "link", "set", "lo", "up")
        yield name
    finally:
        ip("netns", "del", name)


@contextmanager
def in_a_network_of_its_own():
    """This thread, and what it starts, in a new network namespace with nothing but loopback."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/thread-self/ns/net").open("rb") as ours:
        assert libc.unshare(NEW_NETWORK) == 0, os.strerror(ctypes.get_errno())
        try:
            ip("link", "set", "lo", "up")
            yield
        finally:
            assert libc.setns(ours.fileno(), NEW_NETWORK) == 0, os.strerror(ctypes.get_errno())


def ip(*words):
    subprocess.run(["ip", *words], check=True)
