"""Payloads of a conversation or two, packet by packet, to all that inspects them: kernels, streams and dissectors."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from byte_pieces import BytePieces, cut_to_size, written
from capture_seeds import payloads
from portcall.decoding.copies import Copies
from portcall.inspection.server_names import ServerNames
from portcall.records.detections import UDP
from portcall.records.packets import FRAME, FrameBatch
from portcall.runs.inspected_table import Shard
from portcall.runs.partial import Partial
from portcall.runs.tracker import Tracker

if TYPE_CHECKING:
    from collections.abc import Iterator

_PORTS = (80, 443, 53, 5353, 1900, 3478, 25, 22, 8080, 123, 853, 4500, 137, 5060, 6881, 40000)
_IS_UDP, _HAS_DETAILS, _HAS_QUESTIONS, _IS_SHARD, _HAS_LOGS, _SECOND_PORT = 1, 2, 4, 8, 16, 5
_FROM_SERVER, _IS_SYN, _IS_FIN, _IS_CUT, _GOES_BACK, _LEAVES_A_GAP = 1, 2, 4, 8, 16, 32
_MOST_PACKETS = 40
_RAW_IP = 228
MOST_BYTES = 6000


def seeds() -> Iterator[bytes]:
    """Each payload of the captures, alone and with the one that follows it there."""
    last = b""
    for sent in payloads():
        ports = [at for at, port in enumerate(_PORTS) if port in (sent.source_port, sent.target_port)]
        flags = _HAS_DETAILS | (_IS_UDP if sent.protocol == UDP else 0)
        from_server = bool(ports) and sent.source_port == _PORTS[ports[0]]
        one = written(int(from_server), sent.content)
        yield bytes([flags, ports[0] if ports else 15]) + last + one
        last = one if len(sent.content) < 1500 else b""  # noqa: PLR2004 (a packet)


def examine(data: bytes) -> None:
    """All packets are counted, and what was found can be asked for; a shard goes through bytes."""
    pieces = BytePieces(data)
    flags, ports = pieces.number(), pieces.number()
    is_shard = bool(flags & _IS_SHARD)
    has_logs = bool(flags & _HAS_LOGS) and not is_shard
    names = ServerNames(
        with_details=bool(flags & (_HAS_DETAILS | _HAS_LOGS)),
        with_questions=bool(flags & _HAS_QUESTIONS),
        with_logs=has_logs,
    )
    tracker = Tracker(names=names, max_flows=64, copies=Copies(removes=False), shard=Shard.LATER if is_shard else None)
    sequences = [1 << 31, 7]
    count = 0
    while pieces and count < _MOST_PACKETS:
        tracker.feed(_batch(flags, ports, pieces, sequences, count))
        count += 1
    if not tracker.tables:
        return
    table = tracker.tables[0]
    if is_shard:
        again = Partial.from_bytes(Partial.of(tracker).to_bytes())
        table = again.tracker().tables[0]
    table.finish()
    rows = np.arange(len(table.flows))
    found = table.detected(rows)
    if found is None or len(found.numbers) != len(rows):
        raise AssertionError("not every conversation can be asked about")
    if sum(tally.frames for tally in table.flows.tallies().values()) != count:
        raise AssertionError("frames are lost")


def _batch(flags: int, ports: int, pieces: BytePieces, sequences: list[int], count: int) -> FrameBatch:
    how = pieces.number()
    content = pieces.piece()
    side = how & _FROM_SERVER
    server = _PORTS[(ports >> 4 if how & 64 else ports) % len(_PORTS)]
    near, far = (server, 50_000) if side else (50_000, server)
    addresses = b"\x0a\0\0\x02\x0a\0\0\x01" if side else b"\x0a\0\0\x01\x0a\0\0\x02"
    if flags & _IS_UDP:
        transport, protocol = struct.pack(">HHHH", near, far, 8 + len(content), 0), 17
    else:
        sequence = (sequences[side] - (len(content) if how & _GOES_BACK else 0) + 99 * bool(how & _LEAVES_A_GAP)) % (
            1 << 32
        )
        bits = 0x10 | (2 if how & _IS_SYN else 0) | (1 if how & _IS_FIN else 0)
        transport, protocol = struct.pack(">HHIIBBHHH", near, far, sequence, 0, 0x50, bits, 1000, 0, 0), 6
        sequences[side] = (sequence + len(content) + bool(how & _IS_SYN)) % (1 << 32)
    length = 20 + len(transport) + len(content)
    head = struct.pack(">BBHHHBBH", 0x45, 0, min(length, 65535), count, 0, 64, protocol, 0) + addresses
    frame = cut_to_size((head + transport + content)[: length // 2 if how & _IS_CUT else length])
    row = np.zeros(1, FRAME)
    row["captured"], row["wire"], row["link"] = len(frame), length, _RAW_IP
    row["ts_ns"] = 1_700_000_000_000_000_000 + count * 1_000_000 * (1 + (how & 128))
    return FrameBatch(row, frame, 1 + count)
