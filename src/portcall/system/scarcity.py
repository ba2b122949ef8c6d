"""What a system, or a limit of this process, has no more of: told by an error, said with what to do."""

from __future__ import annotations

import errno
import mmap
from typing import TYPE_CHECKING

from portcall.errors import PortcallError

if TYPE_CHECKING:
    from types import ModuleType

resource: ModuleType | None
try:  # now: where files are scarce, nothing can be imported any more
    import resource
except ImportError:  # Windows has none
    resource = None

_NEAR_THE_LIMIT_BYTES = 64 << 20
"""Whoever may not have so much more memory has too little: a library takes tens of MiB, a thread 8 and more."""
LIBRARIES_BYTES = 80 << 20
"""What NumPy and its OpenBLAS take when they are imported."""


def what_is_scarce(error: BaseException) -> str | None:
    """The sentence about files or memory that the error is really about; None for every other error.

    Where a limit leaves hardly any memory, that is every error: libraries that cannot be loaded say many things.
    """
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EMFILE:
        return f"this process may not open more than {_limit('RLIMIT_NOFILE')} files; allow more: ulimit -n 4096"
    if number == errno.ENFILE:
        return "this system has no room for more open files; end some programs, or raise fs.file-max"
    is_about_something_else = number not in (None, errno.ENOMEM) or isinstance(error, PortcallError)
    if isinstance(error, MemoryError) or number == errno.ENOMEM or not (is_about_something_else or has_room()):
        limit = _limit("RLIMIT_AS")
        why = f", of which this process may use {int(limit) >> 20} MiB (ulimit -v)" if limit.isdigit() else ""
        return f"there is not enough memory{why}; allow more, or choose less with --filter or fewer captures"
    return None


def has_room(more_bytes: int = _NEAR_THE_LIMIT_BYTES) -> bool:
    """Whether a limit of this process leaves it so much more memory. True where there is none."""
    if not _limit("RLIMIT_AS").isdigit():
        return True
    try:
        mmap.mmap(-1, more_bytes).close()
    except (OSError, MemoryError):
        return False
    return True


def ensure_room(more_bytes: int = _NEAR_THE_LIMIT_BYTES) -> None:
    """MemoryError where a limit leaves less: for what would not raise one, but end the process, or wait for ever.

    OpenBLAS does the former, and ``Thread.start`` the latter where the thread has no memory to say that it has begun
    (CPython's issue 140746).
    """
    if not has_room(more_bytes):
        raise MemoryError


def open_files_allowed() -> int | None:
    """How many files this process may have open; None where nobody says."""
    limit = _limit("RLIMIT_NOFILE")
    return int(limit) if limit.isdigit() else None


def _limit(name: str) -> str:
    if resource is None:
        return "so many"
    limit = resource.getrlimit(getattr(resource, name))[0]
    return "so many" if limit == resource.RLIM_INFINITY else str(limit)
