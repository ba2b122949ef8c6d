"""Which rows of a list are wanted: those of an expression, and of them the first ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    Rows = list[dict[str, Any]]  # Any: plain values of several types, see schema


def chooser(where: str | None, by: str, top: int | None = None) -> Callable[[Rows], Rows]:
    """What picks of rows grouped ``by`` those for which ``where`` holds, and of them the first ``top``.

    UsageError as of compile_where; what is None picks all.
    """
    if not where:
        return lambda rows: rows[:top]
    from portcall.queries.row_filter import compile_where

    keep = compile_where(where, by)
    return lambda rows: [row for row in rows if keep(row)][:top]
