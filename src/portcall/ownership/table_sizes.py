"""A table of Python never becomes smaller by itself: one that was much fuller is made anew. Pure."""

from __future__ import annotations

import sys
from typing import Any, TypeVar

Table = TypeVar("Table", dict[Any, Any], set[Any])  # Any: of whatever they hold

_MOST_ENTRY_BYTES = 256
"""Of a table; twice what an entry takes where Python has just enlarged it."""
_FEW_BYTES = 1 << 16


def fitting(table: Table) -> Table:
    """A table with the same in it, without room for much more: the same one, or one step for each entry."""
    is_too_large = sys.getsizeof(table) > _MOST_ENTRY_BYTES * len(table) + _FEW_BYTES
    return type(table)(table) if is_too_large else table
