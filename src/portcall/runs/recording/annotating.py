"""``portcall annotate``: packets that somebody else captured and owners that portcall watched, joined by time.

Both pass through the tracker of live traffic, and what it counts is recorded, as by ``live -w``; only the clock is that
of the packets. Owners are heard up to HOLD_NS after a packet, as live waits so long. What the capture does not say of
a packet's way follows from the machine's addresses: those of its interfaces, and those that its sockets were bound to.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, get_args

import numpy as np

from portcall.errors import PortcallError, UsageError
from portcall.ownership.socket_timeline import SocketTimeline
from portcall.recording.annotations import Annotated
from portcall.recording.capture_files import CaptureFiles
from portcall.recording.rotation import Rotation
from portcall.records.packets import NO_TIME, Direction
from portcall.records.report import Degradation
from portcall.runs import arguments as given
from portcall.runs.live import LiveTracker
from portcall.runs.recording.begun_recording import WHOLE_FRAMES, style_of
from portcall.runs.recording.owners_replay import OwnersReplay, WatchedTime
from portcall.runs.recording.recorded_conversations import RecordedConversations
from portcall.runs.recording.recorder import HOLD_NS, Recorder
from portcall.sources.capture_set import CaptureSet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from portcall.records.packets import FrameBatch
    from portcall.runs.arguments import Text

_SLICE_NS = 500_000_000
"""Packets that are joined at a time: owners are forgotten two minutes later."""
_NEAR_NS = 60_000_000_000
"""How far a capture may be from its owners: connections outlive their sockets so long."""
_SECOND_NS = 1_000_000_000
_LOOPBACK_NET = 127


class Joined(NamedTuple):
    """What became of a capture."""

    packets: int
    owned: int
    """Packets with a process."""
    degradations: list[Degradation]
    is_part: bool
    """Whether some of it could not be read or written."""


@dataclass(slots=True)
class _Clock:
    """The time of the packets."""

    now_ns: int = 0

    def __call__(self) -> int:
        return self.now_ns


def annotate(capture: Text, owners: Text, output: Text, *, annotate: Annotated = "first") -> Joined:
    """Write ``output``: a capture's packets with the owners that ``live --owners-only`` watched at the same time.

    UsageError where it would be one of both, PortcallError for what cannot be read, written or joined.
    """
    from portcall import __version__

    capture, owners, output = (
        given.text(name, os.fspath(path))
        for name, path in (("capture", capture), ("owners", owners), ("output", output))
    )
    given.one_of("annotate", annotate, get_args(Annotated))
    for path in (capture, owners):
        if Path(output).exists() and Path(path).exists() and os.path.samefile(path, output):  # noqa: PTH121 - as it reads
            raise UsageError(f"-o {output}: that is what is read. Name another file")
    replay = OwnersReplay(owners)
    watched = replay.window()
    window, timeless = _window_of(capture)
    _check_clocks(capture, window, owners, watched)
    clock = _Clock(window.first_ns)
    tracker = LiveTracker(
        SocketTimeline(replay.begin.source, lambda number: replay.names.get(number, str(number))),
        locate=lambda packets: locate(packets, replay.addresses),
    )
    numbers: dict[str, int] = {}
    recorder = Recorder(
        files=CaptureFiles(output, Rotation(), "-o"),
        style=style_of(__version__, WHOLE_FRAMES, with_arguments=True, user_number=numbers.get),
        conversations=RecordedConversations(tracker.timeline, tracker.points),
        points=tracker.points.names,
        annotate=annotate,
        clock=clock,
        heard=lambda: (),
        dropped=lambda: 0,
    )
    tracker.record(recorder)
    captures = CaptureSet([capture])
    outside = 0
    for batch in _slices(captures.batches()):
        times_ns = batch.frames["ts_ns"]
        clock.now_ns = max(clock.now_ns, int(times_ns.max()))
        is_outside = (times_ns < watched.first_ns) | (times_ns > watched.last_ns + HOLD_NS)
        outside += int((is_outside & (times_ns != NO_TIME)).sum())
        tracker.note(replay.until(clock.now_ns + HOLD_NS))
        numbers.update((name, number) for number, name in replay.names.items() if name not in numbers)
        tracker.feed(batch)
        recorder.turn()
        if recorder.failure:
            break
    recorder.finish()
    notes = _notes(replay, outside, timeless)
    problems = [Degradation("captures", str(problem), "what came before it is joined") for problem in captures.problems]
    degradations = [*recorder.losses(), *problems, *captures.notes, *notes]
    return Joined(recorder.packets, recorder.owned, degradations, bool(problems or recorder.failure))


def locate(out_packets: NDArray[np.void], addresses: set[bytes]) -> None:
    """Write the direction of PACKET[n] that have none: by the machine's addresses, of 16 bytes, and loopback's."""
    unknown = np.flatnonzero((out_packets["direction"] == Direction.UNKNOWN) & (out_packets["ip_version"] > 0))
    if not len(unknown):
        return
    known = np.frombuffer(b"".join(addresses - {bytes(16)}) or bytes(16), "V16")
    source, target = (_are_local(out_packets[end][unknown], known) for end in ("source", "target"))
    ways = np.where(source & target, Direction.INTERNAL, np.where(source, Direction.OUTBOUND, Direction.INBOUND))
    out_packets["direction"][unknown] = np.where(source | target, ways, Direction.UNKNOWN)


def _are_local(addresses: NDArray[np.uint8], known: NDArray[np.void]) -> NDArray[np.bool_]:
    is_ipv4 = ~addresses[:, :12].any(axis=1)
    is_loopback = is_ipv4 & (addresses[:, 12] == _LOOPBACK_NET)
    is_loopback |= is_ipv4 & ~addresses[:, 12:15].any(axis=1) & (addresses[:, 15] == 1)  # ::1
    return np.asarray(np.isin(np.ascontiguousarray(addresses).view("V16").ravel(), known) | is_loopback)


def _window_of(capture: str) -> tuple[WatchedTime, int]:
    """From when to when a capture is, and how many of its frames say no time."""
    first_ns, last_ns, timeless = np.iinfo(np.int64).max, NO_TIME, 0
    captures = CaptureSet([capture])
    for batch in captures.batches():
        times_ns = batch.frames["ts_ns"]
        timed = times_ns[times_ns != NO_TIME]
        timeless += len(times_ns) - len(timed)
        if len(timed):
            first_ns, last_ns = min(first_ns, int(timed.min())), max(last_ns, int(timed.max()))
    if captures.is_unreadable:
        raise PortcallError(str(captures.problems[0])) from captures.problems[0]
    if last_ns == NO_TIME:
        raise PortcallError(f"{capture}: no packet in it says when it passed, so owners cannot be joined by time")
    return WatchedTime(int(first_ns), last_ns), timeless


def _check_clocks(capture: str, window: WatchedTime, owners: str, watched: WatchedTime) -> None:
    """PortcallError where both have no moment in common."""
    gap_ns = max(window.first_ns - watched.last_ns, watched.first_ns - window.last_ns)
    if gap_ns > _NEAR_NS:
        raise PortcallError(
            f"{capture} is of {window.text}, and {owners} of {watched.text} (UTC): "
            f"{gap_ns // _SECOND_NS} s lie between. Join what "
            "was taken at the same time; if it was, a clock was wrong: 'editcap -t SECONDS' moves a capture"
        )


def _slices(batches: Iterator[FrameBatch]) -> Iterator[FrameBatch]:
    """The batches in pieces of a short time."""
    for batch in batches:
        latest_ns = np.maximum.accumulate(batch.frames["ts_ns"]) if len(batch.frames) else np.zeros(0, np.int64)
        start = 0
        while start < len(latest_ns):
            stop = int(np.searchsorted(latest_ns, latest_ns[start] + _SLICE_NS, side="right"))
            yield batch._replace(frames=batch.frames[start:stop], first_number=batch.first_number + start)
            start = stop


def _notes(replay: OwnersReplay, outside: int, timeless: int) -> list[Degradation]:
    notes = []
    if outside:
        reason = f"{outside} packets passed while sockets were not watched"
        notes.append(Degradation("owners", reason, "start 'live --owners-only' before the capture, end it afterwards"))
    if timeless:
        notes.append(Degradation("owners", f"{timeless} packets do not say when they passed", "capture with times"))
    if replay.lost:
        notes.append(Degradation("owners", f"{replay.lost} reports were lost", "run it with less load"))
    return notes
