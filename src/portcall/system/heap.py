"""Free memory goes back to the system when somebody asks: objects in circles, and pages between others.

The command has Python look for the former less often than usual, which reports are twice as fast by. A run of months
also frees tables of all sizes, and what is free ends up between memory in use: of glibc's heap half of it after half an
hour (``malloc_info``). Both together grew by 8 MB a minute at 220 connections a second.
"""

from __future__ import annotations

import ctypes
import gc
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def return_free_memory(*, collects: bool = True) -> bool:
    """Give free pages back, malloc_trim(3): whether there were some. False without such a call.

    ``collects``: first look for objects in circles. With 200,000 objects that takes 48 ms, and giving back 3 ms.
    """
    if collects:
        gc.collect()
    trim = _malloc_trim()
    return bool(trim and trim(0))


@cache
def _malloc_trim() -> Callable[[int], int] | None:
    found: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return found
