"""When a recording is to go on in another file: ``--rotate 100MB`` or ``--rotate 1h``, and ``--keep`` so many."""

from __future__ import annotations

import re

from portcall.errors import UsageError
from portcall.queries.byte_sizes import size_bytes
from portcall.recording.rotation import Rotation

_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
_TIME = re.compile(rf"(\d{{1,12}})({'|'.join(_SECONDS)})", re.ASCII)
_LEAST_BYTES, _MOST_BYTES = 1 << 16, 1 << 50


def rotation_of(rotate: str | None, keep: int | None) -> Rotation:
    """What ``--rotate`` and ``--keep`` ask for. UsageError for what is neither a size nor a time."""
    if rotate is None:
        if keep is not None:
            raise UsageError("--keep is for files of --rotate: say when to begin another, as --rotate 100MB")
        return Rotation()
    time = _TIME.fullmatch(rotate)
    if time and int(time[1]):
        return Rotation(most_seconds=int(time[1]) * _SECONDS[time[2]], keep=keep)
    try:
        return Rotation(most_bytes=size_bytes(rotate, "--rotate", _LEAST_BYTES, _MOST_BYTES), keep=keep)
    except UsageError as error:
        raise UsageError(f"{error}; or a time like 30s, 15min or 1h") from None
