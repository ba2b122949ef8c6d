"""What the kernel and the dissectors tell of one capture, flow by flow."""

from __future__ import annotations

import numpy as np

from made_conversations import names_by_dissectors
from portcall.decoding.decoder import Decoder
from portcall.errors import CaptureError
from portcall.flows.table import FlowTable
from portcall.inspection.server_names import ServerNames
from portcall.records.packets import NO_TIME
from portcall.sources.captures import open_capture


def inspected(path, names, snap_bytes=None):
    """What is said of each flow: first what is, whatever is asked for, then details.

    (ends, end that asked, protocol, first name, names that resolvers gave either end for the other), (details, number
    of the frame that told it). ``snap_bytes``: as if the capture had kept no more of each frame.
    """
    table = FlowTable(seed=1, inspects=True)
    inspector = names.inspector_for(table)
    decoder, first_number = Decoder("inner"), 1
    try:
        for batch in open_capture(str(path)).source.batches():
            kept = batch if snap_bytes is None else cut(batch, snap_bytes)
            packets = decoder.decode(kept)
            inspector.inspect(kept, packets, table.update(packets, first_number), first_number)
            first_number += len(batch.frames)
    except CaptureError:
        pass  # what could be read counts
    inspector.finish()
    found = inspector.of(np.arange(len(table)))
    return [
        (
            (
                tuple(row[end].tobytes() for end in ("low", "high", "low_port", "high_port")),
                asker,
                *_sent(names.detection(number)),
                *(_told(names, row[client], row[server]) for client, server in (("low", "high"), ("high", "low"))),
            ),
            (number and names.detection(number).details, evidence),
        )
        for row, number, evidence, asker in zip(table.rows(), *map(np.ndarray.tolist, found[:3]), strict=True)
    ]


def cut(batch, snap_bytes):
    """The batch as a capture with that snapshot length has it."""
    frames = batch.frames.copy()
    frames["captured"] = np.minimum(frames["captured"], snap_bytes)
    return batch._replace(frames=frames)


def _sent(detection):
    """The protocol, and the name that rows would show."""
    return (detection.protocol, detection.names[0] if detection.names else None) if detection else (None, None)


def _told(names, client, server):
    """Each name with when it was told first and until when it held, whoever told it first."""
    return sorted(names.dns_cache.answered_before(client.tobytes(), server.tobytes(), NO_TIME))


def assert_same(path, snap_bytes=None):
    plain = inspected(path, ServerNames(), snap_bytes)
    detailed = inspected(path, ServerNames(with_details=True), snap_bytes)
    by_dissectors = inspected(path, names_by_dissectors(), snap_bytes)

    assert [pair for pair in zip(detailed, by_dissectors, strict=True) if pair[0] != pair[1]] == []
    assert [pair for pair in zip(plain, by_dissectors, strict=True) if pair[0][0] != pair[1][0]] == []
