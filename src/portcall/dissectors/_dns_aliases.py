"""Aliases in a DNS message: which name was asked for, of each that an answer goes on with, whatever the records' order.

An alias is a CNAME (RFC 1035 §3.3.1), or a DNAME that renames all below a name (RFC 6672). A chain may be long,
loop, or be cut; every name is looked at once.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from portcall.dissectors._dns_message import ALIAS, SUBTREE
from portcall.dissectors._domain_names import read_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from portcall.dissectors._dns_message import Record

    _Aliases = dict[bytes, tuple[bytes, int]]

_MOST_SUBTREES = 8
_MOST_NAME_BYTES = 255  # RFC 6672 §2.2: a longer one is none
_LONGEST_S = 1 << 32


def asked_names(data: bytes, questions: Iterable[bytes], records: Iterable[Record]) -> _Aliases:
    """Name → the first name of its chain, and the least time to live on the way there; all in lower case.

    A chain begins with a question, else with a name that no alias leads to. Empty where there are no aliases.
    """
    aliases: _Aliases = {}
    subtrees: _Aliases = {}
    for name, kind, _, time_to_live_s, start, _ in records:
        if kind in (ALIAS, SUBTREE) and (target := read_name(data, start)):
            found = aliases if kind == ALIAS else subtrees
            if kind == ALIAS or len(subtrees) < _MOST_SUBTREES:
                found.setdefault(name.lower(), (target[0].lower(), time_to_live_s))
    asked: _Aliases = {}
    if not aliases and not subtrees:
        return asked
    targets = {target for target, _ in aliases.values()}
    firsts = (name for name in aliases if name not in targets)
    for first in chain(map(bytes.lower, questions), firsts):
        _follow(first, aliases, subtrees, asked)
    return asked


def _follow(first: bytes, aliases: _Aliases, subtrees: _Aliases, asked: _Aliases) -> None:
    """Note the names of one chain, up to one that was seen before."""
    name, least_s = first, _LONGEST_S
    for _ in range(len(aliases) + len(subtrees) + 1):
        if name in asked or len(name) > _MOST_NAME_BYTES:
            return
        asked[name] = first, least_s
        step = aliases.get(name) or _renamed(name, subtrees)
        if step is None:
            return
        name, least_s = step[0], min(least_s, step[1])


def _renamed(name: bytes, subtrees: _Aliases) -> tuple[bytes, int] | None:
    """What a name below one that was renamed is called now."""
    for old, (new, time_to_live_s) in subtrees.items():
        if name.endswith(b"." + old):
            return name[: -len(old)] + new, time_to_live_s
    return None
