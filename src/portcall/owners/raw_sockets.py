"""Raw and ping sockets, which sock_diag tells of on few kernels: /proc/net lists them.

    /proc/net/{raw,raw6}       sl: local:protocol peer:port state queues timer retransmits user timeout inode …
    /proc/net/{icmp,icmp6}     the same with local:identifier, of ping sockets
    /proc/net/{udplite,…}      the same with local:port

Addresses are words of 32 bits in the machine's byte order. A list has no cookies. Who may take a duplicate of the
socket from its holder (pidfd_getfd(2), Linux 5.6) asks that one; else an inode stands in, marked so that no cookie
equals it. Source: net/ipv4/{raw,ping}.c, Documentation/networking/proc_net_tcp.rst.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from portcall.owners.diag_rows import DIAG
from portcall.owners.open_files import open_sockets
from portcall.records.ownership import ECHO_ASKED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

LISTS = Path("/proc/thread-self/net")  # of the namespace that this thread is in
_RAW, _PING = ("raw", "raw6"), {"icmp": 1, "icmp6": 58}
_LEAST_COLUMNS = 10
_NO_COOKIE = 1 << 63
_SO_COOKIE, _PIDFD_GETFD = 57, 438  # asm-generic/{socket,unistd}.h
_THREAD = os.O_EXCL  # PIDFD_THREAD of pidfd_open(2), Linux 6.9


def list_raw_sockets() -> dict[int, NDArray[np.void]]:
    """DIAG[n] of raw and ping sockets by protocol, in the network namespace of this thread.

    ``source_port`` is a ping socket's identifier, and 0 of a raw socket. A raw socket is listed without its peer, a
    ping socket with the peer's ``target_port`` as ECHO_ASKED. ``cookie`` stands in for one.
    """
    found: dict[int, list[NDArray[np.void]]] = {}
    for name in _RAW:
        for row in read_list(name):
            protocol = int(row["source_port"])
            row["source_port"], row["target_port"], row["target"] = 0, 0, 0
            found.setdefault(protocol, []).append(row)
    for name, protocol in _PING.items():
        for row in read_list(name):
            row["target_port"] = ECHO_ASKED if row["target"].any() else 0
            found.setdefault(protocol, []).append(row)
    return {protocol: np.array(rows, DIAG) for protocol, rows in found.items()}


def read_list(name: str, lists: Path = LISTS) -> Iterator[NDArray[np.void]]:
    """DIAG of each socket in /proc/net/NAME; none where this kernel has no such list."""
    family = socket.AF_INET6 if name.endswith("6") else socket.AF_INET
    try:
        lines = (lists / name).read_text().splitlines()[1:]
    except OSError:
        return
    for line in lines:
        columns = line.split()
        if len(columns) < _LEAST_COLUMNS:
            continue
        row = np.zeros((), DIAG)
        row["family"], row["state"] = family, int(columns[3], 16)
        for end, text in (("source", columns[1]), ("target", columns[2])):
            address, _, port = text.partition(":")
            row[f"{end}_port"] = int(port, 16)
            row[end] = np.frombuffer(_packed(address).ljust(16, b"\0"), np.uint8)
        row["user"], row["inode"] = int(columns[7]), int(columns[9])
        row["cookie"] = _NO_COOKIE | int(columns[9])
        yield row


def write_cookies(out_rows: NDArray[np.void], holders: Mapping[int, Sequence[int]]) -> None:
    """Put the true cookies of DIAG[n] in, where the holders by inode, pids, may be asked."""
    for row in out_rows:
        inode = int(row["inode"])
        for pid in holders.get(inode, ()):
            cookie = _cookie(pid, inode)
            if cookie is not None:
                row["cookie"] = cookie
                break


def _cookie(pid: int, inode: int) -> int | None:
    try:
        *_, thread, _, descriptor = open_sockets(pid)[inode].split("/")
        holder = os.pidfd_open(int(thread), 0 if int(thread) == pid else _THREAD)
    except (OSError, KeyError, AttributeError):  # it ended or closed it, or a system without pidfd_open(2)
        return None
    duplicate = _duplicate(holder, int(descriptor))
    os.close(holder)
    if duplicate < 0:
        return None
    with socket.socket(fileno=duplicate) as asked:
        return int.from_bytes(asked.getsockopt(socket.SOL_SOCKET, _SO_COOKIE, 8), sys.byteorder)


def _duplicate(process: int, descriptor: int) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    return int(libc.syscall(ctypes.c_long(_PIDFD_GETFD), process, descriptor, 0))


def _packed(address: str) -> bytes:
    words = [int(address[at : at + 8], 16) for at in range(0, len(address), 8)]
    return struct.pack(f"={len(words)}I", *words)
