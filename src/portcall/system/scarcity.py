"""What a system, or a limit of this process, has no more of: told by an error, said with what to do."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

resource: ModuleType | None
try:  # now: where files are scarce, nothing can be imported any more
    import resource
except ImportError:  # Windows has none
    resource = None


def what_is_scarce(error: BaseException) -> str | None:
    """The sentence about files or memory that the error is really about; None for every other error."""
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EMFILE:
        return f"this process may not open more than {_limit('RLIMIT_NOFILE')} files; allow more: ulimit -n 4096"
    if number == errno.ENFILE:
        return "this system has no room for more open files; end some programs, or raise fs.file-max"
    if number == errno.ENOMEM or isinstance(error, MemoryError):
        limit = _limit("RLIMIT_AS")
        why = f", of which this process may use {int(limit) >> 20} MiB (ulimit -v)" if limit.isdigit() else ""
        return f"there is not enough memory{why}; allow more, or choose less with --filter or fewer captures"
    return None


def open_files_allowed() -> int | None:
    """How many files this process may have open; None where nobody says."""
    limit = _limit("RLIMIT_NOFILE")
    return int(limit) if limit.isdigit() else None


def _limit(name: str) -> str:
    if resource is None:
        return "so many"
    limit = resource.getrlimit(getattr(resource, name))[0]
    return "so many" if limit == resource.RLIM_INFINITY else str(limit)
