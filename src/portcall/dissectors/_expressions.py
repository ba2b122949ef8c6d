"""Regular expressions that are compiled when they are first used.

The dissectors have two hundred, and a capture seldom needs more than some of them. To compile all takes longer than to
read a small one.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Find = Callable[..., re.Match[bytes] | None]


class Expression:
    """An expression over bytes; its methods are those of ``re.Pattern``, and as fast from their second call on."""

    def __init__(self, pattern: bytes, flags: int = 0) -> None:
        self.pattern = pattern
        self._flags = flags

    @cached_property
    def match(self) -> Find:
        """As ``re.Pattern.match``, and so on."""
        return self._compiled.match

    @cached_property
    def fullmatch(self) -> Find:
        return self._compiled.fullmatch

    @cached_property
    def search(self) -> Find:
        return self._compiled.search

    @cached_property
    def findall(self) -> Callable[..., list[Any]]:  # Any: bytes, or several of them where the expression has groups
        return self._compiled.findall

    @cached_property
    def finditer(self) -> Callable[..., Iterator[re.Match[bytes]]]:
        return self._compiled.finditer

    @cached_property
    def _compiled(self) -> re.Pattern[bytes]:
        return re.compile(self.pattern, self._flags)
