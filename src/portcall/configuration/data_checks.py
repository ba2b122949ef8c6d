"""Whether a file of data of the user's own may stand for a shipped one: each is read as it will be used, and wholly.

A check gives the number of entries, or a ValueError with the place of what is wrong.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

from portcall.errors import UsageError
from portcall.labels.curated_services import read_names, read_ranges, read_services
from portcall.labels.data_files import PUBLIC_SUFFIXES
from portcall.labels.hostnames import read_suffixes
from portcall.labels.port_lists import PORTS, TRANSPORTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_HOST = re.compile(r"(?:[a-z0-9_-]{1,63}\.)*[a-z0-9-]{1,63}")
_WORD = re.compile(r"[a-z0-9][a-z0-9_.+-]{0,59}")
_SUITE = re.compile(r"TLS_[A-Za-z0-9_]{1,80}")
_NOT_PRINTABLE = re.compile(r"[^\n\t -~\xa0-\U0010ffff]")


def check(path: Path, name: str, text: str) -> int:
    """How many entries it has as the file of that name; UsageError with what is wrong, and where."""
    try:
        return _count(name, text)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(f"{path}: it cannot stand for {name}: {error}") from error


def _count(name: str, text: str) -> int:
    if found := _NOT_PRINTABLE.search(text):
        raise ValueError(f"line {text.count(chr(10), 0, found.start()) + 1} has a control character")
    if count := _CHECKS[name](text):
        return count
    raise ValueError("there is no entry in it")


def _apps(text: str) -> int:
    entries = _toml(text)["app"]
    suffixes = {suffix: entry["name"] for entry in entries for suffix in entry["suffixes"]}
    if read_suffixes(text) != suffixes:
        raise ValueError("each [[app]] has name, title, category and suffixes in this order, and no suffix twice")
    for suffix, app in suffixes.items():
        _match(_HOST, suffix, f"suffix of {app}")
        _match(_WORD, app, "name")
    return len(entries)


def _services(text: str) -> int:
    single, ranges = read_names(text)
    entries = _toml(text)["service"]
    read_services(text)
    read_ranges(text)
    if len(entries) != len(single.names) + len(ranges.names):
        raise ValueError("each [[service]] has port (or ports), transports and name in this order")
    for entry in entries:
        _match(_WORD, entry["name"], "name")
        first, last = entry.get("ports") or (entry["port"],) * 2
        if not 0 <= first <= last < PORTS or not set(entry["transports"]) <= set(TRANSPORTS):
            raise ValueError(f"{entry['name']}: ports are 0 to 65535, transports any of {', '.join(TRANSPORTS)}")
    return len(entries)


def _cover_names(text: str) -> int:
    names = [name for line in text.splitlines() if (name := line.partition("#")[0].strip())]
    for name in names:
        _match(_HOST, name, "name")
    return len(names)


def _iana(text: str) -> int:
    count = 0
    for line, (port, transports, name) in _rows(text, ("port", "transports", "name")):
        if not port.isdecimal() or int(port) >= PORTS or not set(transports.split("/")) <= set(TRANSPORTS):
            raise ValueError(f"line {line} has no port of {', '.join(TRANSPORTS)}")
        _match(_WORD, name, f"line {line}")
        count += 1
    return count


def _cipher_suites(text: str) -> int:
    count = 0
    for line, (number, name) in _rows(text, ("number", "name")):
        if not number.isdecimal() or int(number) >= 1 << 16:
            raise ValueError(f"line {line} has no number below 65536")
        _match(_SUITE, name, f"line {line}")
        count += 1
    return count


def _public_suffixes(text: str) -> int:
    rules = [rule for line in text.splitlines() if (rule := line.strip()) and not rule.startswith("//")]
    for rule in rules:
        if not re.fullmatch(r"!?(?:\*\.)?[^\s*!/]+(?:\.\*)?", rule):
            raise ValueError(f"{rule!r} is no rule (publicsuffix.org/list)")
    if not {"com", "org"} <= set(rules):
        raise ValueError("com and org are not in it")
    return len(rules)


_CHECKS: dict[str, Callable[[str], int]] = {
    "apps.toml": _apps,
    "services.toml": _services,
    "cover_names.txt": _cover_names,
    "iana-services.csv": _iana,
    "tls_cipher_suites.csv": _cipher_suites,
    PUBLIC_SUFFIXES: _public_suffixes,
}


def _rows(text: str, heads: tuple[str, ...]) -> Iterator[tuple[int, list[str]]]:
    """The cells of each line below the head, with its number from 1 on."""
    lines = text.splitlines()
    begin = next((at for at, line in enumerate(lines) if line == ",".join(heads)), None)
    if begin is None or not text.endswith("\n"):
        raise ValueError(f"it needs the head {','.join(heads)}, and an end of line at the end")
    for number, line in enumerate(lines[begin + 1 :], begin + 2):
        cells = line.split(",")
        if len(cells) != len(heads):
            raise ValueError(f"line {number} has {len(cells)} cells")
        yield number, cells


def _match(pattern: re.Pattern[str], word: str, what: str) -> None:
    if not pattern.fullmatch(word):
        raise ValueError(f"{what}: {word!r}")


def _toml(text: str) -> dict[str, Any]:  # Any: what TOML has
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    return tomllib.loads(text)
