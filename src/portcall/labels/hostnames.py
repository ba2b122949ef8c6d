"""The app behind a host name: our own list of services first, else the domain that somebody registered.

    r3---sn-4g5e6nsz.googlevideo.com   youtube          googlevideo.com is in data/apps.toml
    www.example.co.uk                  example.co.uk    co.uk is a public suffix (publicsuffix.org)
    project.github.io                  project.github.io, since github.io hands out names too

A name says nothing about the app where nobody registered it: addresses, single labels (``printer``), reverse zones
(``….in-addr.arpa``), and names below ends that the public DNS does not have (``nas.local``, ``wiki.corp``). Such
traffic is better called by its protocol, and its host keeps the name. The same goes for what cannot be a host name at
all: control characters, spaces, escapes of bytes beyond ASCII. International names stay as sent (``xn--…``).

This module must not know where a name was found, nor what else is known of its flow.
"""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

from portcall.labels.data_files import PUBLIC_SUFFIXES, data_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from publicsuffixlist import PublicSuffixList

MOST_NAME_CHARACTERS = 253
"""The longest host name (RFC 1035 §2.3.4: 255 bytes on the wire)."""

_HOST = re.compile(
    r"(?:\*\.)?"  # a certificate's name may stand for many
    r"((?:[a-z0-9_-]{1,63}\.)+"  # underscores and outer hyphens are not hosts' by RFC 1123, but they are met
    r"[a-z][a-z0-9-]{0,62})"  # no number: 192.0.2.1 is none (RFC 3696 §2)
    r"\.?(?::\d{0,5})?"  # the root; a port, as Host headers have it
)
_INFRASTRUCTURE = ".arpa"  # RFC 3172


class AppLabel(NamedTuple):
    """Which app a conversation belongs to, and why."""

    app: str
    app_source: str
    """As in the column of this name."""
    evidence: str
    """``curated googlevideo.com``, or ``public suffix co.uk``."""


@lru_cache(maxsize=1 << 14)
def app_of_hostname(hostname: str) -> AppLabel | None:
    """The app of a host name as sent, with or without port and last dot, in any case; None where it tells of none."""
    host = _host_of(hostname)
    if host is None:
        return None
    apps = _app_of_suffix()
    suffix = host
    while suffix:
        if name := apps.get(suffix):
            return AppLabel(name, "name", f"curated {suffix}")
        suffix = suffix.partition(".")[2]
    return _registrable(host)


def registered_domain(hostname: str) -> str | None:
    """The domain that somebody registered, one label below a public suffix; None where nobody registered the name."""
    host = _host_of(hostname)
    if host is None or host.endswith(_INFRASTRUCTURE):
        return None
    return _public_suffixes(host.rpartition(".")[2], idna="xn--" in host).privatesuffix(host)


def know_apps(app_of_suffix: Mapping[str, str]) -> None:
    """Have these suffixes, too, mean these apps from now on in this process, before those of the list."""
    _app_of_suffix().update(app_of_suffix)
    app_of_hostname.cache_clear()


def read_suffixes(text: str) -> dict[str, str]:
    """The name of the app of each suffix of the list, without parsing TOML.

    A TOML parser takes 40 ms for words that no report prints. This relies on the order of the keys, which ``apps.toml``
    promises, and a test compares it with what a parser finds.
    """
    entries = re.findall(r'^name = "(.+)"\ntitle = .+\ncategory = .+\nsuffixes = \[([^]]+)\]', text, re.MULTILINE)
    return {suffix: name for name, quoted in entries for suffix in quoted.split('"')[1::2]}


def _host_of(hostname: str) -> str | None:
    """The bare name in lower case, or None for what is not a name of at least two labels."""
    if not hostname.isascii():  # before lower(), which makes a k of the Kelvin sign
        return None
    match = _HOST.fullmatch(hostname.lower())
    return match[1] if match and len(match[1]) <= MOST_NAME_CHARACTERS else None


def _registrable(host: str) -> AppLabel | None:
    if host.endswith(_INFRASTRUCTURE):
        return None
    rules = _public_suffixes(host.rpartition(".")[2], idna="xn--" in host)
    registered = rules.privatesuffix(host)  # one label and the public suffix
    public = registered.partition(".")[2] if registered else rules.publicsuffix(host)
    return AppLabel(registered or host, "name", f"public suffix {public}") if public else None


@cache
def _app_of_suffix() -> dict[str, str]:
    return read_suffixes(data_text("apps.toml"))


@lru_cache(maxsize=1 << 12)
def _public_suffixes(top_level: str, *, idna: bool) -> PublicSuffixList:
    """The rules of one top level; to read those of all takes 18 ms, half as much again to encode international ones."""
    from publicsuffixlist import PublicSuffixList

    rules = _rules_by_top_level().get(_as_listed(top_level), ())
    return PublicSuffixList(rules, accept_unknown=False, accept_encoded_idn=idna)


@cache
def _rules_by_top_level() -> dict[bytes, list[bytes]]:
    """The lines of the list, by their last label."""
    lines: dict[bytes, list[bytes]] = defaultdict(list)
    for line in data_text(PUBLIC_SUFFIXES).encode().splitlines():
        lines[line.rpartition(b".")[2]].append(line)
    return dict(lines)


def _as_listed(top_level: str) -> bytes:
    """A top level as the list writes it; empty for an escape that means nothing."""
    if not top_level.startswith("xn--"):
        return top_level.encode()
    try:
        return top_level.encode().decode("idna").encode()
    except UnicodeError:
        return b""
