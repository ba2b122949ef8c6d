"""Seeds: what the captures of this repository hold, as files, frames and payloads."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from portcall.decoding.decoder import Decoder
from portcall.errors import CaptureError
from portcall.records.packets import NO_TIME
from portcall.sources.captures import open_capture

ROOT = Path(__file__).resolve().parent.parent
_MOST_FRAMES = 300  # of one capture
_MOST_FILE_BYTES = 1 << 17


class SeedFrame(NamedTuple):
    """A frame of a capture."""

    link: int
    ts_ns: int
    content: bytes


class SeedPayload(NamedTuple):
    """What one packet carried."""

    protocol: int
    source_port: int
    target_port: int
    content: bytes


@cache
def capture_files() -> tuple[bytes, ...]:
    """Captures that are small enough to be changed as they are."""
    paths = sorted(path for path in (ROOT / "captures").rglob("*") if path.is_file() and path.suffix != ".toml")
    return tuple(path.read_bytes() for path in paths if 0 < path.stat().st_size <= _MOST_FILE_BYTES)


@cache
def frames() -> tuple[SeedFrame, ...]:
    """Some frames of every capture, each once."""
    found: dict[SeedFrame, None] = {}
    for path in sorted((ROOT / "captures").rglob("*.pcap*")):
        taken = 0
        with suppress(CaptureError):
            for batch in open_capture(str(path)).source.batches():
                for frame in batch.frames[: _MOST_FRAMES - taken]:
                    start = int(frame["offset"])
                    content = batch.buffer[start : start + int(frame["captured"])].tobytes()
                    found[SeedFrame(int(frame["link"]), int(frame["ts_ns"]), content)] = None
                    taken += 1
    return tuple(found)


@cache
def payloads() -> tuple[SeedPayload, ...]:
    """What these frames carry, each once."""
    from portcall.records.packets import FRAME, FrameBatch

    found: dict[SeedPayload, None] = {}
    decoder = Decoder("inner")
    for seed in frames():
        row = np.zeros(1, FRAME)
        row["captured"] = row["wire"] = len(seed.content)
        row["link"], row["ts_ns"] = seed.link, NO_TIME
        packet = decoder.decode(FrameBatch(row, np.frombuffer(seed.content, np.uint8), 1))[0]
        content = seed.content[int(packet["payload_offset"]) :][: int(packet["payload"])]
        if packet["verdict"] == 0 and content:
            ports = int(packet["source_port"]), int(packet["target_port"])
            found[SeedPayload(int(packet["protocol"]), *ports, content)] = None
    return tuple(found)
