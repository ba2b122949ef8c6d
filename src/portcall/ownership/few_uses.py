"""The uses of one socket by their keys, where most sockets have one: it needs no table. Pure.

A table of one entry takes 224 bytes, of the 1,215 that a connection took; an empty one 64.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Union

from portcall.ownership.observed_socket import Use

if TYPE_CHECKING:
    from collections.abc import Iterable

FewUses = Union[Use, dict[bytes, Use], None]  # noqa: UP007 - read at run time, also by Python 3.10
"""None, the only one, or several in the order in which they came."""


def use_at(uses: FewUses, key: bytes) -> Use | None:
    """The one with this key."""
    if isinstance(uses, dict):
        return uses.get(key)
    return uses if uses is not None and uses.key == key else None


def with_use(uses: FewUses, use: Use) -> FewUses:
    """These and one with another key."""
    if uses is None:
        return use
    if not isinstance(uses, dict):
        uses = {uses.key: uses}
    uses[use.key] = use
    return uses


def each_of(uses: FewUses) -> Iterable[Use]:
    """All of them."""
    if isinstance(uses, dict):
        return uses.values()
    return () if uses is None else (uses,)


def pop_oldest(uses: dict[bytes, Use]) -> Use:
    """Take out the one that was put in first."""
    return uses.pop(next(iter(uses)))
