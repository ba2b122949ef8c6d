"""``-o FILE``: tried before hours of work, complete or not there, and where it fails at the end, printed instead.

What stands for an open file of this process (``/dev/stdout``, a shell's ``>(command)``) is that open file: it cannot be
replaced, and what stands behind it, a pipe without a name, cannot be opened by any.
"""

from __future__ import annotations

import os
import re
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from portcall.errors import PortcallError
from portcall.system.privileges import may_write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

_OPEN_FILE = re.compile(r"/proc/(?:self|thread-self|[0-9]+)/fd/([0-9]+)")
_MOST_LINKS = 40  # as many as Linux follows


class UnwritableOutputError(PortcallError):
    """The file cannot be written; what went into it is nowhere."""


def try_output(output: str | None) -> None:
    """UnwritableOutputError where the file could not be written if it were written now; nothing of it is changed."""
    if output is None:
        return
    with refusals_sent(output):
        number = open_file_of(output)
        if number is not None:
            import fcntl  # no Windows has it, nor /proc

            if fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
                raise PermissionError(0, "it was opened for reading alone")
            return
        path, part = _places(output)
        try:
            path.parent.stat()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise PortcallError(f"-o {output}: there is no directory {Path(output).parent}") from error
        if part != path:
            os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
            part.unlink()
        elif path.is_file():
            path.open("a").close()
        elif path.is_dir():
            raise IsADirectoryError(0, "this is a directory")
        elif not may_write(path):  # a device or a pipe, which may wait for a reader
            raise PermissionError(0, "permission denied")


def try_folder(output: str | None) -> None:
    """PortcallError where no files could be written into that folder, which need not be there."""
    if output is None:
        return
    with refusals_sent(output):
        path = Path(os.path.realpath(output))
        if open_file_of(output) is not None or (path.exists() and not path.is_dir()):
            raise NotADirectoryError(0, "this is a file, and several are to be written")
        if not path.is_dir() and not path.parent.is_dir():
            raise PortcallError(f"-o {output}: there is no directory {path.parent}")
        if not may_write(path if path.is_dir() else path.parent):
            raise PermissionError(0, "permission denied")


@contextmanager
def opened_in(output: str, name: str) -> Iterator[TextIO]:
    """A file in a folder, which is made if need be."""
    with refusals_sent(output):
        Path(output).mkdir(exist_ok=True)
    with opened(str(Path(output) / name)) as stream:
        yield stream


def write_out(
    output: str | None, write: Callable[[TextIO], None], write_for_people: Callable[[TextIO], None] | None = None
) -> None:
    """Write to the file, or to stdout; what the file does not take is printed, before it is said as an error.

    ``write_for_people`` writes it where ``write`` makes no text and stdout is a terminal.
    """
    try:
        with opened(output) as stream:
            write(stream)
    except UnwritableOutputError as error:
        (write_for_people if write_for_people and sys.stdout.isatty() else write)(sys.stdout)
        sys.stdout.flush()
        raise PortcallError(f"{error}; so it is on stdout instead") from error


@contextmanager
def opened(output: str | None) -> Iterator[TextIO]:
    """stdout, or a file that appears under its name only when it is complete."""
    if output is None:
        yield sys.stdout
        return
    with refusals_sent(output):
        number = open_file_of(output)
        if number is not None:
            sys.stdout.flush()  # it may be the same
            with os.fdopen(os.dup(number), "w", encoding="utf-8", newline="") as stream:
                yield stream
            return
        path, part = _places(output)
        try:
            with part.open("w", encoding="utf-8", newline="") as stream:
                yield stream
            if part != path:
                part.replace(path)
        finally:
            if part != path:
                part.unlink(missing_ok=True)  # there still is one only where something went wrong


def open_file_of(output: str) -> int | None:
    """The number of the open file of this process that a path stands for, as /dev/stdout does; None for any other."""
    path = os.path.abspath(output)  # noqa: PTH100 - pathlib follows the last link too
    for _ in range(_MOST_LINKS):
        folder, name = os.path.split(path)
        path = os.path.join(os.path.realpath(folder), name)  # noqa: PTH118 - as above
        found = _OPEN_FILE.fullmatch(path)
        if found:
            return int(found[1]) if path.split("/")[2] in {"self", "thread-self", str(os.getpid())} else None
        if not os.path.islink(path):  # noqa: PTH114 - as above
            return None
        path = os.path.join(os.path.dirname(path), os.readlink(path))  # noqa: PTH115, PTH118, PTH120 - as above
    return None


def _places(output: str) -> tuple[Path, Path]:
    """The file, and where to write it first: beside it, or in place what cannot be replaced by a file."""
    path = Path(os.path.realpath(output))
    is_replaceable = may_write(path.parent) if path.is_file() else not path.exists()
    return path, path.with_name(f".{path.name[:200]}.{os.getpid()}.part") if is_replaceable else path


@contextmanager
def refusals_sent(output: str) -> Iterator[None]:
    """UnwritableOutputError for what the system refuses about a file."""
    try:
        yield
    except OSError as error:
        raise UnwritableOutputError(
            f"-o {output}: cannot be written: {(error.strerror or str(error)).lower()}"
        ) from error
