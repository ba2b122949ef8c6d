"""Open sockets of processes, as /proc shows them, of all their threads.

Threads share one table of files, so the first thread's shows all. But a thread may have a table of its own
(``unshare(CLONE_FILES)``), and a first thread that has ended shows nothing, though the process lives. Whether two
threads share is asked of kcmp(2), which costs less than reading a table again.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from portcall.owners.processes import PROC, process_ids, thread_ids

if TYPE_CHECKING:
    import ctypes

_LINK = "socket:["
_KCMP = {"x86_64": 312, "aarch64": 272, "riscv64": 272, "loongarch64": 272, "s390x": 343, "ppc64le": 354}
_KCMP_FILES = 2
_SAME = 0
_LINKS_OF_ONE = 3  # of a folder with one folder in it


def open_sockets(pid: int) -> dict[int, str]:
    """Inode → path of a file of the process that is that socket. OSError where it ended or may not be looked at."""
    found: dict[int, str] = {}
    for table in _file_tables(pid):
        with suppress(FileNotFoundError, ProcessLookupError), os.scandir(table) as entries:  # else the thread ended
            links = [(_read_link(entry.path), entry.path) for entry in entries]
            found.update({int(link[len(_LINK) : -1]): path for link, path in links if link.startswith(_LINK)})
    return found


def holders_of_sockets(pids: list[int] | None = None) -> dict[int, list[int]]:
    """Inode → pids of the processes that hold that socket, of all that may be looked at, or of those given."""
    return look_for_holders(pids)[0]


def look_for_holders(pids: list[int] | None = None) -> tuple[dict[int, list[int]], int]:
    """The same, and how many of those processes may not be looked at."""
    holders: dict[int, list[int]] = {}
    forbidden = 0
    for pid in process_ids() if pids is None else pids:
        try:
            inodes = open_sockets(pid)
        except OSError as error:  # else it ended
            forbidden += isinstance(error, PermissionError)
            continue
        for inode in inodes:
            holders.setdefault(inode, []).append(pid)
    return holders, forbidden


def _file_tables(pid: int) -> list[str]:
    """Folders that together show every open file of the process."""
    if os.stat(f"{PROC}/{pid}/task").st_nlink <= _LINKS_OF_ONE:  # noqa: PTH116 - a Path costs more, for each process
        return [f"{PROC}/{pid}/fd"]
    threads = thread_ids(pid)
    tables = threads[:1]
    for thread in threads[1:]:
        if not any(_share_files(pid, thread, known) for known in tables):
            tables.append(thread)
    return [_place(pid, thread) for thread in tables]


def _share_files(pid: int, thread: int, other: int) -> bool:
    """Whether two threads have one table; where the kernel may not be asked, what is empty is not it."""
    import ctypes  # few processes need it

    number = _KCMP.get(os.uname().machine)
    answer = int(_libc().syscall(ctypes.c_long(number), thread, other, _KCMP_FILES, 0, 0)) if number else -1
    return answer == _SAME or (answer < 0 and any(Path(_place(pid, other)).iterdir()))


def _place(pid: int, thread: int) -> str:
    return f"{PROC}/{pid}/task/{thread}/fd"


@cache
def _libc() -> ctypes.CDLL:
    import ctypes

    return ctypes.CDLL(None, use_errno=True)


def _read_link(path: str) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115 - for every open file of the machine, and a Path costs more
    except OSError:
        return ""  # closed since it was listed
