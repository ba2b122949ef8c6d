"""A partial result in parts: what is over, what may go on in another range, by buckets, and what is on no row.

Each part is a ``Partial`` again, so parts of ranges that follow each other merge as whole ones do. What leaves as over
meets nobody: its conversations began after whatever an earlier range may have of them, and were silent for long enough
before the range ends. All that names need of other rows (DNS answers, hosts and secrets of the capture) is in the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from portcall.engines.state_parts import part_of_state, rest_of_state
from portcall.flows.division import Chosen, numbers_in, on_no_flow, pair_hashes, part_of_table
from portcall.flows.table import FlowTable
from portcall.inspection.expected_flows import LONGEST_WAIT_NS
from portcall.ownership.row_claims import RowClaims
from portcall.records.flows import NEVER
from portcall.records.packets import NO_TIME
from portcall.runs.partial import Partial

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

OVER, REST, TELLING = -1, -2, -3
"""In the place of a bucket: rows that are over; what is on no row; copies of the rows whose payloads tell of others."""
SLACK_NS = 1_000_000_000
"""How far frames may come out of order between two ranges, for rows to leave as over nevertheless."""
_TCP, _DNS = 6, 53


class Edges(NamedTuple):
    """Between which times a range has frames of its own; None where nothing goes before it, or comes after."""

    first_ns: int | None
    last_ns: int | None


def parts_of(partial: Partial, edges: Edges | None, buckets: int) -> Iterator[tuple[int, Partial]]:
    """The parts of a partial by bucket, those without a row left out; the rest always.

    Between ``edges`` rows are over that had been silent for as long as ends a conversation; None: none is.
    """
    arrays = partial.flows.arrays()
    flows, datagrams, unmatched = (arrays[name] for name in ("flows", "datagrams", "unmatched_fragments"))
    are_over = _are_over(partial, edges) if edges and partial.flows.idle_ns else np.zeros(len(flows), np.bool_)
    nothing = np.zeros(len(datagrams), np.bool_), np.zeros(len(unmatched), np.bool_)
    yield REST, _rest(partial)
    if are_over.any():
        yield OVER, _part(partial, Chosen(are_over, *nothing), are_over=True)
    bucket_of = [
        (pair_hashes(rows[one], rows[other]) % np.uint64(buckets)).astype(np.int64)
        for rows, one, other in (
            (flows, "low", "high"),
            (datagrams, "source", "target"),
            (unmatched, "low", "high"),
        )
    ]
    bucket_of[0][are_over] = OVER
    for bucket in np.unique(np.concatenate(bucket_of)).tolist():
        if bucket != OVER:
            yield bucket, _part(partial, Chosen(*(of_rows == bucket for of_rows in bucket_of)))
    if partial.state:
        # Of a message in two halves only who has both knows what it answers.
        ports = (flows["low_port"] == _DNS) | (flows["high_port"] == _DNS)
        telling = ~are_over & (flows["protocol"] == _TCP) & ports
        if telling.any():
            yield TELLING, _part(partial, Chosen(telling, *nothing))


def _are_over(partial: Partial, edges: Edges) -> NDArray[np.bool_]:
    """bool[n]: which rows meet none of another range, whatever that has."""
    arrays, idle_ns = partial.flows.arrays(), partial.flows.idle_ns
    flows = arrays["flows"]
    have_times = (flows["first_ns"] != NEVER) & (flows["last_ns"] != NO_TIME)
    over: NDArray[np.bool_] = have_times & _is_within(flows, edges, idle_ns + SLACK_NS)
    for column in ("first_flow", "latest_flow"):  # more fragments may come whenever they like
        named = arrays["datagrams"][column]
        over[named[named > 0].astype(np.int64) - 1] = False
    if partial.state:
        # What another conversation announces is known by nothing else, nor is it known there as long as that goes on.
        unknown = (partial.state.rows["found"] == 0) & (flows["protocol"] == _TCP)
        over &= ~unknown | _is_within(flows, edges, LONGEST_WAIT_NS + SLACK_NS)
        tellers = np.zeros(len(flows), np.bool_)
        tellers[partial.state.names.expected_flows.rows()] = True
        over &= ~tellers | _is_within(flows, edges, LONGEST_WAIT_NS + SLACK_NS)
        pairs = pair_hashes(flows["low"], flows["high"])
        over &= ~unknown | ~np.isin(pairs, pairs[~over])
    going_on = partial.flows.continued()
    both = over[going_on.beginnings] & over[going_on.continuations]
    over[going_on.beginnings] = over[going_on.continuations] = both
    return over


def _is_within(flows: NDArray[np.void], edges: Edges, margin_ns: int) -> NDArray[np.bool_]:
    """bool[n]: which rows are that far from both edges."""
    within = np.ones(len(flows), np.bool_)
    if edges.first_ns is not None:
        within &= flows["first_ns"] > edges.first_ns + margin_ns
    if edges.last_ns is not None:
        within &= flows["last_ns"] < edges.last_ns - margin_ns
    return within


def _part(partial: Partial, chosen: Chosen, *, are_over: bool = False) -> Partial:
    whole = partial.flows
    flows = _table(partial, part_of_table(whole.arrays(), chosen))
    state = part_of_state(partial.state, chosen.flows, are_over=are_over) if partial.state else None
    claims = None
    if partial.claims:
        numbers = numbers_in(chosen.flows)
        of_part = partial.claims.all()
        of_part = of_part[numbers[of_part["row"]] > 0]
        of_part["row"] = numbers[of_part["row"]] - 1
        claims = RowClaims(partial.claims.table, flows.column)
        claims.take(of_part)
    return Partial(partial.shard, partial.frames, partial.layer, flows, state, claims=claims)


def _rest(partial: Partial) -> Partial:
    flows = _table(partial, on_no_flow(partial.flows.arrays()))
    state = rest_of_state(partial.state) if partial.state else None
    copies = partial.copies, partial.copies_are_exact
    return Partial(partial.shard, partial.frames, partial.layer, flows, state, *copies)


def _table(partial: Partial, arrays: dict[str, NDArray[np.void]]) -> FlowTable:
    whole = partial.flows
    return FlowTable.of_arrays(
        arrays,
        inspects=partial.state is not None,
        bucketing=whole.buckets.bucketing if whole.buckets else None,
        width_ns=whole.buckets.width_ns if whole.buckets else 0,
        idle_ns=whole.idle_ns,
    )
