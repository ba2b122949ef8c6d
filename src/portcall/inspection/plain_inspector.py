"""The kernel that reads what is plain in payloads, told what detections mean and who recognises what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from portcall.dissectors import dns
from portcall.inspection.candidates import resolvers
from portcall.inspection.handover import SERIES
from portcall.inspection.prefilter import lookup, prefixes_of
from portcall.kernels.inspect import PlainInspector
from portcall.records.detections import TCP, UDP, Detection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from portcall.flows.table import FlowTable
    from portcall.inspection.detection_table import DetectionTable
    from portcall.kernels.deferral import Deferral
    from portcall.kernels.held_segments import HeldSegments


def plain_inspector(
    table: FlowTable,
    marks: NDArray[np.uint8],
    deferral: Deferral,
    held: Sequence[HeldSegments],
    detections: DetectionTable,
) -> PlainInspector:
    """One for a flow table and its marks; it reads details where there is room to hold answers beside hellos.

    Who makes it gives it the columns of what is found, and numbers for detections and DNS answers.
    """
    kernel = PlainInspector(marks, lookup(), deferral, held[0])
    kernel.reads_details = len(held) > 1
    if kernel.reads_details:
        kernel.awaited, kernel.held_answers = table.column(np.dtype(np.uint8)), held[1]
    kernel.resolver = 1 + resolvers().index(dns)
    for protocol in ("dns", "quic", "tls", "http", "rtp", "rtcp"):
        setattr(kernel, f"{protocol}_detection", detections.number(Detection(protocol)))
    kernel.rtp_prefixes = prefixes_of("rtp", UDP)
    kernel.short_header_prefixes = prefixes_of("quic", UDP, on_ports_only=True)
    kernel.tls_prefixes = prefixes_of("tls", TCP)
    kernel.series = table.column(SERIES)
    return kernel
