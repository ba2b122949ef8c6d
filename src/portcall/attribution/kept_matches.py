"""Whose the ends of rows are, kept outside of memory: numbers, and what each of them is, read when somebody asks.

Who keeps arrays knows files; here it is somebody who gives them back as they were. What was looked at is told to rest,
so that it takes no memory until it is looked at again.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, overload

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from portcall.records.ownership import Match


class RowStore(Protocol):
    """Keeps arrays outside of memory."""

    most_rows: int
    """That are kept; of more, those of most bytes."""

    def kept(self, array: NDArray[Any]) -> NDArray[Any]:
        """The same, which is read only."""

    def rest(self) -> None:
        """Nobody looks at what is kept for now."""


class KeptMatches(Sequence["Match | None"]):
    """Matches, as a sequence that is read as a whole, and forgotten when it is to rest."""

    def __init__(self, matches: Sequence[Match | None], store: RowStore) -> None:
        distinct = {id(match): match for match in matches}  # many rows share one, as they were found together
        numbers = {identity: number for number, identity in enumerate(distinct)}
        self._numbers = store.kept(np.array([numbers[id(match)] for match in matches], np.uint32))
        self._distinct = store.kept(np.frombuffer(pickle.dumps(list(distinct.values())), np.uint8))
        self._read: list[Match | None] | None = None

    def __len__(self) -> int:
        """How many."""
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> Match | None: ...
    @overload
    def __getitem__(self, index: slice) -> list[Match | None]: ...
    def __getitem__(self, index: int | slice) -> Match | list[Match | None] | None:
        """One of them, or some."""
        if self._read is None:
            distinct = pickle.loads(self._distinct.tobytes())  # noqa: S301 - no other process can have written it
            self._read = [distinct[number] for number in self._numbers.tolist()]
        return self._read[index]

    def rest(self) -> None:
        """Nobody looks at them for now."""
        self._read = None
