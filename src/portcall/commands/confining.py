"""Before a command parses a packet: helpers for what comes later, and then nothing is left but what its options name.

Only the command's own process is confined (``isolation.is_own_process``), never a program's that calls ``main``.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from typing import TYPE_CHECKING

from portcall.commands.output import say, try_place
from portcall.errors import PortcallError
from portcall.exports import LOGS
from portcall.isolation import has_rights, is_own_process
from portcall.system.privileges import has_invoking_user
from portcall.views.text import note_text

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from portcall.records.report import Degradation
    from portcall.system.confinement import Scope
    from portcall.system.helper_process import ForkedHelper

_STDIN = "-"
_BEGINS_A_PATTERN = re.compile(r"[*?\[]")
_TELLING_BYTES = 4
_SPILL_FOLDER = "/var/tmp"  # noqa: S108 - as ``runs/streaming/spill`` has it


def is_confined() -> bool:
    """Whether this process will be: it is the command's, on a system that can."""
    return is_own_process() and sys.platform == "linux"


def begin_read_helpers(options: argparse.Namespace) -> None:
    """Fork what asks and starts for this process later; each is there only where the options may want it."""
    if not is_confined():
        return
    if options.resolve:
        from portcall.enrichment.reverse_dns import begin_resolver

        begin_resolver()
    if not all(map(_is_ours, options.captures)):
        from portcall.sources.tshark_starter import begin_starter

        begin_starter()
    if options.dissect:
        from portcall.commands.options.dissect_option import begin_dissector

        begin_dissector(options.captures)


def confine_read(options: argparse.Namespace, format_name: str, by: str) -> None:
    """Leave ``read`` its captures and its outputs; and where many rows by flow may have to wait, a folder for those."""
    if not is_confined():
        return
    from portcall.sources.capture_set import is_pipe

    keeps_rows = by == "flow" and (options.memory is not None or any(map(is_pipe, options.captures)))
    reads = [place for pattern in options.captures for place in places_read(pattern, follows=options.follow)]
    scope = scope_of(options, format_name, reads, keeps_rows=keeps_rows)
    had_rights = has_rights()
    from portcall.system.privileges import give_up_rights

    lacking = give_up_rights(os.environ, scope, imports_later=True)
    if had_rights:  # else nothing was lost that was there before; 'doctor' says it
        say_what_lacks(lacking)
        if not options.every:
            try_place(options.output, format_name)  # as whom it will be written


def begin_live_helpers(options: argparse.Namespace) -> list[ForkedHelper]:
    """Fork what looks and asks for this process later; they end when it ends."""
    if not is_confined():
        return []
    from portcall.owners.process_links import begin_process_links

    helpers = [begin_process_links()]
    if options.resolve:
        from portcall.enrichment.reverse_dns import begin_resolver

        helpers.append(begin_resolver())
    return helpers


class LiveConfinement:
    """Two steps, with what is opened as the user between them: to be who it will be, and to reach nothing more."""

    def __init__(self, options: argparse.Namespace, format_name: str) -> None:
        """Be that user, or who it was."""
        from portcall.system.privileges import become_invoking_user, become_unprivileged

        self._scope: Scope | None = None
        self._lacking: list[Degradation] = []
        if not is_confined():
            become_invoking_user(os.environ)
            return
        keeps_rows = getattr(options, "by", None) == "flow"
        wanted = scope_of(options, format_name, control_group_mounts(), keeps_rows=keeps_rows)
        self._scope, self._lacking = become_unprivileged(os.environ, wanted)

    def complete(self) -> list[Degradation]:
        """Confine it; gives what could not be had."""
        if self._scope:
            from portcall.system.confinement import confine

            self._lacking += confine(self._scope)
        return self._lacking


def control_group_mounts() -> list[str]:
    """Where control groups are mounted, whose names tell containers and units."""
    from portcall.owners.ebpf.loader import control_group_mount

    try:
        with open("/proc/mounts", encoding="utf-8", errors="surrogateescape") as mounts:  # noqa: PTH123 - as below
            mount = control_group_mount(mounts.read())
    except OSError:
        mount = None
    return [mount] if mount else []


def scope_of(options: argparse.Namespace, format_name: str, reads: Sequence[str], *, keeps_rows: bool) -> Scope:
    """What the options name, with the folder for rows that wait in files."""
    from portcall.system.confinement import Scope

    writes: list[str] = []
    if options.output:
        writes += places_written(options.output, is_folder=format_name in LOGS, is_pattern=bool(options.every))
    for name in ("write", "checkpoint"):
        if (given := getattr(options, name, None)) and given != _STDIN:
            writes += places_written(given)
    if getattr(options, "history", None) is not None and hasattr(options, "history_size"):
        from portcall.commands.following.history_option import history_path

        writes.append(str(history_path(options).parent))  # where SQLite keeps its log, beside the file
    if is_on_screen(options) and not options.output:
        writes += place_of_screen(options)
    if keeps_rows:
        writes.append(os.environ.get("TMPDIR") or _SPILL_FOLDER)
    return Scope(reads=reads, writes=writes)


def is_on_screen(options: argparse.Namespace) -> bool:
    """Whether somebody will look at the screen: ``read`` is asked for it, ``live`` has found out whether it can be."""
    return bool(getattr(options, "on_screen", False) or getattr(options, "screen", False))


def place_of_screen(options: argparse.Namespace) -> list[str]:
    """The folder that the screen's key w may write to: that of ``-o``, or the current one, unless that is ``/``."""
    if options.output:
        return [os.path.dirname(os.path.realpath(options.output))]  # noqa: PTH120 - as below
    try:
        here = os.getcwd()  # noqa: PTH109 - as below
    except OSError:  # it is gone
        return []
    return [here] if here != "/" else []


def places_read(pattern: str, *, follows: bool = False) -> Iterator[str]:
    """What must be readable for one CAPTURE: a file and what lies beside it, or the folder that a pattern looks into.

    A file that is followed may be another one soon, by the same name: then it is its folder.
    """
    if pattern == _STDIN:
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


def say_what_lacks(lacking: Sequence[Degradation]) -> None:
    """Tell people what the kernel lacks."""
    for degradation in lacking:
        say(note_text(degradation))


def _is_ours(path: str) -> bool:
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
