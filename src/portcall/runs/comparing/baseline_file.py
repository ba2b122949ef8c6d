"""A baseline in a file: JSON, an entry a line, so that people and ``git diff`` can read it.

It says who talks to whom, so only its owner may read it (mode 0600), unless somebody gave the file another mode. It is
written beside its place, flushed to the disk and renamed: there is always a whole one. Read, it may be anything.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from portcall.comparison.baselines import baseline_of
from portcall.errors import PortcallError
from portcall.isolation import is_own_process
from portcall.runs.following.checkpoint import flush_folder

if TYPE_CHECKING:
    from portcall.comparison.baselines import Baseline

MOST_BYTES = 64 << 20
_LEARN = "'portcall baseline CAPTURE -o FILE' writes one"


def read_baseline(path: str, option: str) -> Baseline:
    """The baseline in a file; PortcallError, which names the ``option`` and the line, where there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as stream:
            data = stream.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        why = (getattr(error, "strerror", None) or str(error)).lower()
        raise PortcallError(f"{option} {path}: {why}. {_LEARN}") from error
    if len(data) > MOST_BYTES:
        raise PortcallError(f"{option} {path}: it has more than {MOST_BYTES >> 20} MiB, which no baseline has")
    try:
        return baseline_of(json.loads(data))
    except json.JSONDecodeError as error:
        why = f"line {error.lineno}: this is no JSON ({error.msg})"
    except RecursionError:
        why = "this is no baseline: it is nested too deeply"
    except ValueError as error:  # UnicodeDecodeError among them
        why = str(error)
    raise PortcallError(f"{option} {path}: {why}. {_LEARN}")


def write_baseline(baseline: Baseline, path: str) -> None:
    """Replace what is in the file. PortcallError where that is not possible; then what was there still is."""
    place = Path(os.path.realpath(path))
    if place.exists() and not place.is_file():
        raise PortcallError(f"-o {path}: this is no file that could be replaced by another one. Name a file")
    try:
        mode = place.stat().st_mode & 0o777 if place.is_file() else 0o600
        descriptor, part = _made(place, mode)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as stream:
                stream.write(baseline_text(baseline))
                stream.flush()
                os.fsync(descriptor)
            Path(part).replace(place)
        except BaseException:
            Path(part).unlink()
            raise
        flush_folder(place.parent)
    except OSError as error:
        raise PortcallError(f"-o {path}: cannot be written: {(error.strerror or str(error)).lower()}") from error


def _made(place: Path, mode: int) -> tuple[int, str]:
    """A new file beside it of that mode, and its path. Who is confined changes no modes, so it is made with it."""
    if not is_own_process():
        descriptor, part = tempfile.mkstemp(prefix=f".{place.name[:100]}.", suffix=".part", dir=place.parent)
        os.fchmod(descriptor, mode)
        return descriptor, part
    part = str(place.with_name(f".{place.name[:100]}.{os.getpid()}.part"))
    before = os.umask(0)  # of all threads: but this process is the command's own, and makes no other file now
    try:
        return os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode), part
    finally:
        os.umask(before)


def baseline_text(baseline: Baseline) -> str:
    """The baseline as the file has it, in ASCII: what names have besides is escaped."""
    plain = baseline.plain()
    return "{" + ",\n".join(f"{json.dumps(name)}: {_value_text(value)}" for name, value in plain.items()) + "}\n"


def _value_text(value: object) -> str:
    """A list as an entry a line, anything else as it is."""
    if not isinstance(value, list) or not value:
        return json.dumps(value)
    return "[\n" + ",\n".join(map(json.dumps, value)) + "\n]"
