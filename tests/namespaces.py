"""Network namespaces that a test makes, and takes away again."""

import os
import subprocess
from contextlib import contextmanager


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


def ip(*words):
    subprocess.run(["ip", *words], check=True)
