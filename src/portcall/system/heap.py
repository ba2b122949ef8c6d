"""The C library's heap: what is free in it goes back to the system only when somebody asks.

A run of months allocates and frees tables of all sizes, so free memory ends up between memory in use. Of glibc's heap
that was half after half an hour (``malloc_info``), and it grew by 8 MB a minute at 220 connections a second.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def return_free_memory() -> bool:
    """Give free pages back, malloc_trim(3); whether there were some. False where the C library has no such call."""
    trim = _malloc_trim()
    return bool(trim and trim(0))


@cache
def _malloc_trim() -> Callable[[int], int] | None:
    found: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return found
