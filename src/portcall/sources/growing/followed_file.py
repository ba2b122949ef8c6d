"""What is known of a followed file: which one it is, whatever its name, and how many of its frames were counted.

A file is its inode as long as its first bytes are the same: inodes are used again, and files written anew. A copy that
takes its place, as when a rotated capture is compressed, is the same capture by the first plain bytes of both.
"""

from __future__ import annotations

import contextlib
import hashlib
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from portcall.errors import CaptureError
from portcall.records.plain_data import items, octets, text, whole
from portcall.sources.consecutive import MAGICS
from portcall.sources.decompression import is_compressed
from portcall.sources.growing.growing_file import BEGINNING_BYTES, START_BYTES
from portcall.sources.streams import open_stream, why

if TYPE_CHECKING:
    import os

_DIGEST_BYTES = 16
_MOST = 1 << 62


@dataclass(slots=True)
class Beginning:
    """The first plain bytes of a capture."""

    plain: bytes
    is_compressed: bool
    is_all: bool
    """Whether these are all that there are by now, or enough; not of a compressed one that somebody still writes."""

    @classmethod
    def of(cls, path: str) -> Beginning:
        """Those of a file; CaptureError where it cannot be opened."""
        compressed = is_compressed(raw_start(path))
        stream, _, _ = open_stream(path)
        plain = bytearray(BEGINNING_BYTES)
        filled, is_whole = 0, True
        with closing(stream):
            try:
                while filled < len(plain) and (count := stream.readinto(memoryview(plain)[filled:])):
                    filled += count
            except CaptureError:
                is_whole = False
        return cls(bytes(plain[:filled]), compressed, is_whole or filled == len(plain))

    @property
    def is_capture(self) -> bool:
        """Whether a capture begins so."""
        return self.plain[:4] in MAGICS

    def digest(self, length: int) -> bytes:
        """Of so many of the bytes."""
        return hashlib.blake2b(self.plain[:length], digest_size=_DIGEST_BYTES).digest()


@dataclass(slots=True, eq=False)
class FollowedFile:
    """One capture, by whatever name it goes."""

    path: str
    device: int = 0
    inode: int = 0
    start: bytes = b""
    """First bytes of the file as it lies there."""
    frames: int = 0
    """Those that were counted: so many from its first on."""
    size: int = -1
    """Bytes when it was closed; -1 while it is open."""
    modified_ns: int = 0
    beginning_bytes: int = 0
    beginning: bytes = b""
    """Digest of so many of its first plain bytes."""
    is_compressed: bool = False
    is_done: bool = False
    """Whether nothing more of it can be read: it is damaged, or was written anew."""
    problem: CaptureError | None = None

    @property
    def key(self) -> tuple[int, int]:
        """Its place on the disk."""
        return self.device, self.inode

    @property
    def version(self) -> tuple[int, int]:
        """What is another once it was written to."""
        return self.size, self.modified_ns

    def note_place(self, path: str, status: os.stat_result) -> None:
        """It is there now."""
        self.path, self.device, self.inode = path, status.st_dev, status.st_ino

    def note_closed(self, status: os.stat_result) -> None:
        """It is not read on unless it changes."""
        self.size, self.modified_ns = status.st_size, status.st_mtime_ns

    def note_beginning(self, raw: bytes) -> None:
        """Remember what its copies begin with, given its first bytes as they lie there, until these are many."""
        if self.beginning_bytes == BEGINNING_BYTES:
            return
        if is_compressed(raw):
            with contextlib.suppress(CaptureError):
                self.note(Beginning.of(self.path))
        else:
            self.note(Beginning(raw, is_compressed=False, is_all=True))

    def note(self, beginning: Beginning) -> None:
        """Remember this."""
        self.is_compressed = beginning.is_compressed
        self.beginning_bytes = len(beginning.plain)
        self.beginning = beginning.digest(self.beginning_bytes)

    def plain(self) -> dict[str, Any]:  # Any: what JSON has
        """All of it as lists, texts and numbers."""
        problem = self.problem and [self.problem.offset, self.problem.reason, self.problem.remedy]
        return {
            "path": _hex(self.path),
            "place": [self.device, self.inode, self.size, self.modified_ns],
            "start": self.start.hex(),
            "frames": self.frames,
            "beginning": [self.beginning_bytes, self.beginning.hex(), self.is_compressed],
            "done": [self.is_done, problem],
        }

    @classmethod
    def of_plain(cls, plain: Any) -> FollowedFile:  # Any: what JSON has
        """The file that gave these. ValueError, KeyError or TypeError for what none can give."""
        device, inode, size, modified_ns = items(plain["place"], 4)
        length, digest, compressed = items(plain["beginning"], 3)
        is_done, problem = items(plain["done"], 2)
        path = octets(plain["path"]).decode("utf-8", "surrogateescape")
        if problem is not None:
            offset, reason, remedy = items(problem, 3)
            offset = None if offset is None else whole(offset, most=_MOST)
            problem = CaptureError(path, offset, text(reason), text(remedy))
        return cls(
            path,
            whole(device, most=_MOST),
            whole(inode, most=1 << 64),
            octets(plain["start"])[:START_BYTES],
            whole(plain["frames"], most=1 << 48),
            whole(size, least=-1, most=_MOST),
            whole(modified_ns, least=-_MOST, most=_MOST),
            whole(length, most=BEGINNING_BYTES),
            octets(digest)[:_DIGEST_BYTES],
            bool(compressed),
            bool(is_done),
            problem,
        )


def raw_start(path: str) -> bytes:
    """The first bytes of a file as it lies there; CaptureError where it cannot be opened."""
    try:
        with Path(path).open("rb", buffering=0) as raw:
            return raw.read(START_BYTES) or b""
    except OSError as error:
        raise CaptureError(path, None, why(error)) from error


def _hex(path: str) -> str:
    """A path as JSON can have it: names of files need not be text."""
    return path.encode("utf-8", "surrogateescape").hex()
