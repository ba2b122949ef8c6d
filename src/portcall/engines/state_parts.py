"""What was found in some rows of a shard, apart from the others: each part has the names that its own rows need."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from portcall.flows.division import numbers_in
from portcall.inspection.inspection_state import INSPECTED, InspectionState, are_known
from portcall.inspection.server_names import ServerNames
from portcall.records.payloads.dns_questions import ASKED

if TYPE_CHECKING:
    from numpy.typing import NDArray


def part_of_state(state: InspectionState, rows: NDArray[np.bool_], *, are_over: bool = False) -> InspectionState:
    """What is known of these rows, bool[n], which are numbered anew; without what resolvers answered.

    ``are_over``: they meet no others, so of those that are known nothing is held.
    """
    numbers, names = numbers_in(rows), _like(state.names)
    of_rows = state.rows[rows]
    found, of_rows["found"] = np.unique(of_rows["found"], return_inverse=True)
    detections = [state.names.detections[number] for number in found.tolist()]
    new = [names.detections.number(detection) if detection else 0 for detection in detections]
    of_rows["found"] = np.array(new, np.int32)[of_rows["found"]]
    names.expected_flows = state.names.expected_flows.of_rows(numbers)
    wanted = rows & ~are_known(state.rows) if are_over else rows
    said = state.said.kept(wanted[state.said.held["row"]])
    held = said.held.copy()
    held["row"] = numbers[held["row"]] - 1
    asked = state.asked[rows[state.asked["row"]]]
    asked["row"] = numbers[asked["row"]] - 1
    if state.names.questions and names.questions:
        kept, which = np.unique(asked["question"], return_inverse=True)
        told = [names.questions.number(state.names.questions[number]) for number in kept.tolist()]
        asked["question"] = np.array(told, np.int64)[which] if len(asked) else 0
    return InspectionState(of_rows, said._replace(held=held), names, asked)


def rest_of_state(state: InspectionState) -> InspectionState:
    """What is known of no row: what resolvers answered, what the capture calls hosts, and how much found no room."""
    rest = nothing_of_state(state)
    rest.names.dns_cache = state.names.dns_cache
    rest.names.detections.left_out = state.names.detections.left_out
    rest.names.detections.unfinished = state.names.detections.unfinished
    rest.names.bounds.count_more(state.names.bounds.counts())
    if rest.names.questions and state.names.questions:
        rest.names.questions.left_out = state.names.questions.left_out
    return rest


def nothing_of_state(state: InspectionState) -> InspectionState:
    """One that was asked for the same, and knows only the secrets of TLS."""
    nothing = np.zeros(0, np.bool_)
    said = state.said.kept(np.zeros(len(state.said.held), np.bool_))
    return InspectionState(np.zeros(len(nothing), INSPECTED), said, _like(state.names), np.zeros(0, ASKED))


def _like(names: ServerNames) -> ServerNames:
    """One that knows only the secrets of TLS."""
    new = ServerNames(with_details=names.with_details, with_questions=names.questions is not None)
    new.key_log = names.key_log
    return new
