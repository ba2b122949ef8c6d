"""A BPF ring buffer, mapped into memory and read in bulk.

    page 0         consumer position, ours to write
    page 1         producer position
    then twice     the data: a second mapping follows the first, so no record is cut at the end

A record is u32 length (bit 31: still being written, bit 30: discarded), u32 reserved, then the data, 8-byte aligned.
Every record of a ring here has the same length, so what waits is one NumPy array and no loop looks at single events.
Source: the kernel's Documentation/bpf/ringbuf.rst.
"""

from __future__ import annotations

import mmap
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from portcall.owners.ebpf import syscalls

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BUSY, _DISCARDED = np.uint32(1 << 31), np.uint32(1 << 30)


class Ring:
    """A ring of ``size_bytes`` (a power of two) with records of one type; epoll on its descriptor wakes for them."""

    def __init__(self, record: np.dtype[Any], size_bytes: int, name: str) -> None:
        self._stride = 8 + (record.itemsize + 7) // 8 * 8
        self._layout = np.dtype(
            {
                "names": ["length", "record"],
                "formats": ["u4", record],
                "offsets": [0, 8],
                "itemsize": self._stride,
            }
        )
        self.descriptor = syscalls.create_map(syscalls.MapKind.RING_BUFFER, 0, 0, size_bytes, name=name)
        self._mask = size_bytes - 1
        page = mmap.PAGESIZE
        consumer = mmap.mmap(self.descriptor, page, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        producer = mmap.mmap(self.descriptor, page + 2 * size_bytes, mmap.MAP_SHARED, mmap.PROT_READ, offset=page)
        self._consumed = np.frombuffer(consumer, np.uint64, 1)
        self._produced = np.frombuffer(producer, np.uint64, 1)
        self._data = np.frombuffer(producer, np.uint8, offset=page)

    def read(self) -> NDArray[np.void]:
        """The records that wait, copied, oldest first; the kernel may use their room again."""
        start = int(self._consumed[0])
        count = (int(self._produced[0]) - start) // self._stride
        at = start & self._mask
        waiting = self._data[at : at + count * self._stride].view(self._layout)
        busy = np.flatnonzero(waiting["length"] & _BUSY)
        if len(busy):  # a processor is still writing this one; it and what follows are read next time
            waiting = waiting[: busy[0]]
        records: NDArray[np.void] = waiting["record"][(waiting["length"] & _DISCARDED) == 0]
        self._consumed[0] = start + len(waiting) * self._stride
        return records

    def close(self) -> None:
        """Let the kernel free the ring; the mappings go with the last array that looks at them."""
        os.close(self.descriptor)
