"""The logs of the conversations of one flow table, while it is fed: payloads in order go to the log of their protocol.

A conversation is listened to until its log knows enough, which is often longer than what inspection needs. What waits
is bounded over all conversations: of those that began first the logs end first. So is the number of entries, and what
is beyond is counted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

from portcall.dissectors._records import HANDSHAKE, looks_like_records
from portcall.inspection.logs.dns_log import DnsLog
from portcall.inspection.logs.http_log import HttpLog
from portcall.inspection.logs.in_order import InOrder
from portcall.inspection.logs.quic_log import QuicLog
from portcall.inspection.logs.tls_log import TlsLog
from portcall.inspection.payload_frames import captured_payloads
from portcall.records.detections import TCP

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from portcall.flows.table import FlowTable
    from portcall.inspection.detection_table import DetectionTable
    from portcall.inspection.inspection_bounds import InspectionBounds
    from portcall.inspection.inspector import Inspector
    from portcall.records.packets import FrameBatch
    from portcall.records.payloads.log_entries import LogEntry

_CONVERSATION_BYTES = 2000  # that one takes before anything waits
_MOST_UNKNOWN_BYTES, _MOST_UNKNOWN_PACKETS = 16 << 10, 48
_SYN, _BOTH, _HELLO_AT, _CLIENT_HELLO = 2, 3, 5, 1


class Log(Protocol):
    """What listens to one conversation."""

    @property
    def held_bytes(self) -> int:
        """What waits for more."""

    def feed(self, side: int, data: bytes, ts_ns: int) -> list[LogEntry]:
        """What more of one side completes."""

    def finish(self) -> list[LogEntry]:
        """What nothing more will complete."""


_LOGS: dict[str, Callable[[str, tuple[int, int]], Log]] = {
    "http": lambda _transport, _ports: HttpLog(),
    "tls": lambda _transport, _ports: TlsLog(),
    "quic": lambda _transport, _ports: QuicLog(),
    **dict.fromkeys(("dns", "mdns", "llmnr", "netbios-ns"), DnsLog),
}
"""Protocol, as it was detected → its log, of a transport and the ports of both ends."""


@dataclass(slots=True)
class _Conversation:
    """One that is listened to; ``early`` is what was said before anybody knew its protocol."""

    transport: str
    ports: tuple[int, int]
    streams: tuple[InOrder, InOrder] | None
    log: Log | None = None
    early: list[tuple[int, bytes, int]] = field(default_factory=list)
    early_bytes: int = 0
    packets: int = 0
    held_bytes: int = _CONVERSATION_BYTES


class ConversationLogs:
    """Logs of one table's conversations; ``inspector`` must be set before it is fed."""

    inspector: Inspector

    def __init__(self, table: FlowTable, detections: DetectionTable, bounds: InspectionBounds) -> None:
        """``bounds`` are those of the run, in which is counted what is logged before it is over."""
        self._table, self._detections, self._bounds = table, detections, bounds
        self._open: dict[int, _Conversation] = {}
        self._entries: dict[int, list[LogEntry]] = {}
        self._done = table.column(np.dtype(np.uint8))
        self._count = self._held_bytes = 0
        self.left_out = 0
        """Entries for which there was no room."""

    def take(self, batch: FrameBatch, packets: NDArray[np.void], payloads: NDArray[np.void], first_number: int) -> None:
        """Listen to PAYLOAD[n]; the inspector has had them."""
        del first_number
        self.inspector.take()  # so that protocols are known that are
        payloads = payloads[self._done[payloads["row"]] >> payloads["side"] & 1 == 0]
        of_packets = packets[payloads["packet"]]
        names = ("ts_ns", "payload", "protocol", "tcp_sequence", "tcp_flags", "source_port", "target_port")
        facts = zip(*(of_packets[name].tolist() for name in names), strict=True)
        contents = captured_payloads(batch, of_packets, payloads["packet"])
        at = zip(payloads["row"].tolist(), payloads["side"].tolist(), strict=True)
        for (row, side), (ts_ns, size, protocol, sequence, flags, *ports), content in zip(
            at, facts, contents, strict=True
        ):
            if self._done[row] >> side & 1 or not content:
                continue
            conversation = self._open.get(row)
            if conversation is None:
                conversation = self._open[row] = self._begin(row, protocol, (ports[0], ports[1]))
                self._held_bytes += conversation.held_bytes
            if conversation.streams:
                stream, is_cut = conversation.streams[side], len(content) < size
                told = stream.add(sequence + bool(flags & _SYN), content, is_cut=is_cut)
            else:
                told = content
            if told:
                self._hear(row, conversation, side, told, ts_ns)
            if conversation.streams and conversation.streams[side].is_broken and row in self._open:
                self._leave(row, side)

    def release(self, payloads: NDArray[np.void], marks: NDArray[np.uint8]) -> None:
        """Tell the table which ends it need not give any more: inspected enough, by ``marks``, and logged."""
        rows = payloads["row"]
        self._table.inspected[rows] = marks[rows] & _BOTH & self._done[rows]

    def finish(self) -> None:
        """Nothing more will be fed: log what is there."""
        for row in list(self._open):
            self._end(row)

    def conclude(self, rows: NDArray[np.int64]) -> None:
        """The same for some rows."""
        are_over = np.zeros(len(self._table), np.bool_)
        are_over[rows] = True
        for row in [row for row in self._open if are_over[row]]:
            self._end(row)

    def renumber(self, numbers: NDArray[np.uint32]) -> None:
        """Rows have new indexes: uint32[rows], 1 + that of each, 0 for those that left, which were concluded before."""
        self._open = {int(numbers[row]) - 1: one for row, one in self._open.items()}
        self._entries = {int(numbers[row]) - 1: one for row, one in self._entries.items() if numbers[row]}
        self._count = sum(map(len, self._entries.values()))

    def of(self, rows: NDArray[np.int64]) -> NDArray[np.object_]:
        """object[n]: the entries of each of these rows, a list; -1 is no row."""
        found = np.empty(len(rows), object)
        found[:] = [self._entries.get(row, ()) for row in rows.tolist()]
        return found

    def _begin(self, row: int, protocol: int, ports: tuple[int, int]) -> _Conversation:
        if protocol != TCP:
            return _Conversation("udp", ports, None)
        originator, beginning = self._table.opening(row)
        streams = (InOrder(beginning if originator == 0 else None), InOrder(beginning if originator == 1 else None))
        return _Conversation("tcp", ports, streams)

    def _hear(self, row: int, conversation: _Conversation, side: int, content: bytes, ts_ns: int) -> None:
        conversation.packets += 1
        if conversation.log is None:
            self._choose(row, conversation, content)
        elif getattr(conversation.log, "is_tunnel", False) and _begins_tls(content):
            self._note(row, conversation.log.finish())
            conversation.log = TlsLog()
        if conversation.log:
            self._note(row, conversation.log.feed(side, content, ts_ns))
        elif self._detections[self.inspector.found[row]] is None:
            conversation.early.append((side, content, ts_ns))
            conversation.early_bytes += len(content)
        held = _CONVERSATION_BYTES + (conversation.log.held_bytes if conversation.log else conversation.early_bytes)
        self._held_bytes += held - conversation.held_bytes
        conversation.held_bytes = held
        is_unknown = conversation.log is None and (
            conversation.early_bytes > _MOST_UNKNOWN_BYTES or conversation.packets > _MOST_UNKNOWN_PACKETS
        )
        if is_unknown or getattr(conversation.log, "is_over", False):
            self._end(row)
        while self._held_bytes > self._bounds.most_log_bytes and self._open:
            self._bounds.logged_early += 1
            self._end(next(iter(self._open)))

    def _choose(self, row: int, conversation: _Conversation, content: bytes) -> None:
        """Find the log for a conversation, by what was detected, or as TLS begins within it (STARTTLS)."""
        detection = self._detections[self.inspector.found[row]]
        if detection is None:
            return
        new_log = _LOGS.get(detection.protocol)
        if new_log:
            conversation.log = new_log(conversation.transport, conversation.ports)
            for side, early, ts_ns in conversation.early:
                self._note(row, conversation.log.feed(side, early, ts_ns))
        elif conversation.streams and _begins_tls(content):
            conversation.log = TlsLog()
        conversation.early, conversation.early_bytes = [], 0

    def _leave(self, row: int, side: int) -> None:
        """Nothing more is to be learnt of one side."""
        self._done[row] |= 1 << side
        if self._done[row] == _BOTH:
            self._end(row)

    def _note(self, row: int, entries: list[LogEntry]) -> None:
        room = self._bounds.most_log_lines - self._count
        self.left_out += max(len(entries) - room, 0)
        if entries and room > 0:
            self._entries.setdefault(row, []).extend(entries[:room])
            self._count += min(len(entries), room)

    def _end(self, row: int) -> None:
        conversation = self._open.pop(row)
        self._done[row] = _BOTH
        self._held_bytes -= conversation.held_bytes
        if conversation.log:
            self._note(row, conversation.log.finish())


def _begins_tls(content: bytes) -> bool:
    is_handshake = content[:1] == bytes([HANDSHAKE]) and looks_like_records(content)
    return is_handshake and content[_HELLO_AT : _HELLO_AT + 1] == bytes([_CLIENT_HELLO])
