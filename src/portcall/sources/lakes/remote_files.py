"""Files that are not on this machine: objects behind ``s3://``, ``gs://``, ``abfs://`` and ``hdfs://`` addresses.

pyarrow knows these stores and finds keys where their own tools do: in the environment, in a profile, in the machine's
role. A local path is opened as ever. This is the home of ``pyarrow.fs``.
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from portcall.errors import CaptureError, UsageError

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+://")
_BUFFER_BYTES = 4 << 20  # of an object at once: a request takes some ten milliseconds
_PATTERN = re.compile(r"[*?\[]")


def is_remote(path: str) -> bool:
    """Whether a path is an address."""
    return bool(_SCHEME.match(path))


def file_system(address: str) -> tuple[FileSystem, str]:
    """What stores an address or a local path, and what it is called there. UsageError where nothing knows it."""
    try:
        from pyarrow import fs
    except ModuleNotFoundError as error:
        raise UsageError(f"{address}: this needs the package pyarrow, which portcall[arrow] brings") from error
    if not is_remote(address):
        return fs.LocalFileSystem(), str(Path(address).absolute())
    try:
        found: tuple[FileSystem, str] = fs.FileSystem.from_uri(address)
    except (OSError, ValueError) as error:
        raise UsageError(f"{address}: {error}") from error
    return found


def open_remote(address: str) -> tuple[io.RawIOBase, int]:
    """An object that can be read and sought in, and its size. CaptureError where there is none."""
    store, path = file_system(address)
    try:
        file = store.open_input_file(path)
        return _Object(file), file.size()
    except OSError as error:
        raise CaptureError(address, None, _first_line(error), "Does it exist, and may this user read it?") from error


class _Object(io.RawIOBase):
    """A file of pyarrow, read in pieces that are worth a request."""

    def __init__(self, file: Any) -> None:  # Any: pyarrow has no types
        self._file, self._piece = file, memoryview(b"")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # Any: a writable buffer
        if not self._piece:
            self._piece = memoryview(self._file.read(_BUFFER_BYTES))
        view = memoryview(buffer).cast("B")
        count = min(len(view), len(self._piece))
        view[:count] = self._piece[:count]
        self._piece = self._piece[count:]
        return count

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_CUR:
            offset += self.tell()
        elif whence == io.SEEK_END:
            offset += self._file.size()
        self._piece = memoryview(b"")
        self._file.seek(offset)
        return offset

    def tell(self) -> int:
        return int(self._file.tell()) - len(self._piece)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def listed(address: str) -> list[str]:
    """The objects that an address means: a pattern as the shell has them, or all below a folder, in order of names.

    The address itself where there is none. UsageError where nothing knows it.
    """
    file_system(address)
    from pyarrow import fs

    pattern = _PATTERN.search(address)
    base = address[: address.rindex("/", 0, pattern.start()) + 1] if pattern else address
    store, path = file_system(base)
    path = path.rstrip("/")
    bare = base.rstrip("/")
    before = bare[: -len(path)] if bare.endswith(path) else base[: base.index("://") + 3]
    try:
        info = store.get_file_info(path)
        if info.type is fs.FileType.File:
            return [address]
        below = store.get_file_info(fs.FileSelector(path, recursive=True, allow_not_found=True))
    except OSError as error:
        raise UsageError(f"{address}: {_first_line(error)}") from error
    names = sorted(one.path for one in below if one.type is fs.FileType.File and one.size)
    if pattern:
        matches = re.compile(_as_expression(f"{path}/{address[len(base) :]}")).fullmatch
        names = [name for name in names if matches(name)]
    return [before + name for name in names] or [address]


def _as_expression(pattern: str) -> str:
    """A shell's pattern as an expression: ``*`` stays within a folder, ``**`` does not."""
    parts = re.split(r"(\*\*/?|\*|\?|\[[^\]]*\])", pattern)
    meanings = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(
        meanings.get(part) or (part if part.startswith("[") and part.endswith("]") else re.escape(part))
        for part in parts
    )


def _first_line(error: OSError) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
