"""``live -w FILE`` records a capture that remembers whose packets it holds, ``--owners-only`` only owners."""

from __future__ import annotations

import sys
import time
from dataclasses import fields
from typing import TYPE_CHECKING

from portcall.commands.confining import LiveConfinement, begin_live_helpers, say_what_lacks
from portcall.commands.output import INTERRUPTED, PARTLY_READ, SUCCESS, positive, say, say_degradations
from portcall.endings import Stop
from portcall.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from portcall.runs.live_run import LiveRun
    from portcall.runs.recording.begun_recording import RecordingOptions
    from portcall.runs.recording.recorder import Recorder

_STDOUT = "-"
_WHOLE_FRAMES = 262_144
_ONLY_WITH_FILE = {
    "rotate": (None, "--rotate"),
    "keep": (None, "--keep"),
    "annotate": ("first", "--annotate"),
    "snaplen": (_WHOLE_FRAMES, "--snaplen"),
    "record_arguments": (False, "--record-arguments"),
}
"""Their defaults, and what they are called."""
_ABOUT_PACKETS = {
    "write": "-w", "interface": "-i", "netns": "--netns", "filter": "--filter", "where": "--where", "top": "--top",
    "bucket": "--bucket", "metrics": "--metrics", "source": "--source", "command": "-- COMMAND", "format": "--format",
    "expect": "--expect",
}  # fmt: skip


def add_recording_options(parser: argparse.ArgumentParser) -> None:
    """Declare what to record, and how."""
    parser.add_argument(
        "-w", "--write", metavar="FILE",
        help="record the packets and their owners to FILE.pcapng, which 'read' gives back; -: to a pipe",
    )  # fmt: skip
    parser.add_argument(
        "--rotate", metavar="SIZE|TIME",
        help="begin another file after 100MB, 1GiB, 15min, 1h; the time and a number are put into the names",
    )  # fmt: skip
    parser.add_argument(
        "--keep", metavar="N", type=positive, help="keep only the last N files of this run (default: all)"
    )
    parser.add_argument(
        "--annotate", choices=("every", "first", "none"), default="first",
        help="which packets have a comment with their process: every, the first of a conversation in each "
        "direction, none (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--snaplen", metavar="BYTES", type=positive, default=_WHOLE_FRAMES,
        help="record so much of each packet (default: %(default)s, all of it)",
    )  # fmt: skip
    parser.add_argument(
        "--record-arguments", action="store_true",
        help="record command lines too, which may hold passwords (default: names and paths of programs)",
    )  # fmt: skip


def recording_asked_for(options: argparse.Namespace) -> RecordingOptions | None:
    """What is to be recorded, checked; None for nothing. UsageError for options that contradict each other."""
    if options.write is None:
        for name, (default, written) in _ONLY_WITH_FILE.items():
            if getattr(options, name) != default:
                raise UsageError(f"{written} is for recordings: say where to, with -w FILE.pcapng")
        return None
    from portcall import __version__
    from portcall.runs.recording.begun_recording import RecordingOptions, check_recording

    options.version = __version__  # looked up before rights are given up
    recording = RecordingOptions(**{field.name: getattr(options, field.name) for field in fields(RecordingOptions)})
    check_recording(recording)
    return recording


def begin(capture: LiveRun, recording: RecordingOptions | None) -> Recorder | None:
    """Record from now on what the run counts, as this user; None where nothing is to be recorded."""
    if recording is None:
        return None
    if recording.write == _STDOUT and sys.stdout.isatty():
        raise UsageError("-w - writes a capture, which is no text for a terminal. Pipe it, or name a file")
    from portcall.runs.recording.begun_recording import begin_recording

    return begin_recording(capture, recording)


def takes_stdout(options: argparse.Namespace) -> bool:
    """Whether the capture goes where the report would go."""
    return bool(options.write == _STDOUT and not options.output)


def say_nobody_reads(name: str) -> None:
    """That everything waits for whoever reads the recording."""
    say(f"nobody reads {name}: nothing is counted until somebody does, and the kernel drops what it has no room for")


def status_of(recorder: Recorder | None) -> int | None:
    """The exit status where a recording ended early; BrokenPipeError where nobody reads it any more."""
    if recorder is None or recorder.failure is None:
        return None
    if isinstance(recorder.failure, BrokenPipeError):
        raise recorder.failure
    return PARTLY_READ


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
    from portcall.commands.live_loading import load_what_comes_later
    from portcall.owners import open_owners
    from portcall.recording.capture_files import STDOUT, CaptureFiles
    from portcall.recording.rotation import Rotation
    from portcall.runs.recording.owners_only import OwnersRecorder
    from portcall.system.privileges import raise_priority
    from portcall.system.remedies import is_root

    helpers = begin_live_helpers(options)
    owners = open_owners(options.owners)
    try:
        raise_priority()
        if is_root():
            load_what_comes_later()
        confinement = LiveConfinement(options, "jsonl")
        files = CaptureFiles(options.output or STDOUT, Rotation(), "-o")
        lacking = confinement.complete()
        recorder = OwnersRecorder(owners, files, with_arguments=options.record_arguments)
        say(f"sockets are watched, by {owners.name}; Ctrl-C ends it")
        with Stop() as stop:
            began = time.monotonic()

            def is_over() -> bool:
                return stop.is_asked or bool(options.duration and time.monotonic() - began >= options.duration)

            recorder.record(is_over, [stop.descriptor])
    finally:
        owners.close()
        for helper in helpers:
            helper.close()
    say_what_lacks(lacking)
    say_degradations(recorder)
    if recorder.failure:
        return PARTLY_READ
    return INTERRUPTED if stop.is_asked else SUCCESS
