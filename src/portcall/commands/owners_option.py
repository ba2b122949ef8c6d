"""``live --owners-only``: watch sockets, and leave packets to another program; ``annotate`` joins both."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from portcall.commands.output import INTERRUPTED, PARTLY_READ, SUCCESS, say, say_degradations
from portcall.endings import Stop
from portcall.errors import UsageError

if TYPE_CHECKING:
    import argparse

_ABOUT_PACKETS = {
    "write": "-w", "interface": "-i", "netns": "--netns", "filter": "--filter", "where": "--where", "top": "--top",
    "bucket": "--bucket", "metrics": "--metrics", "source": "--source", "command": "-- COMMAND", "format": "--format",
}  # fmt: skip


def add_owners_option(parser: argparse.ArgumentParser) -> None:
    """Declare it."""
    parser.add_argument(
        "--owners-only", action="store_true",
        help="capture nothing: write what sockets do to -o FILE.jsonl, for 'annotate' to join with a capture",
    )  # fmt: skip


def watch_owners(options: argparse.Namespace) -> int:
    """Watch until the end; 0, 130 ended by a signal, 3 where the file takes no more."""
    for name, written in _ABOUT_PACKETS.items():
        if getattr(options, name):
            raise UsageError(f"{written} is about packets, and --owners-only sees none: leave one out")
    from portcall.owners import open_owners
    from portcall.recording.capture_files import STDOUT, CaptureFiles
    from portcall.recording.rotation import Rotation
    from portcall.runs.recording.owners_only import OwnersRecorder
    from portcall.system.privileges import become_invoking_user, raise_priority

    owners = open_owners(options.owners)
    try:
        raise_priority()
        become_invoking_user(os.environ)
        files = CaptureFiles(options.output or STDOUT, Rotation(), "-o")
        recorder = OwnersRecorder(owners, files, with_arguments=options.record_arguments)
        say(f"sockets are watched, by {owners.name}; Ctrl-C ends it")
        with Stop() as stop:
            began = time.monotonic()

            def is_over() -> bool:
                return stop.is_asked or bool(options.duration and time.monotonic() - began >= options.duration)

            recorder.record(is_over, [stop.descriptor])
    finally:
        owners.close()
    say_degradations(recorder)
    if recorder.failure:
        return PARTLY_READ
    return INTERRUPTED if stop.is_asked else SUCCESS
