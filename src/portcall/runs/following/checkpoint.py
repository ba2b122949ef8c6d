"""Checkpoints: a file from which a run goes on after any end, that of the machine included.

    line        ``portcall checkpoint 1``
    uint32 LE   length of the header
    header      JSON: what wrote it, for which command; inputs and outputs as they were; length of the partial
    bytes[16]   BLAKE2b of the header and of the partial
    partial     what was counted (``runs/partial_bytes.py``), perhaps nothing

It is written beside its place, flushed to the disk and renamed, so there is always a whole one. It has what packets
said, so only its owner may read it (mode 0600). What it says is checked like any input: it may be damaged, or forged.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from portcall.errors import PortcallError
from portcall.records.plain_data import whole
from portcall.runs.partial_bytes import build

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAGIC = b"portcall checkpoint 1\n"
_LENGTH = struct.Struct("<I")
_DIGEST_BYTES = 16
_MOST_HEADER_BYTES = 256 << 20
_ANEW = "Remove it to count from the beginning, or name another file"


@dataclass(frozen=True, slots=True)
class Saved:
    """What a checkpoint holds."""

    state: Mapping[str, Any]  # Any: what JSON has
    partial: bytes
    """Empty where nothing was counted."""


class Checkpoint:
    """The checkpoint of one run, which nobody else may write meanwhile."""

    def __init__(self, path: str, command: Mapping[str, Any]) -> None:
        """``command`` is what must be the same for a run to go on. PortcallError where nothing can be written there."""
        self.path = path
        self._command = json.loads(json.dumps(command))
        self._place = Path(os.path.realpath(path))
        self._part = self._place.with_name(f".{self._place.name[:200]}.part")
        self._held: int | None = None
        self.bytes = 0
        """How large it was when it was written last."""
        self.failure: PortcallError | None = None
        """Why it could not be written the last time."""
        if self._place.is_dir():
            raise PortcallError(f"--checkpoint {path}: this is a directory. Name a file in it")
        if not self._place.parent.is_dir():
            raise PortcallError(f"--checkpoint {path}: there is no directory {self._place.parent}")

    def load(self) -> Saved | None:
        """What was saved; None where nothing was. PortcallError where it is damaged, or of another command or build."""
        try:
            descriptor = os.open(self._place, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._refusal((error.strerror or str(error)).lower()) from error
        self._lock(descriptor)
        self._held = descriptor
        with open(descriptor, "rb", closefd=False) as stream:
            data = stream.read()
        if not data.startswith(_MAGIC):
            raise self._refusal(f"this is no checkpoint. {_ANEW}")
        try:
            state, partial = _unpacked(data)
            build_then, command = state.pop("build"), state.pop("command")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, struct.error) as error:
            raise self._refusal(f"it is damaged: {error}. {_ANEW}") from error
        if build_then != build():
            raise self._refusal(
                f"it was written by another build: {str(build_then)[:100]!r}; this is {build()!r}. "
                f"End the run with that one. {_ANEW}"
            )
        if command != self._command:
            raise self._refusal(f"it was written by another command: {_differences(command, self._command)}. {_ANEW}")
        return Saved(state, partial)

    def save(self, saved: Saved, *, may_fail: bool = False) -> None:
        """Replace what was saved. Where that is not possible, the former one is still there.

        Then PortcallError, or, where it ``may_fail``, a ``failure`` that holds until it is written again.
        """
        try:
            self._save(saved)
        except PortcallError as error:
            if not may_fail:
                raise
            self.failure = error
        else:
            self.failure = None

    def _save(self, saved: Saved) -> None:
        state = {**saved.state, "build": build(), "command": self._command, "partial_bytes": len(saved.partial)}
        header = json.dumps(state).encode()
        head = [_MAGIC, _LENGTH.pack(len(header)), header, _digest(header, saved.partial)]
        descriptor = None
        try:
            self._part.unlink(missing_ok=True)  # what a run that was killed left behind
            descriptor = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with open(descriptor, "wb", closefd=False) as stream:
                stream.writelines([*head, saved.partial])
                written_bytes = stream.tell()
                stream.flush()
                os.fsync(descriptor)
            self._lock(descriptor)
            self._part.replace(self._place)
            flush_folder(self._place.parent)
        except OSError as error:
            if descriptor is not None:
                os.close(descriptor)
                self._part.unlink(missing_ok=True)
            raise self._refusal(f"cannot be written: {(error.strerror or str(error)).lower()}") from error
        self.close()
        self._held, self.bytes = descriptor, written_bytes

    def close(self) -> None:
        """Let others have it."""
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def _lock(self, descriptor: int) -> None:
        """Keep others from it, who would lock the file that lies there."""
        import fcntl

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise self._refusal("another portcall uses it now. Name another file, or end that one") from error

    def _refusal(self, why: str) -> PortcallError:
        return PortcallError(f"--checkpoint {self.path}: {why}")


def flush_folder(folder: Path) -> None:
    """Have the names in a folder on the disk, too."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unpacked(data: bytes) -> tuple[dict[str, Any], bytes]:
    at = len(_MAGIC) + _LENGTH.size
    (length,) = _LENGTH.unpack(data[len(_MAGIC) : at])
    whole(length, most=min(_MOST_HEADER_BYTES, len(data)))
    header, digest = data[at : at + length], data[at + length : at + length + _DIGEST_BYTES]
    partial = data[at + length + _DIGEST_BYTES :]
    if digest != _digest(header, partial):
        raise ValueError("its check sum is wrong")
    state = json.loads(header)
    if whole(state.pop("partial_bytes")) != len(partial):
        raise ValueError("it has another length than it says")
    return state, partial


def _digest(header: bytes, partial: bytes) -> bytes:
    digest = hashlib.blake2b(header, digest_size=_DIGEST_BYTES)
    digest.update(partial)
    return digest.digest()


def _differences(then: Any, now: Mapping[str, Any]) -> str:  # Any: what JSON has
    if not isinstance(then, dict):
        return "nobody knows which"
    names = [name for name in {**then, **now} if then.get(name) != now.get(name)]
    return "; ".join(f"{name} was {_word(then.get(name))}, and is {_word(now.get(name))}" for name in names[:3])


def _word(value: Any) -> str:  # Any: what JSON has
    return "not given" if value in (None, False, [], ()) else str(value)[:100]
