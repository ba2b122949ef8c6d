"""A file, read as ``portcall read`` reads it: plain or compressed, any grouping, either layer."""

from __future__ import annotations

import gzip
import io
import os
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from capture_seeds import capture_files
from portcall.errors import PortcallError
from portcall.exports import json_envelope
from portcall.runs.offline import read

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_BYTES = 16_384
_FOLDER = tempfile.TemporaryDirectory(prefix="portcall-fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None)  # noqa: S108
_PATH = str(Path(_FOLDER.name) / "capture")
_BY = ("app", "flow", "service", "host", "query", "time", "process")


def seeds() -> Iterator[bytes]:
    """Every small capture, from its beginning; and compressed."""
    for content in capture_files():
        yield content[:MOST_BYTES]
        yield gzip.compress(content[:4096], mtime=0)


def examine(data: bytes) -> None:
    """A report that can be written, or an error that a user meets."""
    os.environ["PATH"] = ""  # tshark may know other formats; it is not ours to examine
    Path(_PATH).write_bytes(data)
    chosen = zlib.crc32(data[-64:])
    by = _BY[chosen // 8 % len(_BY)]
    try:
        outcome = read(
            [_PATH],
            by=by,
            layer="inner" if chosen & 1 else "outer",
            deduplicate=bool(chosen & 2),
            logs=by == "flow" and bool(chosen & 4),
            jobs=1,
        )
    except PortcallError as error:
        str(error).encode("utf-8", "surrogateescape")
        return
    json_envelope.write(outcome.noted_report, io.StringIO())
