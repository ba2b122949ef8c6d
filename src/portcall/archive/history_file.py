"""The file that history is in: where it lies, whose it is, and whether it is one of ours before SQLite opens it.

It says which program of whom talked with which host, so only its owner may read it (mode 0600). With root's rights no
link is followed that root did not make, and nothing is opened in folders that others may write to: they could put
another file there. Who writes holds a lock on the file's ``-writer``, and says there who it is.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from portcall.errors import PortcallError
from portcall.system.privileges import file_user
from portcall.system.remedies import with_sudo

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NAME = "history.sqlite"
APPLICATION_ID = int.from_bytes(b"pcHi", "big")
"""Of SQLite's header, at byte 68 (https://www.sqlite.org/fileformat.html §1.3): it is ours."""
SERVICE_PATH = Path("/var/lib/portcall") / NAME
"""Where the unit of docs/service.md has it."""

_MAGIC = b"SQLite format 3\0"
_HEADER_BYTES, _APPLICATION_ID_AT = 100, 68
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


class HistoryError(PortcallError):
    """The file cannot be used; it says which one, why, and what to do."""

    def __init__(self, path: object, why: str) -> None:
        super().__init__(f"{path}: {why}")


def default_path(environment: Mapping[str, str], user: int | None = None) -> Path:
    """The service's own state folder (systemd's STATE_DIRECTORY), else the user's (XDG Base Directory, 2021).

    ``user`` is that user's number; without it, who this is.
    """
    service = environment.get("STATE_DIRECTORY", "").split(":")[0]
    if service:
        return Path(service) / NAME
    state = environment.get("XDG_STATE_HOME", "")
    return Path(state if state.startswith("/") else _home(user) / ".local" / "state") / "portcall" / NAME


def _home(user: int | None) -> Path:
    """That of the user, which after sudo is not the one that HOME names."""
    import pwd

    try:
        return Path(pwd.getpwuid(os.geteuid() if user is None else user).pw_dir)
    except KeyError:
        return Path.home()


def made_ready(path: Path, *, makes_folder: bool) -> bool:
    """Have the file there for who writes it, empty if it was not; whether it is empty. HistoryError where it must not.

    ``makes_folder``: its folder is made too, for nobody else.
    """
    with _refusals_sent(path):
        if makes_folder:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        elif not path.parent.is_dir():
            raise HistoryError(path, f"there is no directory {path.parent}. Make it, or name another file")
        _check_place(path)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _flags(), 0o600)
        try:
            return _is_empty(path, descriptor)
        finally:
            os.close(descriptor)


def check_readable(path: Path) -> None:
    """HistoryError unless it is there, and ours."""
    with _refusals_sent(path):
        if path.parent.exists():
            _check_place(path)
        try:
            descriptor = os.open(
                path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (os.O_NOFOLLOW if _is_root() else 0)
            )
        except (FileNotFoundError, NotADirectoryError) as error:
            raise HistoryError(
                path, f"there is no history yet. '{with_sudo('live', '--history')}' fills it{_hint(path)}"
            ) from error
        try:
            if _is_empty(path, descriptor):
                raise HistoryError(path, f"it is empty. '{with_sudo('live', '--history')}' fills it")
        finally:
            os.close(descriptor)


def _hint(path: Path) -> str:
    is_there = False
    with suppress(OSError):
        is_there = SERVICE_PATH.exists() or SERVICE_PATH.parent.is_symlink()
    return (
        f"; the service's is {SERVICE_PATH}: '{with_sudo('history', str(SERVICE_PATH))}'"
        if is_there and path != SERVICE_PATH
        else ""
    )


def _is_empty(path: Path, descriptor: int) -> bool:
    """Whether nothing is in it; HistoryError where something else is."""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise HistoryError(path, "it is no file. Name a file")
    header = os.read(descriptor, _HEADER_BYTES)
    if not header:
        return True
    if not header.startswith(_MAGIC):
        raise HistoryError(path, "it is no history, and is left as it is. Name another file")
    found = int.from_bytes(header[_APPLICATION_ID_AT : _APPLICATION_ID_AT + 4], "big")
    if len(header) < _HEADER_BYTES or found != APPLICATION_ID:
        raise HistoryError(
            path,
            f"it is an SQLite file of something else (application_id {found:#x} at byte {_APPLICATION_ID_AT}, "
            f"and ours is {APPLICATION_ID:#x}), and is left as it is. Name another file",
        )
    return False


def _is_root() -> bool:
    return 0 in (os.geteuid(), file_user())


def _flags() -> int:
    return os.O_CLOEXEC | os.O_NONBLOCK | (os.O_NOFOLLOW if _is_root() else 0)


def _check_place(path: Path) -> None:
    """As root: HistoryError where somebody else decides which file has that name."""
    if not _is_root():
        return
    place = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links
    for one in (place, *place.parents):
        try:
            found = one.lstat()
        except FileNotFoundError:
            continue
        if stat.S_ISLNK(found.st_mode) and (found.st_uid != 0 or one == place):
            raise HistoryError(path, f"{one} is a link, which root does not follow here. Name the file itself")
    if place.parent.stat().st_mode & _OTHERS_MAY_WRITE:
        raise HistoryError(path, f"others may write to {place.parent}, and root does not write there. Use another one")


class WriterLock:
    """Held by who writes to a file; HistoryError, with who that is, for everybody else."""

    def __init__(self, path: Path) -> None:
        import fcntl

        place = path.with_name(f"{path.name}-writer")
        with _refusals_sent(path):
            self._held = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            who = os.read(self._held, 20).decode(errors="replace").strip()
            os.close(self._held)
            named = (
                f"process {who}, a 'portcall live --history'," if who.isdigit() else "another 'portcall live --history'"
            )
            raise HistoryError(path, f"{named} writes to it. End that one, or name another file") from error
        os.ftruncate(self._held, 0)
        os.pwrite(self._held, f"{os.getpid()}\n".encode(), 0)

    def close(self) -> None:
        """Let others write."""
        os.close(self._held)


@contextmanager
def _refusals_sent(path: Path) -> Iterator[None]:
    """HistoryError for what the system refuses."""
    try:
        yield
    except OSError as error:
        raise HistoryError(
            path, f"it cannot be used: {(error.strerror or str(error)).lower()}. Name another file"
        ) from error
