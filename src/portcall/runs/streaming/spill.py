"""Rows that memory has no room for, in files that nobody else can open and that are gone with the process.

Each array is a file of its own, made without a name (mode 0600, unlinked at once), mapped, and closed: the system frees
it when the array is forgotten, also where the process is killed. /var/tmp comes before /tmp, which may be memory.
"""

from __future__ import annotations

import mmap
import os
import tempfile
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from portcall.errors import PortcallError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROW_BYTES = 256
"""Of the bound of memory that one row in files takes: its place in the order of rows, and room for the others."""
_PERSISTENT = "/var/tmp"  # noqa: S108 - files there have no name


class Spill:
    """A ``RowStore`` in files; as many rows as a run with this bound of memory can put in order."""

    def __init__(self, memory_bytes: int) -> None:
        self.most_rows = max(memory_bytes // _ROW_BYTES, 2)
        self._folder = _PERSISTENT if "TMPDIR" not in os.environ and os.access(_PERSISTENT, os.W_OK) else None
        self._mappings: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()

    def kept(self, array: NDArray[Any]) -> NDArray[Any]:
        """The same in a file; PortcallError where there is no room."""
        if not array.nbytes:
            return array
        try:
            with tempfile.TemporaryFile(dir=self._folder, buffering=0) as file:
                left = np.ascontiguousarray(array).view(np.uint8).data.cast("B")
                while left:
                    left = left[file.write(left) or 0 :]
                mapping = mmap.mmap(file.fileno(), array.nbytes, access=mmap.ACCESS_READ)
        except OSError as error:
            folder = self._folder or tempfile.gettempdir()
            raise PortcallError(
                f"{folder}: no room for rows that memory does not hold: {(error.strerror or str(error)).lower()}. "
                "TMPDIR names another folder; --by flow --format jsonl --idle-timeout 15 needs none"
            ) from error
        self._mappings.add(mapping)
        return np.frombuffer(mapping, array.dtype)

    def rest(self) -> None:
        """Have nothing of them in memory until it is read again."""
        if hasattr(mmap, "MADV_DONTNEED"):
            for mapping in self._mappings:
                mapping.madvise(mmap.MADV_DONTNEED)
