"""Before a command parses a packet: helpers for what comes later, and then nothing is left but what its options name.

Only the command's own process is confined (``isolation.is_own_process``), never a program's that calls ``main``.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from portcall.commands.output import say, try_place
from portcall.commands.reached_places import (
    STDIN,
    control_group_mounts,
    is_ours,
    may_be_compressed,
    place_of_screen,
    places_read,
    places_written,
)
from portcall.exports import LOGS
from portcall.isolation import has_rights, is_own_process
from portcall.system.privileges import become_invoking_user
from portcall.views.text import note_text

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from portcall.records.report import Degradation
    from portcall.system.confinement import Scope
    from portcall.system.helper_process import ForkedHelper

_SPILL_FOLDER = "/var/tmp"  # noqa: S108 - as ``runs/streaming/spill`` has it


def is_confined() -> bool:
    """Whether this process will be: it is the command's, on a system that can."""
    return is_own_process() and sys.platform == "linux"


def begin_read_helpers(options: argparse.Namespace) -> None:
    """Fork what asks and starts for this process later; each is there only where the options may want it."""
    if not is_confined():
        return
    _begin_names(options)
    begin_converter(options.captures)
    if options.dissect:
        from portcall.commands.options.dissect_option import begin_dissector

        begin_dissector(options.captures)


def _begin_names(options: argparse.Namespace) -> None:
    if getattr(options, "resolve", False):
        from portcall.enrichment.reverse_dns import begin_resolver

        begin_resolver()


def begin_converter(captures: Sequence[str]) -> None:
    """Fork what decompresses for this process later, and what starts tshark, where one of these may want that.

    That is a format which only tshark reads, or one that is compressed.
    """
    if not is_confined():
        return
    if any(map(may_be_compressed, captures)):
        from portcall.sources.unpacking.elsewhere import begin_unpacker

        begin_unpacker()
    if not all(map(is_ours, captures)):
        from portcall.sources.tshark_starter import begin_starter

        begin_starter()


def confine_read(options: argparse.Namespace, format_name: str, by: str) -> None:
    """Leave ``read`` its captures and its outputs; and where many rows by flow may have to wait, a folder for those."""
    if not is_confined():
        return
    from portcall.sources.capture_set import is_pipe

    keeps_rows = by == "flow" and (options.memory is not None or any(map(is_pipe, options.captures)))
    reads = [place for pattern in options.captures for place in places_read(pattern, follows=options.follow)]
    reads += options.tls_keys
    had_rights = has_rights()
    _confine(scope_of(options, format_name, reads, keeps_rows=keeps_rows))
    if had_rights and not options.every:
        try_place(options.output, format_name)  # as whom it will be written


def confine_reader(
    reads: Sequence[str], *, output: str | None = None, format_name: str = "", history: Path | None = None
) -> None:
    """Leave a command the captures, reports and folders that it was named, its output, and a history.

    That one is read as its owner, and ``become_writer`` is for afterwards. Where nothing can be confined, it is at
    least the user who called sudo.
    """
    if not is_confined():
        if is_own_process():
            become_invoking_user(os.environ)
        return
    from portcall.system.confinement import Scope

    writes = places_written(output) if output else []
    folder = str(history.parent) if history else ""
    reads = [*reads, *(map(str, [history] if history else []))]
    had_rights = has_rights()
    _confine(Scope(reads=reads, writes=writes, history=folder))
    if had_rights and not history:
        try_place(output, format_name)


def confine_looker(options: argparse.Namespace, format_name: str = "") -> None:
    """Leave what lists the sockets of this machine what that takes; its output is tried afterwards."""
    if is_confined():
        from portcall.system.confinement import scope_to_look

        _begin_names(options)
        writes = places_written(options.output) if options.output else []
        _confine(scope_to_look(writes, enters=bool(getattr(options, "netns", ()))))
    try_place(options.output, format_name)


def confine_asker(options: argparse.Namespace, format_name: str) -> None:
    """Leave what asks other hosts new sockets, and its output, which is tried afterwards."""
    if is_confined():
        from portcall.system.confinement import Scope

        _confine(Scope(writes=places_written(options.output) if options.output else [], may_connect=True))
    try_place(options.output, format_name)


def confine_sides(words: Sequence[str], options: argparse.Namespace, format_name: str = "") -> None:
    """Leave what compares captures, reports and periods of a history these alone, and its output."""
    begin_converter(words)
    from portcall.runs.comparing.kept_period import PREFIX
    from portcall.runs.keeping.past import place_of

    periods = [word for word in words if word.startswith(PREFIX)]
    if periods and options.history is None:
        options.history = str(place_of(None))  # while it can be told who the user is
    confine_reader(
        [place for word in words if word not in periods for place in places_read(word)],
        output=options.output,
        format_name=format_name,
        history=place_of(options.history) if periods else None,
    )


def _confine(scope: Scope) -> None:
    from portcall.system.privileges import give_up_rights

    had_rights = has_rights()
    lacking = give_up_rights(os.environ, scope, imports_later=True)
    if had_rights:  # else nothing was lost that was there before; 'doctor' says it
        say_what_lacks(lacking)


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
        from portcall.system.privileges import become_unprivileged

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


def scope_of(options: argparse.Namespace, format_name: str, reads: Sequence[str], *, keeps_rows: bool) -> Scope:
    """What the options name, with the folder for rows that wait in files."""
    from portcall.system.confinement import Scope

    writes: list[str] = []
    if options.output:
        writes += places_written(options.output, is_folder=format_name in LOGS, is_pattern=bool(options.every))
    for name in ("write", "checkpoint"):
        if (given := getattr(options, name, None)) and given != STDIN:
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


def say_what_lacks(lacking: Sequence[Degradation]) -> None:
    """Tell people what the kernel lacks."""
    for degradation in lacking:
        say(note_text(degradation))
