"""portcall as it meets a system that is not Linux: run as ``python elsewhere.py WORD…``, on Linux.

macOS cannot be had where the tests run. What portcall asks of a system is taken away as macOS lacks it: the names that
``socket`` and ``os`` have on Linux alone, /proc and /sys, and ``sys.platform`` says darwin. scapy and psutil are
imported before, and are Linux's: what they do elsewhere is theirs.
"""

import builtins
import io
import os
import platform
import socket
import sys

import psutil  # noqa: F401 - as Linux has it

OF_LINUX = ("AF_NETLINK", "NETLINK_", "SO_BINDTODEVICE", "SOL_NETLINK", "CAN_", "AF_VSOCK")
CALLS = (
    *("eventfd", "memfd_create", "pidfd_open", "posix_fadvise", "prlimit", "sched_getaffinity", "sched_setaffinity"),
    *("setns", "splice", "unshare"),
)
HIDDEN = ("/proc", "/sys")
OF_OTHERS = {"psutil", "scapy"}
"""They look there for what they ask the system for elsewhere."""


def _refusing(real):
    """A function that finds no file of Linux's own."""

    def refuse(path, *arguments, **named):
        asks = sys._getframe(1).f_globals.get("__name__", "").partition(".")[0]
        is_hidden = isinstance(path, (str, bytes, os.PathLike)) and os.fsdecode(path).startswith(HIDDEN)
        if is_hidden and asks not in OF_OTHERS:
            raise FileNotFoundError(2, "No such file or directory", os.fsdecode(path))
        return real(path, *arguments, **named)

    return refuse


def be_elsewhere(*, captures):
    """From now on this process is on such a system; ``captures``: whether it will use scapy, which takes a second."""
    if captures:
        _import_scapy()
    for name in [name for name in dir(socket) if name.startswith(OF_LINUX)]:
        delattr(socket, name)
    for name in CALLS:
        if hasattr(os, name):
            delattr(os, name)
    for module, names in (
        (builtins, ("open",)),
        (io, ("open",)),
        (os, ("open", "listdir", "scandir", "stat", "readlink")),
    ):
        for name in names:
            setattr(module, name, _refusing(getattr(module, name)))
    sys.platform, platform.system = "darwin", lambda: "Darwin"


def _set_nonblock(listening, *, set_flag):
    """What scapy's sockets have on macOS (scapy.arch.bpf.supersocket)."""
    listening.ins.setblocking(not set_flag)


def _import_scapy():
    import scapy.all
    import scapy.arch.common
    import scapy.libs.winpcapy

    listening = scapy.all.conf.L2listen
    listening.set_nonblock, listening.LL = _set_nonblock, scapy.all.Ether


if __name__ == "__main__":
    be_elsewhere(captures="live" in sys.argv or "--filter" in sys.argv)
    from portcall.cli import main

    sys.exit(main())
