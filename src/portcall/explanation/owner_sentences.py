"""Whose the ends of a flow are, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from portcall.records.schema import REASONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    Row = dict[str, Any]  # Any: plain values of several types, see schema


def process_sentence(row: Row, end: str) -> str:
    """The process at one end, which has one, and who says so."""
    pid, exe, user, container = (row[f"{end}_{name}"] for name in ("pid", "exe", "user", "container"))
    words = [
        f"its process is {row[f'{end}_process']}{f' ({pid})' if pid else ''}",
        *([f"the program {exe}"] if exe else []),
        *([f"of user {user}"] if user else []),
        *([f"in {container}"] if container else []),
    ]
    return f"{', '.join(words)}; {row['owner_source']} says so"


def owner_sentences(row: Row) -> Iterator[str]:
    """Why nobody is taken for the owner of an end, where owners are known."""
    if row["owner_search"]:
        yield f"{REASONS.get(row['unattributed_reason'], 'one end has none')}: {row['owner_search']}"
