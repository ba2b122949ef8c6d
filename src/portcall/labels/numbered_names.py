"""Names by number, each kept once, as bytes: a million of thirty letters take 60 MB, as texts in a dictionary 200."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from portcall.kernels.texts.text_numbers import TextNumbers

if TYPE_CHECKING:
    from collections.abc import Iterator

_SEED = int.from_bytes(os.urandom(8), "big")  # changes no result
_AS_IT_IS = "surrogatepass"  # a name that somebody wrote into a state may be no Unicode


class NumberedNames:
    """Numbers of names from 1 on, in the order in which they came; 0 is the empty name."""

    def __init__(self) -> None:
        self._texts = TextNumbers(_SEED)
        self._texts.add(b"")

    def __len__(self) -> int:
        """How many there are."""
        return len(self._texts) - 1

    def __iter__(self) -> Iterator[str]:
        """All of them, from number 1 on."""
        return map(self.__getitem__, range(1, len(self._texts)))

    def __getitem__(self, number: int) -> str:
        """The name with this number."""
        return self._texts[number].decode("utf-8", _AS_IT_IS)

    def find(self, name: str) -> int | None:
        """The number of a name; None for one that was never added."""
        number = self._texts.find(name.encode("utf-8", _AS_IT_IS))
        return None if number < 0 else number

    def add(self, name: str) -> int:
        """The number of a name, a new one if it never came."""
        return self._texts.add(name.encode("utf-8", _AS_IT_IS))
