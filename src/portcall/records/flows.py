"""Flow rows: what the flow table keeps of each conversation. The compiled twins are in ``kernels/records.pxd``."""

from __future__ import annotations

import enum

import numpy as np

FLOW = np.dtype(
    [
        # What finds the row, and its clock: the first 64 bytes.
        ("low", "u1", (16,)),  # the smaller (address, port) of the two ends; IPv4 as in PACKET
        ("high", "u1", (16,)),
        ("low_port", "u2"),
        ("high_port", "u2"),
        ("protocol", "u1"),
        ("ip_version", "u1"),
        ("kind", "u1"),  # FlowKind
        ("first_sender", "u1"),  # 0: low sent the first packet in capture order, 1: high
        ("namespace", "u4"),  # network namespace, 0 offline
        ("earlier", "u4"),  # 1 + the row of the previous connection on this key, 0 for none
        ("first_ns", "i8"),  # least time of its packets; INT64_MAX where none has a time
        ("last_ns", "i8"),  # greatest time of its packets; NO_TIME where none has a time
        # What is counted: index 0 is what low sent, 1 what high sent.
        ("packets", "u8", (2,)),
        ("bytes", "u8", (2,)),  # on the wire, link headers included
        ("payload", "u8", (2,)),
        ("syn_sequence", "u4"),  # sequence number of the SYN that opened this connection
        ("has_syn", "u1"),  # 1 where a SYN without ACK opened or joined this connection
        (
            "local",
            "u1",
        ),  # bits 0, 1: low, high is local by the capture; 2, 3: low's went out, came in; 4, 5: high's
        ("tcp_flags", "u1", (2,)),  # all flags ORed
        ("first_frame", "u8"),  # 1-based number of its first frame in the whole capture
        # TCP milestones: time of the first such segment each end sent, INT64_MAX where it sent none.
        ("syn_ns", "i8", (2,)),
        ("syn_ack_ns", "i8", (2,)),
        ("fin_ns", "i8", (2,)),
        ("rst_ns", "i8", (2,)),
    ]
)
"""One conversation, both directions: only sums, ORs, minima and maxima, so rows merge. 192 bytes, three cache lines."""

DATAGRAM = np.dtype(
    [
        ("datagram", "u8"),  # as in PACKET
        ("source", "u1", (16,)),  # of its pending fragments
        ("target", "u1", (16,)),
        ("namespace", "u4"),
        ("protocol", "u1"),
        ("ip_version", "u1"),
        ("first_side", "u1"),  # which end of its flow sent the datagram: 0 low, 1 high
        ("latest_side", "u1"),
        ("first_flow", "u4"),  # 1 + the row of the earliest first fragment, 0 for none yet
        ("latest_flow", "u4"),  # 1 + the row of the latest first fragment
        ("local", "u1"),  # of the pending: the same, with the source for low
        ("reserved", "u1", (7,)),
        ("first_frame", "u8"),  # number of the first pending frame
        ("packets", "u8"),  # later fragments that came before any first one: pending
        ("bytes", "u8"),
        ("payload", "u8"),
        ("first_ns", "i8"),
        ("last_ns", "i8"),
    ]
)
"""One fragmented IP datagram: which flow its later fragments join. 112 bytes."""

TIME_CELL = np.dtype(
    [
        ("owner", "u4"),  # whose packets: a verdict, or FIRST_DATAGRAM, FIRST_FLOW or FIRST_UNMATCHED and a row's index
        # What is counted: index 0 is what a flow's low end sent; all of a verdict, and of fragments that wait. A cell
        # that has no room for more is followed by another one of the same bucket.
        ("packets", "u2", (2,)),
        ("bytes", "u4", (2,)),
        ("payload", "u4", (2,)),
        ("first_ns", "i8"),  # least time of the packets, NO_TIME where they have none
        ("last_ns", "i8"),  # greatest one
    ]
)
"""What came of one flow, or of one verdict, in one bucket of time. 40 bytes."""
TIME_SUM = np.dtype(
    [
        ("owner", "u4"),
        ("packets", "u8", (2,)),
        ("bytes", "u8", (2,)),
        ("payload", "u8", (2,)),
        ("first_ns", "i8"),
        ("last_ns", "i8"),
    ]
)
"""The sum of several cells."""
FIRST_DATAGRAM, FIRST_FLOW, FIRST_UNMATCHED = 0x8, 0x100000, 0x80000000
"""Where the owners of cells begin that are no verdict: datagrams whose fragments wait, flows, unmatched fragments."""

NEVER = np.iinfo(np.int64).max
"""Stands in a FLOW milestone that did not happen, and in ``first_ns`` where no packet has a time."""


class FlowKind(enum.IntEnum):
    """What a flow row stands for."""

    CONVERSATION = 0
    UNMATCHED = 2  # later fragments between two addresses whose first fragments the capture does not have
