"""The family of targets: a module of ``targets`` each, found by being there.

A module has

    examine(data)   does what portcall does with such bytes. What it may refuse is refused with the errors that a user
                    meets, which are caught there; whatever else is raised, printed by a sanitizer or takes too long is
                    a finding
    seeds()         inputs to begin with
    MOST_BYTES      of an input, where 4096 are too few or too many

A module with ``MEMBERS()``, names, is as many targets: it has ``examine(member, data)``.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import targets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_MOST_BYTES = 4096


class Target(NamedTuple):
    """One function over bytes, and what to begin with."""

    name: str
    examine: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]
    most_bytes: int = _MOST_BYTES


def find_targets(names: Sequence[str] = ()) -> list[Target]:
    """All, or those with these names; that of a module with members means them all. ValueError for others."""
    modules = [module.name for module in pkgutil.iter_modules(targets.__path__)]
    asked = {name.partition("-")[0] for name in names}
    found = [target for name in modules if not names or name in asked for target in _of_module(name)]
    known = {name for target in found for name in (target.name, target.name.partition("-")[0])}
    if missing := set(names) - known:
        raise ValueError(f"no target is called {', '.join(sorted(missing))}")
    return [target for target in found if not names or {target.name, target.name.partition("-")[0]} & set(names)]


def _of_module(name: str) -> list[Target]:
    module = importlib.import_module(f"targets.{name}")
    most_bytes = getattr(module, "MOST_BYTES", _MOST_BYTES)
    if not hasattr(module, "MEMBERS"):
        return [Target(name, module.examine, module.seeds, most_bytes)]
    return [
        Target(f"{name}-{member}", partial(module.examine, member), module.seeds, most_bytes)
        for member in module.MEMBERS()
    ]
