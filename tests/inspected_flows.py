"""What the kernel and the dissectors tell of one capture, flow by flow."""

from __future__ import annotations

import numpy as np

from portcall.decoding.decoder import Decoder
from portcall.errors import CaptureError
from portcall.flows.table import FlowTable
from portcall.inspection.server_names import ServerNames
from portcall.records.packets import NO_TIME
from portcall.sources.captures import open_capture


def inspected(path, *, with_details):
    """(ends, protocol, first name, names that resolvers gave either end for the other) of each flow."""
    names = ServerNames(with_details=with_details)
    table = FlowTable(seed=1, inspects=True)
    inspector = names.inspector_for(table)
    decoder, first_number = Decoder("inner"), 1
    try:
        for batch in open_capture(str(path)).source.batches():
            packets = decoder.decode(batch)
            inspector.inspect(batch, packets, table.update(packets, first_number), first_number)
            first_number += len(batch.frames)
    except CaptureError:
        pass  # what could be read counts
    inspector.finish()
    numbers = inspector.of(np.arange(len(table))).numbers
    return [
        (
            tuple(row[end].tobytes() for end in ("low", "high", "low_port", "high_port")),
            *_sent(names.detection(number)),
            *(_told(names, row[client], row[server]) for client, server in (("low", "high"), ("high", "low"))),
        )
        for row, number in zip(table.rows(), numbers.tolist(), strict=True)
    ]


def _sent(detection):
    """The protocol, and the name that rows would show."""
    return (detection.protocol, detection.names[0] if detection.names else None) if detection else (None, None)


def _told(names, client, server):
    """Each name with when it was told first and until when it held, whoever told it first."""
    return sorted(names._dns_cache.answered_before(client.tobytes(), server.tobytes(), NO_TIME))


def assert_same(path):
    plain, detailed = inspected(path, with_details=False), inspected(path, with_details=True)

    assert [pair for pair in zip(plain, detailed, strict=True) if pair[0] != pair[1]] == []
