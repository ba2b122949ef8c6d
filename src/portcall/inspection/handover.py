"""What the kernel hands over or keeps: hellos it parsed or holds, payloads for the dissectors, series it follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from portcall.flows.reserved_memory import reserved
from portcall.kernels.held_segments import MOST_HELD_BYTES, HeldSegments

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from portcall.flows.table import FlowTable
    from portcall.inspection.reassembly import Datagrams, Stream
    from portcall.records.packets import FrameBatch

    Reassembled = Stream | Datagrams

HELLO = np.dtype(
    [
        ("ts_ns", "i8"),
        ("number", "u8"),  # of its packet
        ("target", "u1", (16,)),  # whom it was said to
        ("address", "u1", (16,)),  # of an answer, IPv4 in the last four bytes
        ("name_at", "u4"),  # in the arena
        ("name_length", "u4"),
        ("said_at", "u4"),  # what else is worth keeping, in the arena
        ("said_length", "u4"),
        ("seconds", "u4"),  # time to live
        ("row", "u4"),
        ("kind", "u1"),
        ("is_part", "u1"),  # 1 where the rest of it is awaited
        ("has_ech", "u1"),  # 1 where an encrypted hello, or what looks like one, is in it
        ("reserved", "u1", (5,)),
    ]
)
"""A hello of which something is new to the kernel, or an address of a name that is. 80 bytes."""


DEFERRED = np.dtype(
    [
        ("prefixes", "u8", (2,)),  # that it fits, as bits; 0 where the kernel did not look
        ("ts_ns", "i8"),
        ("number", "u8"),  # of its packet
        ("source", "u1", (16,)),
        ("target", "u1", (16,)),
        ("at", "u4"),  # in the arena
        ("length", "u4"),
        ("row", "u4"),
        ("sequence", "u4"),  # of its first byte, TCP only
        ("source_port", "u2"),
        ("target_port", "u2"),
        ("side", "u1"),
        ("protocol", "u1"),
        ("is_cut", "u1"),  # 1 where there is not all of it
        ("is_later", "u1"),  # 1 where it does not follow the SYN of its side
    ]
)
"""One payload that is left to the dissectors. 88 bytes."""


SERIES = np.dtype(
    [
        ("sources", "u8", (2,)),  # by side: of a connection, or a stream and its sequence number
        ("reports", "u4", (2,)),  # what the last report of RTCP was about
        ("kinds", "u1", (2,)),  # what the datagrams may be, 0 for nothing
        ("marks", "u1", (2,)),  # QUIC: the first byte; RTP: 1 where there was a report
        ("counts", "u1", (2,)),
        ("streaks", "u1", (2,)),  # QUIC: 1 where first bytes differ; RTP: how many follow each other
    ]
)
"""Datagrams that tell only together, as far as they have come, of both sides of a row. 32 bytes."""


class DeferredPayload(NamedTuple):
    """One payload and where it comes from, as the kernel gives it."""

    at: int
    """Index of its DEFERRED, which has what is seldom needed."""
    row: int
    side: int
    number: int
    protocol: int
    source_port: int
    target_port: int
    sequence: int
    payload: bytes
    is_cut: bool
    prefixes: int
    """The prefixes that it fits, a bit each; 0 where nobody looked."""


def held_segments(table: FlowTable, most: int) -> HeldSegments:
    """Room for so many first segments of hellos, or of answers, in the rows of a table."""
    room = reserved((most + 2) * MOST_HELD_BYTES, np.dtype(np.uint8))
    return HeldSegments(reserved(most, DEFERRED), room, table.column(np.dtype(np.uint32)))


def plain_name(labels: bytes) -> str:
    """The name in a DNS question but for its last byte, the root: each label's length before it (RFC 1035 §3.1)."""
    names, at = [], 0
    while at < len(labels):
        names.append(labels[at + 1 : at + 1 + labels[at]].decode("ascii"))
        at += 1 + labels[at]
    return ".".join(names)


class PayloadKeeper(Protocol):
    """What wants payloads besides the inspector, perhaps longer than that does."""

    def take(self, batch: FrameBatch, packets: NDArray[np.void], payloads: NDArray[np.void], first_number: int) -> None:
        """Take PAYLOAD[n], which the inspector has had."""

    def release(self, payloads: NDArray[np.void], marks: NDArray[np.uint8]) -> None:
        """Tell the table which ends it need not give any more, by what was inspected."""
