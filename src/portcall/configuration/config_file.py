"""The configuration file: where it is, and what it may say.

    [networks]                        networks that are mine, and what I call them
    "192.168.1.0/24" = "home"

    [apps]                            apps of my own, by the host names that end so
    wiki = ["wiki.example.org"]

    [read]                            options that I always give, by their names, a table for each command
    by = "host"

A user's is ~/.config/portcall/config.toml (or in XDG_CONFIG_HOME). With rights, also by sudo, only
/etc/portcall/config.toml counts, and only where nobody but root can write it. It is data: it names no file to write, no
place to listen and no program, and whoever asks for a format that programs read gets what everybody gets. What it says
of options is checked by ``commands/shell/configured_options``, which knows them.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from portcall.errors import UsageError
from portcall.isolation import has_rights

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_BYTES = 1 << 16
SYSTEM_FILE = Path("/etc/portcall/config.toml")
_MOST_NAME_CHARACTERS = 60
_HOST = re.compile(r"(?:[a-z0-9_-]{1,63}\.)+[a-z][a-z0-9-]{0,62}")


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a file says, checked but for options."""

    path: Path
    networks: dict[str, str] = field(default_factory=dict)
    """Network → its name."""
    apps: dict[str, str] = field(default_factory=dict)
    """End of host names → app."""
    options: dict[str, dict[str, Any]] = field(default_factory=dict)  # Any: what TOML has
    """Command → options by their names."""


def configuration_path(environment: Mapping[str, str] = os.environ) -> Path:
    """The file that counts for this process, whether or not it is there."""
    if has_rights():
        return SYSTEM_FILE
    folder = environment.get("XDG_CONFIG_HOME", "")
    home = Path(folder) if os.path.isabs(folder) else Path(environment.get("HOME", "/")) / ".config"  # noqa: PTH117 - of text
    return home / "portcall" / "config.toml"


def read_configuration(path: Path) -> Configuration | None:
    """What the file says; None where there is none, UsageError with file and place where it cannot be right."""
    try:
        with path.open("rb") as stream:
            _check(path, os.fstat(stream.fileno()))
            content = stream.read(MOST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if isinstance(error, PermissionError) and not os.access(path.parent, os.X_OK):
            return None  # of a home that is somebody else's
        raise _wrong(path, error.strerror or str(error)) from error
    if len(content) > MOST_BYTES:
        raise _wrong(path, f"it is larger than {MOST_BYTES} bytes")
    return _read(path, _tables(path, content))


def _check(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise _wrong(path, "it is no plain file")
    if has_rights() and (status.st_uid != 0 or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)):
        raise _wrong(path, "others than root can write it, so it does not count. Mend it: chown root and chmod go-w")


def _tables(path: Path, content: bytes) -> dict[str, Any]:  # Any: as above
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _wrong(path, f"it is no TOML: {error}") from error


def _read(path: Path, tables: dict[str, Any]) -> Configuration:  # Any: as above
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise _wrong(path, f"{name!r} stands in no table: [networks], [apps], or the name of a command")
    networks = {_network(path, text): _name(path, text, name) for text, name in tables.pop("networks", {}).items()}
    apps = {
        suffix: _name(path, "apps", app)
        for app, suffixes in tables.pop("apps", {}).items()
        for suffix in _suffixes(path, app, suffixes)
    }
    return Configuration(path, networks, apps, tables)


def _network(path: Path, text: str) -> str:
    import ipaddress  # only who has networks waits for it

    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        raise _wrong(path, f"[networks] {text!r}: {error}") from error


def _name(path: Path, of: str, name: Any) -> str:  # Any: as above
    if not isinstance(name, str) or not 0 < len(name) <= _MOST_NAME_CHARACTERS or not name.isprintable():
        raise _wrong(path, f"{of}: {name!r} is no name of at most {_MOST_NAME_CHARACTERS} characters")
    return name


def _suffixes(path: Path, app: str, suffixes: Any) -> list[str]:  # Any: as above
    found = suffixes if isinstance(suffixes, list) else [suffixes]
    for suffix in found:
        if not isinstance(suffix, str) or not _HOST.fullmatch(suffix):
            raise _wrong(path, f'[apps] {app}: {suffix!r} is no host name. Write it like: {app} = ["wiki.example.org"]')
    return found


def _wrong(path: Path, what: str) -> UsageError:
    return UsageError(f"{path}: {what}. --no-config goes without it")
