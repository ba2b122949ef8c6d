"""Capabilities of this thread (capabilities(7)), given up for good: what is kept is named, and nothing can come back.

They are a thread's own, and threads that it begins have the same: so they are given up while there is one. Version 3
of the interface: u32 version, s32 thread; twice u32 effective, permitted, inheritable (linux/capability.h).
"""

from __future__ import annotations

import ctypes
import struct
from contextlib import suppress

from portcall.system.kernel_calls import call, process_control

_VERSION_3 = 0x20080522
_HEADER, _SETS = struct.Struct("=Ii"), struct.Struct("=6I")
_READ_BOUNDING, _DROP_BOUNDING, _AMBIENT, _CLEAR_AMBIENT = 23, 24, 47, 4
_MOST = 64


DAC_OVERRIDE, DAC_READ_SEARCH, SYS_PTRACE, SYS_ADMIN = 1, 2, 19, 21
"""Those that are ever kept (linux/capability.h)."""


def permitted() -> int:
    """The bits of those that this thread has, or may take up again."""
    data = ctypes.create_string_buffer(_SETS.size)
    call("capget", _HEADER.pack(_VERSION_3, 0), data)
    _, low, _, _, high, _ = _SETS.unpack(data.raw)
    return int(low | high << 32)


def have(effective: int, permitted: int) -> None:
    """Have these, as bits, and let no program that is begun inherit any. OSError for what this thread may not have."""
    low = [bits & 0xFFFFFFFF for bits in (effective, permitted, 0)]
    call("capset", _HEADER.pack(_VERSION_3, 0), _SETS.pack(*low, effective >> 32, permitted >> 32, 0))


def shrink_bounding_set() -> None:
    """Have no program that is begun get any, whatever its file says; as far as this thread may."""
    with suppress(OSError):  # EINVAL beyond the last one, EPERM without CAP_SETPCAP
        for number in range(_MOST):
            if process_control(_READ_BOUNDING, number):
                process_control(_DROP_BOUNDING, number)


def keep_only(*kept: int) -> None:
    """Have no others, in any of the five sets. OSError for one that is not there to keep."""
    shrink_bounding_set()
    with suppress(OSError):  # Linux before 4.3 has no ambient ones
        process_control(_AMBIENT, _CLEAR_AMBIENT)
    bits = sum(1 << capability for capability in set(kept))
    have(bits, bits)
