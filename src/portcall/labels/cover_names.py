"""Names that are known to cover others in encrypted hellos (ECH): our list in ``data/cover_names.txt``."""

from __future__ import annotations

from functools import cache

from portcall.labels.data_files import data_text


def is_cover_name(name: str) -> bool:
    """Whether a server name, as sent, is one that many servers share as their outer one."""
    return name.lower().rstrip(".") in _cover_names()


@cache
def _cover_names() -> frozenset[str]:
    lines = data_text("cover_names.txt").splitlines()
    return frozenset(filter(None, (line.partition("#")[0].strip() for line in lines)))
