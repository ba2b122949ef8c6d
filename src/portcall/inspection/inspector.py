"""Hearing: listens to the first payloads of every conversation until a dissector knows what it is.

The flow table says with each batch which payloads are of ends that need more inspection. The kernel ``inspect`` reads
the plain ones where they lie, and passes over those that nobody can know; the others are deferred, and the
dissectors are asked. As soon as nothing more is to be learnt an end is marked as inspected: its further packets cost
nothing. What is found is a number per row of the table. Of conversations that are not known no more is kept than the
bounds say: the oldest go first.
"""

from __future__ import annotations

import os
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from portcall.inspection.candidates import Conversation, answers, first_asked, inspects_all, recognisers, resolvers
from portcall.inspection.detection_table import Detected
from portcall.inspection.handover import DEFERRED, HELLO, DeferredPayload, held_segments, plain_name
from portcall.inspection.inspection_bounds import InspectionBounds
from portcall.inspection.plain_detections import plain_detection
from portcall.inspection.plain_inspector import plain_inspector
from portcall.inspection.reassembly import new_streams
from portcall.kernels.deferral import DNS_ANSWER, MOST_KEPT_BYTES, Deferral
from portcall.kernels.interning import NameNumbers
from portcall.records.detections import NO_PAYLOAD, OUTER_KINDS, TCP, UDP, Detection, Ends, NameKind, Payload, Role

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from portcall.dissectors import Dissector
    from portcall.flows.continuations import Continued
    from portcall.flows.table import FlowTable
    from portcall.inspection.detection_table import DetectionTable
    from portcall.inspection.dns_cache import DnsCache
    from portcall.inspection.expected_flows import ExpectedFlows
    from portcall.inspection.handover import PayloadKeeper
    from portcall.records.packets import FrameBatch
    from portcall.records.payloads.tls_secrets import KeyLog


MOST_PACKETS = 24  # of one end, before it is given up
_CONVERSATION_BYTES = 1500  # that one takes before a payload came: its streams and its candidates
# The more at once, the seldomer Python finds its own memory out of the caches; but the more is gathered for nothing.
_HELLOS_AT_ONCE, _DEFERRED_AT_ONCE, _ARENA_BYTES = 1 << 12, 1 << 9, 64 * MOST_KEPT_BYTES
_BOTH, _IS_OPEN = 3, 4  # the marks of a row, as the kernel has them
RESOLVER_SHIFT = 3  # above the bits that the table and the kernel read: 1 + the dissector that inspects all of a row
_SEED = int.from_bytes(os.urandom(8), "big")  # changes no result
_SAYS_ALL = frozenset({*OUTER_KINDS, *OUTER_KINDS.values(), NameKind.HTTP_HOST})
"""Names that no later word of either end makes better."""


class Inspector:
    """Listens to the conversations of one flow table, which must be one that listens.

    ``dns_cache`` is told who asked a resolver, when, and what it answered; ``expected_flows`` keep what is announced
    of other conversations. ``with_details``: keep what is found besides protocol and names. ``key_log`` may yet grow.
    """

    def __init__(  # noqa: PLR0913 (the last three by name)
        self,
        table: FlowTable,
        detections: DetectionTable,
        dns_cache: DnsCache,
        expected_flows: ExpectedFlows,
        *,
        key_log: KeyLog | None = None,
        with_details: bool = False,
        holder: PayloadKeeper | None = None,
        bounds: InspectionBounds | None = None,
    ) -> None:
        self._table, self._holder, self._bounds = table, holder, bounds or InspectionBounds()
        # What is held is wanted longer than what is inspected, so then the table's marks are the holder's.
        self.marks = table.column(np.dtype(np.uint8)) if holder else table.inspected
        """uint8[rows or more]: bit 0 where the low end was inspected enough, bit 1 the high end, and who hears all."""
        self._inspected = self.marks.data  # a view: single items cost a third of an array's
        self._detections, self._dns_cache, self._expected_flows = detections, dns_cache, expected_flows
        self._key_log, self._with_details = key_log, with_details
        self._conversations: dict[int, Conversation] = {}
        self._held_bytes = 0
        self._deferred = np.zeros(_DEFERRED_AT_ONCE, DEFERRED)
        self._deferral = Deferral(np.zeros(_HELLOS_AT_ONCE, HELLO), self._deferred, np.zeros(_ARENA_BYTES, np.uint8))
        self._known_detections = NameNumbers(_SEED)
        self.found = table.column(np.dtype(np.int32))
        """int32[rows or more]: number of the finding of each row of the table."""
        self.evidence = table.column(np.dtype(np.uint64))
        """uint64[rows or more]: number of the packet that told it."""
        self.asked = table.column(np.dtype(np.uint64))
        """uint64[rows or more]: the first packet that told who asked, as ``RowDetections`` has it."""
        self._asked = self.asked.data  # a view as well
        self._held = [held_segments(table, self._bounds.most_hellos) for _ in range(1 + with_details)]
        self._kernel = plain_inspector(table, self.marks, self._deferral, self._held, detections)
        self._kernel.found, self._kernel.evidence, self._kernel.asked = self.found, self.evidence, self.asked
        self._kernel.detections = self._known_detections
        self._share_dns_cache()

    def inspect(
        self, batch: FrameBatch, packets: NDArray[np.void], payloads: NDArray[np.void], first_number: int
    ) -> None:
        """Listen to PAYLOAD[n] of a batch whose first packet is number ``first_number`` of the capture."""
        kernel = self._kernel
        if self._key_log:
            kernel.reads_hellos = False  # it opens nothing
        left, done = payloads, kernel.inspect(packets, batch.frames, batch.buffer, payloads, first_number)
        while done < len(left):  # there is no more room
            self.take()
            left = left[done:]
            done = kernel.inspect(packets, batch.frames, batch.buffer, left, first_number)
        if self._holder:
            self._holder.take(batch, packets, payloads, first_number)
            self._holder.release(payloads, self.marks)

    def of(self, rows: NDArray[np.int64]) -> Detected:
        """What was found about some rows of the table; nothing about -1, an orphan."""
        self.take()
        return Detected.of_rows(rows, self.found, self.evidence, self.asked)

    def finish(self) -> None:
        """Ask about what still waits, as nothing more will come."""
        self.conclude(np.arange(len(self._table)), self._table.continued())

    def conclude(self, rows: NDArray[np.int64], continued: Continued) -> None:
        """The same for some rows; one that goes on in another shares what is found, and both are among them."""
        self.take()
        are_over = np.zeros(len(self._table), np.bool_)
        are_over[rows] = True
        for row in [row for row in self._conversations if are_over[row]]:
            conversation = self._conversations[row]
            for side in (0, 1):
                if len(conversation.streams[side]):
                    answer = conversation.ask(side, conversation.streams[side].payload(is_ended=True))
                    self._learn(row, side, answer, is_ended=True)
            self._forget(row)
        for row, called, protocol, number in self._expected_flows.find_in(self._table.rows(), rows):
            if not self.found[row]:
                self.found[row], self.evidence[row] = self._detections.number(Detection(protocol)), number
                self._note_asker(row, 1 - called, number)
        for beginning, continuation in zip(*(some.tolist()[::-1] for some in continued), strict=True):
            if not self.found[beginning]:
                self.found[beginning], self.evidence[beginning] = self.found[continuation], self.evidence[continuation]

    def renumber(self, numbers: NDArray[np.uint32]) -> None:
        """Rows have new indexes: uint32[rows], 1 + that of each, 0 for those that left, which were concluded before."""
        for held in self._held:
            held.renumber(numbers)
        self._conversations = {int(numbers[row]) - 1: known for row, known in self._conversations.items()}

    def renumber_detections(self) -> None:
        """Forget detections that are in no row; nobody else may know them by number."""
        found = self.found[: len(self._table)]
        found[:] = self._detections.keep(found)[found]
        self._known_detections.forget()

    def announces_to(self, expected_flows: ExpectedFlows) -> None:
        """Keep what is announced from now on there."""
        self._expected_flows = expected_flows

    def take(self) -> None:
        """Take what the kernel has gathered."""
        kernel = self._kernel
        for asked_for in iter(kernel.next_unnumbered, None):
            kernel.learn(self._number_of(*asked_for))
        for deferred in iter(kernel.next_deferred, None):
            self._inspect_payload(DeferredPayload(*deferred))
        self._deferral.clear()
        self._detections.unfinished += kernel.given_up
        kernel.given_up = 0
        self._share_dns_cache()
        while self._held_bytes > self._bounds.most_held_bytes:
            self._bounds.given_up += 1
            oldest = next(iter(self._conversations))
            self._inspected[oldest] = _BOTH
            self._forget(oldest)

    def _inspect_payload(self, sent: DeferredPayload) -> None:
        row, side, inspected = sent.row, sent.side, self._inspected
        if resolver := inspected[row] >> RESOLVER_SHIFT:
            self._inspect_resolver(resolvers()[resolver - 1], sent)
            return
        conversation = self._conversations.get(row)
        if conversation is None:
            self._begin(sent)
        else:
            stream = conversation.streams[side]
            held = len(stream)
            is_new = stream.add(sent.sequence, sent.payload, sent.number, is_cut=sent.is_cut)
            if stream.left_out:
                self._bounds.segments_left_out += stream.left_out
                stream.left_out = 0
            conversation.packets[side] += 1
            is_last = conversation.packets[side] >= MOST_PACKETS
            if is_new:
                payload = stream.payload(is_ended=is_last)
                self._pass_on(sent, self._learn(row, side, conversation.ask(side, payload), is_ended=payload.is_ended))
            elif is_last:
                inspected[row] |= 1 << side
            self._held_bytes += len(stream) - held
        if row in self._conversations and (inspected[row] & _BOTH == _BOTH or not inspected[row] & _IS_OPEN):
            self._forget(row)

    def _begin(self, sent: DeferredPayload) -> None:
        """Hear the first payload of a conversation, which is kept only if somebody may know it."""
        row, side, first = sent.row, sent.side, None
        opening = self._table.opening(row) if sent.protocol == TCP else None
        streams = new_streams(opening, self._bounds.most_waiting_segments)
        ends, known = self._ends(sent), self._detections[self.found[row]]  # the kernel may have known the other side
        if streams[side].add(sent.sequence, sent.payload, sent.number, is_cut=sent.is_cut):
            payload = streams[side].payload()
            asked = recognisers(known) if known else first_asked(ends, sent.prefixes, payload)
            told = answers(asked, payload, NO_PAYLOAD, ends)
            first = next(told, None)
            if first is None:  # then the kernel shall look at the other end's first payload itself
                is_done = sent.protocol != UDP or not ends.has_port(53)  # a resolver is heard whatever came before
                self._inspected[row] = (self._inspected[row] | is_done << side) & ~_IS_OPEN
                return
        conversation = self._conversations[row] = Conversation(ends, side, streams, known)
        self._inspected[row] |= _IS_OPEN  # given up since the kernel gathered this, it is taken up again
        self._held_bytes += _CONVERSATION_BYTES + len(streams[side])
        if first:
            answer = conversation.inspect(side, chain((first,), told))
            self._pass_on(sent, self._learn(row, side, answer, is_ended=payload.is_ended))

    def _learn(
        self, row: int, side: int, answer: tuple[Dissector | None, Detection | None], *, is_ended: bool
    ) -> Detection | None:
        """Note what a dissector knows of one side of a conversation, or that none will."""
        conversation = self._conversations[row]
        dissector, detection = answer
        if not dissector or not detection:
            is_given_up = is_ended or not conversation.candidates[side]
            self._inspected[row] |= is_given_up << side
            if is_given_up and not conversation.packets[1 - side]:
                self._inspected[row] &= ~_IS_OPEN  # the kernel shall look at the other end's first payload itself
            return None
        is_first, is_named = not conversation.detection, bool(conversation.detection and conversation.detection.names)
        if is_first:
            self._asked[row] = 0  # a guess before it was wrong
        known = conversation.learn(side, detection)
        kept = Detection(known.protocol, names=known.names, details=known.details if self._with_details else ())
        self.found[row] = self._detections.number(kept)
        if is_first or (known.names and not is_named):
            self.evidence[row] = conversation.streams[side].number
        self._note_role(row, side, detection, conversation.streams[side].number)
        if detection.asks_again and self._with_details:
            conversation.expect_again(1 - side)
            self._inspected[row] &= ~(1 << 1 - side)
        if inspects_all(dissector, conversation.ends[side], detection):
            self._inspected[row] = (1 + resolvers().index(dissector)) << RESOLVER_SHIFT
        elif detection.is_final and not self._with_details and any(name.kind in _SAYS_ALL for name in detection.names):
            self._inspected[row] = _BOTH
        else:
            if is_first and conversation.ends[side].transport == UDP:
                self._inspected[row] &= ~(1 << 1 - side)  # given up perhaps, when nobody knew what to look for
            self._inspected[row] |= (not conversation.is_guess and (detection.is_final or is_ended)) << side
        return detection

    def _inspect_resolver(self, dissector: Dissector, sent: DeferredPayload) -> None:
        detection = dissector.inspect(Payload(sent.payload, (sent.payload,)), NO_PAYLOAD, self._ends(sent))
        if isinstance(detection, Detection):
            self._note_role(sent.row, sent.side, detection, sent.number)
            self._pass_on(sent, detection)

    def _note_role(self, row: int, side: int, detection: Detection, number: int) -> None:
        if detection.role:
            self._note_asker(row, side if detection.role is Role.CLIENT else 1 - side, number)

    def _note_asker(self, row: int, side: int, number: int) -> None:
        """One end shows itself to be the client; what the first packet told stays."""
        told = number << 1 | side
        if not 0 < self._asked[row] < told:
            self._asked[row] = told

    def _pass_on(self, sent: DeferredPayload, detection: Detection | None) -> None:
        """Tell what concerns other conversations."""
        if detection and (detection.answers or detection.expected or detection.offers):
            deferred = self._deferred[sent.at]
            ts_ns, ends = int(deferred["ts_ns"]), (deferred["source"].tobytes(), deferred["target"].tobytes())
            self._dns_cache.note(ends[1], ts_ns, detection.answers, detection.offers)
            self._expected_flows.note(ends, ts_ns, sent.number, detection.expected, (sent.row, detection.protocol))

    def _number_of(self, kind: int, about: int, content: bytes) -> int:
        """The number of what the kernel has met for the first time."""
        if kind == DNS_ANSWER:
            number = self._dns_cache.number_of(plain_name(content).lower())
            self._share_dns_cache()
            return number
        return self._detections.number(plain_detection(self._detections, kind, about, content))

    def _share_dns_cache(self) -> None:
        """Let the kernel know where it tells the timeline, which may have begun anew."""
        self._kernel.dns_names, self._kernel.dns_answers = self._dns_cache.numbers, self._dns_cache.store

    def _ends(self, sent: DeferredPayload) -> Ends:
        return Ends(sent.protocol, sent.source_port, sent.target_port, self._key_log)

    def _forget(self, row: int) -> None:
        self._held_bytes -= _CONVERSATION_BYTES + sum(map(len, self._conversations.pop(row).streams))
