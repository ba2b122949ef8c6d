"""The files of data that names come from: where each is from, and on what terms.

    apps.toml, services.toml, cover_names.txt             our own lists
    iana-services.csv, tls_cipher_suites.csv              snapshots of IANA's registries
    public_suffix_list.dat                                that of the package publicsuffixlist

They lie in ``portcall/data``, but for the last one.
"""

from __future__ import annotations

from typing import NamedTuple


class DataFile(NamedTuple):
    """One of them."""

    name: str
    holds: str
    """What names come from it, in a few words."""
    source: str
    licence: str
    """An SPDX identifier, or words where there is none."""


_OURS, _FACTS = "GPL-2.0-or-later", "facts of a public registry"

DATA_FILES = (
    DataFile("apps.toml", "apps by the ends of host names", "our own list", _OURS),
    DataFile("services.toml", "services by port", "our own list", _OURS),
    DataFile("cover_names.txt", "outer names of encrypted hellos", "our own list", _OURS),
    DataFile("iana-services.csv", "IANA's services by port", "IANA's registry of port numbers", _FACTS),
    DataFile("tls_cipher_suites.csv", "names of TLS cipher suites", "IANA's registry of TLS parameters", _FACTS),
    DataFile("public_suffix_list.dat", "domains that somebody registered", "publicsuffix.org", "MPL-2.0"),
)
"""All of them, what matters most first."""
