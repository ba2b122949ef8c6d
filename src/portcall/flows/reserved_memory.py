"""Room for tables that may become large, and seldom do.

NumPy's zeros of some megabytes come in pages of 2 MB, so a table with one row takes as much, and a capture needs about
ten of them. Here the beginning has small pages; what is behind it has large ones, which save large tables a third of
the time.
"""

from __future__ import annotations

import mmap
import platform
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_GENERIC = frozenset({"x86_64", "i686", "aarch64", "armv7l", "riscv64"})
# Python has the name since 3.13; the number is that of asm-generic/mman.h, as most processors have it. Without it room
# that nobody uses counts as promised, and a process with many tables may not fork.
_NORESERVE = getattr(mmap, "MAP_NORESERVE", 0x4000 if sys.platform == "linux" and platform.machine() in _GENERIC else 0)
_PRIVATE = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NORESERVE} if hasattr(mmap, "MAP_PRIVATE") else {}
_SMALL_PAGES_BYTES = 1 << 20


def reserved(count: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """dtype[count] of zeros, which take memory only where they are used; OSError where the system refuses."""
    mapping = mmap.mmap(-1, count * dtype.itemsize, **_PRIVATE)
    if hasattr(mmap, "MADV_HUGEPAGE") and len(mapping) > _SMALL_PAGES_BYTES:
        mapping.madvise(mmap.MADV_HUGEPAGE, _SMALL_PAGES_BYTES)
    return np.frombuffer(mapping, dtype)


def reserved_rows(rows: int, dtype: np.dtype[Any], least: int) -> NDArray[Any]:
    """The same, or half as many where the system refuses, and so on, so it is full sooner; OSError at ``least``."""
    while True:
        try:
            return reserved(rows, dtype)
        except OSError:
            if rows <= least:
                raise
            rows //= 2


def release(rows: NDArray[Any], start: int) -> None:
    """Give back the memory of what was reserved from the row ``start`` on; what was there is lost."""
    mapping = _mapping(rows)
    first = -(-start * rows.itemsize // mmap.PAGESIZE) * mmap.PAGESIZE
    if mapping and first < len(mapping):
        mapping.madvise(mmap.MADV_DONTNEED, first)


def release_between(rows: NDArray[Any], start: int, end: int) -> None:
    """The same of the whole pages between two rows; those at both ends stay for their neighbours."""
    mapping = _mapping(rows)
    first = -(-start * rows.itemsize // mmap.PAGESIZE) * mmap.PAGESIZE
    last = end * rows.itemsize // mmap.PAGESIZE * mmap.PAGESIZE
    if mapping and first < last:
        mapping.madvise(mmap.MADV_DONTNEED, first, last - first)


def _mapping(rows: NDArray[Any]) -> mmap.mmap | None:
    """What was reserved; None where nothing can be given back."""
    base: Any = rows.base  # Any: NumPy says that it is an array
    mapping = base.obj if isinstance(base, memoryview) else base
    return mapping if hasattr(mmap, "MADV_DONTNEED") and isinstance(mapping, mmap.mmap) else None


def release_left(rows: NDArray[Any], used: int, used_before: int) -> None:
    """Give back the memory of rows that are used no more, where it is worth it.

    What is given back is zeros when it is used again; what is not is as it was.
    """
    if (used_before - used) * rows.itemsize > _SMALL_PAGES_BYTES // 4:
        release(rows, used)


def grown(rows: NDArray[np.void], wanted: int) -> NDArray[np.void]:
    """A copy with room for so many, and twice as many as there were at least."""
    return np.concatenate([rows, np.zeros(max(wanted - len(rows), len(rows)), rows.dtype)])
