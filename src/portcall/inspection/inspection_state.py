"""What a shard of a capture found out about its conversations, in a form that merges and that can leave the process.

A conversation that was inspected enough is known for good. Of every other one the payloads are held, so two halves
become one by inspecting them once more, from the beginning, when nothing more goes before or comes after: ``resumed``.
Until then merging only joins arrays, and asks no dissector.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from portcall.dissectors import dns
from portcall.inspection.asked_questions import AskedMessages
from portcall.inspection.candidates import resolvers
from portcall.inspection.detection_table import earlier_askers
from portcall.inspection.expected_flows import ExpectedFlows
from portcall.inspection.held_payloads import Payloads
from portcall.inspection.inspector import RESOLVER_SHIFT
from portcall.inspection.names_state import arrays_of_names, merge_names, merge_questions, names_of_plain, plain_names
from portcall.records.payloads.dns_questions import ASKED
from portcall.records.plain_data import below, rows_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from portcall.flows.table import FlowTable
    from portcall.inspection.held_payloads import PayloadHolder
    from portcall.inspection.inspector import Inspector
    from portcall.inspection.server_names import ServerNames

INSPECTED = np.dtype(
    [
        ("evidence", "u8"),  # number of the packet that told it
        ("asked", "u8"),  # the first packet that told who asked, as ``RowDetections`` has it
        ("found", "i4"),  # number of the detection
        ("marks", "u1"),  # what was inspected, as ``Inspector`` has it
        ("is_halved", "u1"),  # 1 where shards saw parts of what nobody knows yet
        ("is_lost", "u1"),  # 1 where there was no room for what was said
        ("is_short", "u1"),  # 1 where there was room for the first of what each end said only
    ]
)
"""What is known of one row of the flow table. 24 bytes."""

_BOTH, _RESOLVERS = 3, 1 << RESOLVER_SHIFT
_MARKS = _BOTH | ~(_RESOLVERS - 1) & 0xFF  # those that say more than how far the inspector had come


@dataclass(slots=True)
class InspectionState:
    """What is known of each row of a flow table, what was said in those that are not known, and all names."""

    rows: NDArray[np.void]
    """INSPECTED[n]."""
    said: Payloads
    names: ServerNames
    asked: NDArray[np.void]
    """ASKED[m]: the DNS questions in its packets, where somebody wants to know."""

    @classmethod
    def of(
        cls,
        inspector: Inspector,
        holder: PayloadHolder,
        names: ServerNames,
        table: FlowTable,
        questions: AskedMessages | None = None,
    ) -> InspectionState:
        """What an inspector knows of its table, and what was held meanwhile."""
        inspector.take()
        rows = np.zeros(len(table), INSPECTED)
        for name in ("found", "evidence", "asked", "marks"):
            rows[name] = getattr(inspector, name)[: len(table)]
        rows["marks"] &= _MARKS
        said = holder.payloads(rows["marks"])
        rows["is_lost"], rows["is_short"] = holder.lost[: len(table)], holder.short[: len(table)]
        return cls(rows, said, names, questions.all() if questions else np.zeros(0, ASKED))

    def merge(
        self,
        later: InspectionState,
        places: NDArray[np.int64],
        table: FlowTable,
        frames_before: int,
        *,
        follows: bool = True,
    ) -> None:
        """Take in the state of the shard that follows, whose rows went to these places of the table that both have now.

        ``frames_before`` goes before what the later one calls frame 1. ``follows``: other shards go before this one.
        """
        numbers = merge_names(self.names, later.names, frames_before, places)
        rows, later_said = later.rows.copy(), _have(later.said, len(later.rows))
        rows["found"] = numbers[rows["found"]]
        rows["evidence"] += np.where(rows["evidence"] > 0, np.uint64(frames_before), np.uint64(0))
        rows["asked"] += np.where(rows["asked"] > 0, np.uint64(frames_before << 1), np.uint64(0))
        self.rows = np.concatenate([self.rows, np.zeros(len(table) - len(self.rows), INSPECTED)])
        have_said, are_short = _have(self.said, len(self.rows)), self.rows["is_short"] == 1
        left = np.arange(len(rows))
        while len(left):  # two rows of a shard may belong to one here
            _, first = np.unique(places[left], return_index=True)
            here, there = places[left[first]], left[first]
            self.rows[here] = _joined(self.rows[here], rows[there], have_said[here], later_said[there])
            have_said[here] |= later_said[there]
            left = np.delete(left, first)
        more = later.said.kept(~are_short[places[later.said.held["row"]]])  # what went before that is not there
        held = more.held.copy()
        held["row"], held["number"] = places[held["row"]], held["number"] + np.uint64(frames_before)
        self.said = self.said.followed(Payloads(held, more.content))
        moved = merge_questions(self.names, later.names, later.asked, frames_before, places)
        room = max(self.names.bounds.most_messages - len(self.asked), 0)
        self.asked = np.concatenate([self.asked, moved[:room]])
        if self.names.questions:
            self.names.questions.left_out += len(moved[room:])
        self._let_go(table, follows=follows)

    def _let_go(self, table: FlowTable, *, follows: bool) -> None:
        """Drop what nobody can ask for any more, and what is more than the bounds."""
        rows, row_of, known = self.rows, self.said.held["row"], are_known(self.rows)
        may_have_begun_before = (table.rows()["has_syn"] == 0) & follows
        are_wanted = (may_have_begun_before | ~known) & (rows["is_lost"] == 0)
        hear_all = rows["marks"] >= _RESOLVERS
        wanted = self.said.kept(are_wanted[row_of] & (self.said.within_an_end() | hear_all[row_of]))
        self.said, shortened, gone = wanted.fitted(known, self.names.bounds.most_shard_bytes)
        rows["is_short"][shortened] = rows["is_lost"][gone] = 1

    def resumed(self, table: FlowTable) -> tuple[Inspector, AskedMessages | None]:
        """An inspector of the table, and the questions in it, that know what those of all shards as one would."""
        known, row_of = self.rows.copy(), self.said.held["row"]
        hear_all = known["marks"] >= _RESOLVERS
        again = _have(self.said, len(known)) & ~are_known(known) & (known["is_lost"] == 0)
        again &= ~hear_all | (known["is_halved"] == 1)
        known[again & ~hear_all] = np.zeros(1, INSPECTED)
        known["marks"][~again & ~hear_all] = _BOTH
        self.names.detections.left_out += self.lost
        inspector = self.names.inspector_for(table)
        for name in ("found", "evidence", "asked", "marks"):
            getattr(inspector, name)[: len(known)] = known[name]
        questions = None
        if self.names.questions:
            questions = AskedMessages(self.names.questions, self.names.detections, inspector)
        announced = ExpectedFlows()  # what is announced once more comes before what followed
        inspector.announces_to(announced)
        for batch, packets, payloads, first_number in self.said.kept(again[row_of]).batches(table):
            inspector.inspect(batch, packets, payloads, first_number)
            if questions:
                questions.take(batch, packets, payloads, first_number)
        inspector.take()
        wants_more = inspector.marks[: len(known)] & _BOTH != _BOTH
        self.names.detections.left_out += int((again & wants_more & (self.rows["is_short"] == 1)).sum())
        self._forget_mistaken(inspector)
        self.names.expected_flows.merge(announced)
        inspector.announces_to(self.names.expected_flows)
        if questions:
            questions.absorb(self.asked)
        return inspector, questions

    def _forget_mistaken(self, inspector: Inspector) -> None:
        """Forget what was announced in rows that a shard took for something which the whole does not."""
        detections = self.names.detections

        def is_wrong(row: int, teller: str) -> bool:
            known = detections[int(inspector.found[row])]
            return not known or known.protocol != teller

        self.names.expected_flows.forget(is_wrong)

    @property
    def lost(self) -> int:
        """Conversations that are not known, of which there was no room for what they said."""
        return int((~are_known(self.rows) & (self.rows["is_lost"] == 1)).sum())

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Its columns."""
        said, names = self.said, arrays_of_names(self.names)
        return {"inspected": self.rows, "held": said.held, "content": said.content, "asked": self.asked, **names}

    def plain(self) -> dict[str, Any]:
        """What belongs to its columns, as lists, texts and numbers."""
        return plain_names(self.names)

    @classmethod
    def of_plain(
        cls, plain: dict[str, Any], arrays: dict[str, NDArray[Any]], flows: int, frames: int
    ) -> InspectionState:
        """The state that gave these, of a table with so many rows. ValueError for what none can give."""
        names = names_of_plain(plain, arrays, flows)
        rows = rows_of(arrays["inspected"], flows)
        below(rows["found"], len(names.detections.have_names()))
        below(rows["marks"] >> RESOLVER_SHIFT, len(resolvers()) + 1)
        rows["marks"] &= _MARKS
        for column in ("is_halved", "is_lost", "is_short"):
            below(rows[column], 2)
        return cls(rows, Payloads.of(arrays, flows, frames), names, _asked_of(arrays["asked"], names, flows, frames))


def _asked_of(asked: NDArray[np.void], names: ServerNames, flows: int, frames: int) -> NDArray[np.void]:
    """ASKED[m] of a table with so many rows. ValueError for what no shard has."""
    below(asked["row"], flows)
    below(asked["side"], 2)
    below(asked["counts"], 2)
    below(asked["number"], frames + 1)
    below(asked["code"].astype(np.int64) + 1, 17)
    below(asked["question"], len(names.questions) if names.questions else 0)
    return asked


def _have(said: Payloads, rows: int) -> NDArray[np.bool_]:
    """bool[rows]: whether anything is held of each."""
    have = np.zeros(rows, np.bool_)
    have[said.held["row"]] = True
    return have


def are_known(rows: NDArray[np.void]) -> NDArray[np.bool_]:
    """bool[n]: whether nothing more is to be learnt of INSPECTED[n]."""
    return np.asarray((rows["marks"] == _BOTH) & (rows["is_halved"] == 0))


def _joined(
    rows: NDArray[np.void], later: NDArray[np.void], have_said: NDArray[np.bool_], later_have_said: NDArray[np.bool_]
) -> NDArray[np.void]:
    """What is known of conversations by two shards, INSPECTED[n] each, and by whether payloads of them are held."""
    are_silent = (rows["found"] == 0) & (rows["marks"] == 0) & (rows["is_lost"] == 0) & ~have_said
    later_is_silent = (later["found"] == 0) & (later["marks"] == 0) & (later["is_lost"] == 0) & ~later_have_said
    # Its SYN was sent again, and what followed was enough: it is not held.
    is_told_later = ~are_known(rows) & (rows["found"] == 0)
    is_told_later &= are_known(later) & (later["found"] > 0) & ~later_have_said
    are_open = ~(are_silent | is_told_later | are_known(rows) | later_is_silent)
    joined = np.where(are_silent | is_told_later, later, rows)
    # A message of DNS means the same whatever came before it, so the later shard heard all; FTP begins with a greeting.
    hear_alike = (rows["marks"] >> RESOLVER_SHIFT == 1 + resolvers().index(dns)) & (later["marks"] == rows["marks"])
    joined["is_halved"][are_open & ~hear_alike] = 1
    for column in ("is_lost", "is_short"):
        joined[column][are_open] |= later[column][are_open]
    is_first_told = are_open & (rows["found"] == 0)  # what remains where what was said is lost
    for column in ("found", "evidence"):
        joined[column][is_first_told] = later[column][is_first_told]
    joined["asked"][are_open] = earlier_askers(rows["asked"][are_open], later["asked"][are_open])
    return joined
