"""Checkpoint files: damaged, and forged so that their check sum is right."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from byte_pieces import BytePieces
from portcall.errors import PortcallError
from portcall.runs.following.checkpoint import Checkpoint, Saved
from portcall.runs.following.resumed_run import ResumedRun
from portcall.runs.partial_bytes import build
from portcall.runs.reading import Reading, ReadOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

_COMMAND = {"command": "read"}
_FOLDER = tempfile.TemporaryDirectory(prefix="portcall-fuzz-")
_PATH = str(Path(_FOLDER.name) / "checkpoint")


def seeds() -> Iterator[bytes]:
    """What a run saves."""
    checkpoint = Checkpoint(_PATH, _COMMAND)
    checkpoint.save(Saved({"captures": [], "frames": 0, "in_runs": False}, b"partial"))
    checkpoint.close()
    yield b"\1" + Path(_PATH).read_bytes()
    for state in ({"captures": [], "frames": 0, "in_runs": False}, {"captures": [["61", 1, "62"]], "frames": 1}, {}):
        header = {**state, "build": build(), "command": _COMMAND, "partial_bytes": 3}
        yield b"\0" + json.dumps(header).encode() + b"\0abc"


def examine(data: bytes) -> None:
    """It is refused with a sentence, or a run goes on from it or says why it cannot."""
    pieces = BytePieces(data)
    is_as_it_is = pieces.number() & 1
    content = pieces.rest()
    if not is_as_it_is:
        header, _, partial = content.partition(b"\0")
        digest = hashlib.blake2b(header + partial, digest_size=16).digest()
        content = b"portcall checkpoint 1\n" + struct.pack("<I", len(header)) + header + digest + partial
    with suppress(FileNotFoundError):
        os.unlink(_PATH)  # noqa: PTH108 (a name, not a Path)
    Path(_PATH).write_bytes(content)
    checkpoint = Checkpoint(_PATH, _COMMAND)
    try:
        saved = checkpoint.load()
        checkpoint.close()
        if saved:
            ResumedRun([], Reading(ReadOptions()), checkpoint)
    except PortcallError as error:
        str(error).encode("utf-8", "surrogateescape")
    finally:
        checkpoint.close()
