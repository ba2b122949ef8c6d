"""What the kernel and the dissectors tell of one capture, flow by flow."""

from __future__ import annotations

import numpy as np

from portcall.decoding.decoder import Decoder
from portcall.errors import CaptureError
from portcall.flows.table import FlowTable
from portcall.inspection.server_names import ServerNames
from portcall.records.packets import NO_TIME
from portcall.sources.captures import open_capture


def inspected(path, *, with_details, snap_bytes=None):
    """(ends, end that asked, protocol, first name, names that resolvers gave either end for the other) of each flow.

    ``snap_bytes``: as if the capture had kept no more of each frame.
    """
    names = ServerNames(with_details=with_details)
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
            tuple(row[end].tobytes() for end in ("low", "high", "low_port", "high_port")),
            asker,
            *_sent(names.detection(number)),
            *(_told(names, row[client], row[server]) for client, server in (("low", "high"), ("high", "low"))),
        )
        for row, number, asker in zip(table.rows(), found.numbers.tolist(), found.askers.tolist(), strict=True)
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
    plain, detailed = (inspected(path, with_details=wanted, snap_bytes=snap_bytes) for wanted in (False, True))

    assert [pair for pair in zip(plain, detailed, strict=True) if pair[0] != pair[1]] == []
