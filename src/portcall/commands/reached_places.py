"""Which places the words of a command line mean: files that are read, and where files are written.

They are looked up before a command is confined to them (``confining``), and nothing is opened but to see a format.
"""

from __future__ import annotations

import os
import re
import stat
from typing import TYPE_CHECKING

from portcall.errors import PortcallError
from portcall.system.privileges import has_invoking_user

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

STDIN = "-"
_BEGINS_A_PATTERN = re.compile(r"[*?\[]")
_TELLING_BYTES = 4


def places_read(pattern: str, *, follows: bool = False) -> Iterator[str]:
    """What must be readable for one CAPTURE: a file and what lies beside it, or the folder that a pattern looks into.

    A file that is followed may be another one soon, by the same name: then it is its folder.
    """
    if pattern == STDIN:
        return
    from portcall.records.recorded.claims import RUSTNET_SIDECAR  # NumPy

    magic = _BEGINS_A_PATTERN.search(pattern)
    if magic:
        yield os.path.dirname(pattern[: magic.start()]) or "."  # noqa: PTH120 - no pathlib: it is for thousands
    elif follows and not os.path.isdir(pattern):  # noqa: PTH112 - as above
        yield os.path.dirname(pattern) or "."  # noqa: PTH120 - as above
    yield pattern
    yield pattern + RUSTNET_SIDECAR


def places_written(path: str, *, is_folder: bool = False, is_pattern: bool = False) -> list[str]:
    """Where an output is written: the folder that it lies in, or a device or pipe that is there.

    Of a name with the time in it, the folder before that.
    """
    _refuse_links_of_others(path)
    place = os.path.realpath(path)
    try:
        mode = os.stat(place).st_mode  # noqa: PTH116 - as above
    except (OSError, ValueError):
        mode = 0
    if mode and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        return [place]
    if is_folder:
        return [place if mode else os.path.dirname(place)]  # noqa: PTH120 - as above
    folder = os.path.dirname(place)  # noqa: PTH120 - as above
    while is_pattern and "%" in folder:
        folder = os.path.dirname(folder)  # noqa: PTH120 - as above
    return [folder]


def place_of_screen(options: argparse.Namespace) -> list[str]:
    """The folder that the screen's key w may write to: that of ``-o``, or the current one, unless that is ``/``."""
    if options.output:
        return [os.path.dirname(os.path.realpath(options.output))]  # noqa: PTH120 - as below
    try:
        here = os.getcwd()  # noqa: PTH109 - as below
    except OSError:  # it is gone
        return []
    return [here] if here != "/" else []


def control_group_mounts() -> list[str]:
    """Where control groups are mounted, whose names tell containers and units."""
    from portcall.owners.ebpf.loader import control_group_mount

    try:
        with open("/proc/mounts", encoding="utf-8", errors="surrogateescape") as mounts:  # noqa: PTH123 - as below
            mount = control_group_mount(mounts.read())
    except OSError:
        mount = None
    return [mount] if mount else []


def is_ours(path: str) -> bool:
    """Whether no file of another format can be meant: it is none that we cannot read, and none that is compressed."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - as above
            return True
        with open(path, "rb", buffering=0) as stream:  # noqa: PTH123 - as above
            start = stream.read(_TELLING_BYTES)
    except (OSError, ValueError):
        return True
    from portcall.sources.consecutive import MAGICS

    return start in MAGICS


def may_be_compressed(path: str) -> bool:
    """Whether one of the files that are meant may be compressed: it is, or they are not known yet."""
    from portcall.sources.decompression import is_compressed

    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - as above
            return path != STDIN
        with open(path, "rb", buffering=0) as stream:  # noqa: PTH123 - as above
            return is_compressed(stream.read(_TELLING_BYTES))
    except (OSError, ValueError):
        return bool(_BEGINS_A_PATTERN.search(path))


def _refuse_links_of_others(path: str) -> None:
    """PortcallError where root would write through a link that somebody else may have laid there, as in /tmp.

    What is put there after this look leads nowhere: Landlock has been told the place that was found.
    """
    if os.geteuid() != 0:
        return
    trusted = {0, int(os.environ["SUDO_UID"]) if has_invoking_user(os.environ) else 0}
    at = os.path.abspath(path)  # noqa: PTH100 - as above
    while at != os.path.dirname(at):  # noqa: PTH120 - as above
        if os.path.islink(at) and os.lstat(at).st_uid not in trusted:  # noqa: PTH114 - as above
            raise PortcallError(
                f"{path}: {at} is a link of another user, which root does not follow; name what it means"
            )
        at = os.path.dirname(at)  # noqa: PTH120 - as above
