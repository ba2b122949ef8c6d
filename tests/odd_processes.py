"""Processes whose sockets the first thread does not show: it has ended, or another thread has files of its own."""

import subprocess
import sys
from contextlib import contextmanager

KINDS = ("first thread ended", "files of its own")

_SCRIPT = """
import ctypes, platform, socket, sys, threading
libc = ctypes.CDLL(None)
EXIT = {"x86_64": 60, "aarch64": 93}[platform.machine()]
CLONE_FILES = 0x400

def serve():
    if sys.argv[1] == "files of its own":
        assert libc.unshare(CLONE_FILES) == 0
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            connection, _ = listener.accept()
            connection.sendall(connection.recv(1))

threading.Thread(target=serve, daemon=True).start()
if sys.argv[1] == "first thread ended":
    libc.syscall(EXIT, 0)
threading.Event().wait()
"""


@contextmanager
def odd_server(kind):
    """(pid, port) of a process that echoes a byte, in a thread that is not its first one."""
    command = [sys.executable, "-c", _SCRIPT, kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.pid, int(process.stdout.readline())
        finally:
            process.kill()
