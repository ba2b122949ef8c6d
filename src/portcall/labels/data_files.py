"""The files of data that names come from: where each is from, on what terms, and whose is used.

    apps.toml, services.toml, cover_names.txt             our own lists
    iana-services.csv, tls_cipher_suites.csv              snapshots of IANA's registries
    public_suffix_list.dat                                that of the package publicsuffixlist

They lie in ``portcall/data``, but for the last one. ``use_own`` puts others in their place for this process, before the
first question; ``configuration/own_data`` knows where a user has them. Nothing here fetches anything.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class DataFile(NamedTuple):
    """One of them."""

    name: str
    holds: str
    """What names come from it, in a few words."""
    source: str
    licence: str
    """An SPDX identifier, or words where there is none."""
    version: str | None = None
    """Of the shipped one, where it has no word for it inside; None where it is of this portcall."""


PUBLIC_SUFFIXES = "public_suffix_list.dat"
_OURS, _FACTS = "GPL-2.0-or-later", "facts of a public registry"

DATA_FILES = (
    DataFile("apps.toml", "apps by the ends of host names", "our own list", _OURS),
    DataFile("services.toml", "services by port", "our own list", _OURS),
    DataFile("cover_names.txt", "outer names of encrypted hellos", "our own list", _OURS),
    DataFile("iana-services.csv", "IANA's services by port", "IANA's registry of port numbers", _FACTS),
    DataFile(
        "tls_cipher_suites.csv", "names of TLS cipher suites", "IANA's registry of TLS parameters", _FACTS, "2026-01"
    ),
    DataFile(PUBLIC_SUFFIXES, "domains that somebody registered", "publicsuffix.org", "MPL-2.0"),
)
"""All of them, what matters most first."""

_VERSION = re.compile(r"(?:VERSION: |generated |version )(\d{4}-\d\d(?:-\d\d)?\w*)")
_HEAD_CHARACTERS = 1000
_own: dict[str, str] = {}


def data_text(name: str) -> str:
    """What one holds: the user's own text, or the shipped one."""
    return _own[name] if name in _own else shipped_path(name).read_text(encoding="utf-8")


def shipped_path(name: str) -> Path:
    """Where the shipped one lies."""
    if name == PUBLIC_SUFFIXES:
        from publicsuffixlist import PSLFILE

        return Path(PSLFILE)
    return Path(__file__).parents[1] / "data" / name


def use_own(texts: Mapping[str, str]) -> None:
    """Have these texts, checked, stand for the shipped ones in this process; before anything is labelled."""
    _own.update(texts)


def version_in(text: str) -> str | None:
    """The date that a file says of itself in its first lines: ``VERSION: 2026-10-23``, ``generated 2026-11-22``."""
    found = _VERSION.search(text[:_HEAD_CHARACTERS])
    return found[1] if found else None
