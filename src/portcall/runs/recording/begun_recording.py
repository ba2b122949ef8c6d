"""A recording beside a live run: what its options ask for, and its beginning once rights are given up."""

from __future__ import annotations

import platform
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from portcall.errors import UsageError
from portcall.owners.processes import user_number
from portcall.recording.blocks import CaptureWriter
from portcall.recording.capture_files import STDOUT, CaptureFiles
from portcall.recording.capture_section import Style
from portcall.records.recorded.process_blocks import OWN_WRITER
from portcall.runs.recording.recorded_conversations import RecordedConversations
from portcall.runs.recording.recorder import Recorder
from portcall.runs.recording.rotating import rotation_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from portcall.recording.annotations import Annotated
    from portcall.runs.live_run import LiveRun

WHOLE_FRAMES = 262_144
"""As long as tools read; no link carries more."""
LEAST_SNAP_LENGTH = 64
"""Shorter ones would not even hold the headers that tell whose a packet is."""
_OTHER_FORMATS = (".pcap", ".cap", ".gz", ".zst", ".xz", ".lz4")


@dataclass(frozen=True, slots=True)
class RecordingOptions:
    """What to record: the options of the command."""

    write: str
    rotate: str | None = None
    keep: int | None = None
    annotate: Annotated = "first"
    snaplen: int = WHOLE_FRAMES
    record_arguments: bool = False
    version: str = ""
    """Of portcall, for the capture to say."""


def check_recording(options: RecordingOptions) -> None:
    """UsageError for what cannot be, before anything is captured."""
    rotation = rotation_of(options.rotate, options.keep)
    if options.write == STDOUT and rotation.is_wanted:
        raise UsageError("-w - is one stream, and --rotate is for files: leave one out")
    if not LEAST_SNAP_LENGTH <= options.snaplen <= WHOLE_FRAMES:
        raise UsageError(f"--snaplen {options.snaplen}: from {LEAST_SNAP_LENGTH} to {WHOLE_FRAMES} bytes")
    if options.write.endswith(_OTHER_FORMATS):
        raise UsageError(f"-w {options.write}: what is written is plain pcapng. Name it FILE.pcapng")


def begin_recording(run: LiveRun, options: RecordingOptions) -> Recorder:
    """Open the first file, as the user that the process is now, and record what the run counts from now on.

    PortcallError where it cannot be made.
    """
    tracker, source = run.tracker, run.source
    recorder = Recorder(
        files=CaptureFiles(options.write, rotation_of(options.rotate, options.keep)),
        style=style_of(
            options.version, options.snaplen, with_arguments=options.record_arguments, user_number=user_number
        ),
        conversations=RecordedConversations(tracker.timeline, tracker.points),
        points=tracker.points.names,
        annotate=options.annotate,
        clock=time.monotonic_ns,
        heard=lambda: tracker.names.dns_cache.names_of_addresses() if tracker.names else (),
        dropped=lambda: source.dropped_by_kernel() or 0,
        filter=run.options.filter,
    )
    tracker.record(recorder)
    return recorder


def style_of(
    version: str, snap_length: int, *, with_arguments: bool, user_number: Callable[[str], int | None]
) -> Style:
    """How this machine's portcall of a version writes captures."""
    system = f"{platform.system()} {platform.release()}"
    writer = CaptureWriter(platform.machine(), system, f"{OWN_WRITER} {version}")
    return Style(writer, snap_length, with_arguments, user_number)
