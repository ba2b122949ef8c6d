"""Files of data that are the user's own, in place of shipped ones: where they lie, and whose count.

A user's are in ~/.local/share/portcall (or below XDG_DATA_HOME). With rights, also by sudo, only those in
/etc/portcall/data count, and only where nobody but root can write them. ``checked.json`` beside them says which
bytes were checked (``data_checks``), when, and what they were called: a file that was changed since, or never checked,
is told and not used. Nothing is ever fetched.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from portcall.errors import UsageError
from portcall.isolation import has_rights
from portcall.labels.data_files import DATA_FILES

if TYPE_CHECKING:
    from collections.abc import Mapping

SYSTEM_FOLDER = Path("/etc/portcall/data")
MOST_BYTES = 4 << 20
_CHECKED = "checked.json"
_MENDED_BY = "Check it: portcall update-data FILE. --no-config goes without it"
NAMES = tuple(file.name for file in DATA_FILES)


class OwnFile(NamedTuple):
    """One that is used."""

    path: Path
    text: str
    source: str
    """What it was called when it was checked."""
    date: str
    """The day, UTC."""


def own_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder that counts for this process, whether or not it is there."""
    if has_rights():
        return SYSTEM_FOLDER
    folder = environment.get("XDG_DATA_HOME", "")
    home = Path(folder) if os.path.isabs(folder) else Path(environment.get("HOME", "/")) / ".local" / "share"  # noqa: PTH117 - of text
    return home / "portcall"


def own_files(folder: Path) -> dict[str, OwnFile]:
    """Those of the folder by name; UsageError where one is not what was checked, or others can write it."""
    found = [name for name in NAMES if os.access(folder, os.X_OK) and (folder / name).exists()]
    if not found:
        return {}
    checked = _checked(folder)
    _refuse_what_others_write(folder)
    return {name: _own_file(folder / name, checked.get(name)) for name in found}


def put(folder: Path, name: str, text: str, source: str) -> None:
    """Lay a text that was checked into the folder, whole or not at all."""
    from datetime import datetime, timezone

    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    date = datetime.now(timezone.utc).date().isoformat()
    _write(folder / name, text.encode())
    _write_checked(folder, _checked(folder) | {name: {"sha256": _digest(text), "source": source, "date": date}})


def remove(folder: Path, name: str) -> bool:
    """Take one out again, so that the shipped one counts; whether it was there."""
    was_there = (folder / name).exists()
    (folder / name).unlink(missing_ok=True)
    if was_there:
        _write_checked(folder, {other: entry for other, entry in _checked(folder).items() if other != name})
    return was_there


def read_data(path: Path) -> str:
    """The text of a file that a user names; UsageError where it can be none of data."""
    try:
        with path.open("rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise UsageError(f"{path}: it is no plain file")
            content = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}. portcall fetches nothing: name a file") from error
    if len(content) > MOST_BYTES:
        raise UsageError(f"{path}: it is larger than {MOST_BYTES} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: at byte {error.start} it is no UTF-8") from error


def _own_file(path: Path, entry: Any) -> OwnFile:  # Any: JSON
    _refuse_what_others_write(path)
    text = read_data(path)
    if not isinstance(entry, dict) or entry.get("sha256") != _digest(text):
        raise UsageError(f"{path}: it was never checked, or was changed since. {_MENDED_BY}")
    return OwnFile(path, text, str(entry.get("source")), str(entry.get("date")))


def _checked(folder: Path) -> dict[str, Any]:  # Any: JSON
    import json  # only who has such files waits for it

    try:
        found = json.loads((folder / _CHECKED).read_bytes())
    except (FileNotFoundError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _write_checked(folder: Path, entries: dict[str, Any]) -> None:  # Any: JSON
    import json

    _write(folder / _CHECKED, json.dumps(entries, indent=1).encode() + b"\n")


def _digest(text: str) -> str:
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()


def _refuse_what_others_write(path: Path) -> None:
    status = path.stat()
    if has_rights() and (status.st_uid != 0 or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)):
        raise UsageError(
            f"{path}: others than root can write it, so it does not count. Mend it: chown root, chmod go-w"
        )


def _write(path: Path, content: bytes) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("xb") as stream:
            os.fchmod(stream.fileno(), 0o644)
            stream.write(content)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
