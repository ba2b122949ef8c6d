"""Rows of ``--by query``: one per client and DNS question, and one for all that asks nothing of DNS.

A packet is credited to the question that it asks or answers, once; what is left of each flow is credited to the
remainder, which is summed as any other grouping is. So rows add up to the capture.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from portcall.attribution.flow_columns import times
from portcall.flows.aggregation import Layout, Sums, grouped
from portcall.flows.local_networks import addresses
from portcall.labels.dns_words import code_word, type_word
from portcall.labels.service_keys import are_unmatched
from portcall.records.column_values import Addresses, Columns, Numbers, Words, address_text
from portcall.records.payloads.dns_questions import NO_CODE
from portcall.records.report import Degradation

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from portcall.inspection.server_names import ServerNames
    from portcall.records.column_values import ColumnValues
    from portcall.records.payloads.dns_questions import Question

NO_QUESTION = "no-question"

_WAYS = ("to_server", "to_client")
_COUNTS = tuple(f"{count}_{way}" for way in _WAYS for count in ("packets", "bytes", "payload"))
_MESSAGES = ("questions", "responses", "answers")
_QUESTION = ("question", "is_ipv6", "client_high", "client_low")
_SUM = np.dtype(
    [(name, "i8" if name == "question" else "u8") for name in _QUESTION]
    + [("server_high", "u8"), ("server_low", "u8"), ("code", "i8")]
    + [(name, "i8") for name in (*_MESSAGES, *_COUNTS)]
    + [("first_ns", "i8"), ("last_ns", "i8")]
)
"""What one client asked one server, by what was answered. 144 bytes."""
_LAYOUT = Layout(key=7, added=9, least=1, greatest=1)
_MOST_LISTED = 10


class QueryRows:
    """Sums of questions, and of all attributed bytes."""

    def __init__(self) -> None:
        self._sums = Sums(_SUM, _LAYOUT)
        self.bytes_attributed = 0
        """Bytes of flows that have an app, in whatever row they are."""

    def add(self, flows: NDArray[np.void], asked: NDArray[np.void] | None) -> NDArray[np.void]:
        """Count ASKED[m], the questions in FLOW[n]; gives FLOW[n] without the packets that carry them."""
        if asked is None or not len(asked):
            return flows
        rest, asked = _without(flows, asked)
        is_response = asked["code"] != NO_CODE
        asker_is_low = (asked["side"] == 0) != is_response
        of_rows = flows[asked["row"]]
        low, high = (addresses(of_rows, end) for end in ("low", "high"))
        client, server = low.where(asker_is_low, high), high.where(asker_is_low, low)
        sums = np.zeros(len(asked), _SUM)
        sums["question"], sums["is_ipv6"], sums["code"] = asked["question"], client.is_ipv6, asked["code"]
        for end, whose in (("client", client), ("server", server)):
            sums[f"{end}_high"], sums[f"{end}_low"] = whose.high_half, whose.low_half
        sums["questions"], sums["responses"] = ~is_response, is_response
        sums["answers"] = asked["answers"]
        for way, goes_there in zip(_WAYS, (~is_response, is_response), strict=True):
            for count, column in (("packets", "counts"), ("bytes", "wire"), ("payload", "payload")):
                sums[f"{count}_{way}"] = np.where(goes_there, asked[column], 0)
        sums["first_ns"] = sums["last_ns"] = asked["ts_ns"]
        self._sums.add(sums)
        return rest

    def merge(self, other: QueryRows) -> None:
        """Count in what another one has counted, whose questions have the same numbers."""
        self._sums.merge(other._sums)
        self.bytes_attributed += other.bytes_attributed

    def columns(self, question: Callable[[int], Question]) -> Columns:
        """A row for each client and question, in the order of name, type and client."""
        sums = self._sums.rows
        of_row, members = grouped(sums, _QUESTION)
        asked = [question(number) for number in sums["question"][members].tolist()]
        clients = Addresses(
            sums["client_high"][members], sums["client_low"][members], sums["is_ipv6"][members].astype(np.bool_)
        )
        columns: dict[str, ColumnValues] = {
            "query": Words.each(one.name for one in asked),
            "query_type": Words.each(type_word(one.type) for one in asked),
            "client_ip": clients,
            **{name: Numbers(_added(sums[name], of_row, len(members))) for name in (*_MESSAGES, *_COUNTS)},
            "first_ns": times(_reduced(np.minimum, sums["first_ns"], of_row, members)),
            "last_ns": times(_reduced(np.maximum, sums["last_ns"], of_row, members)),
            "response_codes": Words.each(_codes(sums, of_row, len(members))),
            "resolvers": Words.each(_resolvers(sums, of_row, len(members))),
        }
        order = sorted(range(len(asked)), key=list(zip(asked, clients.plain(), strict=True)).__getitem__)
        return Columns(len(asked), columns).take(np.array(order, np.int64))


def rest_columns(sums: NDArray[np.void]) -> Columns:
    """At most two rows, of all that asks nothing, from CREDIT[n] seen from the clients."""
    unmatched = are_unmatched(sums["service"])
    rows = [
        (reason, sums[chosen])
        for reason, chosen in ((NO_QUESTION, ~unmatched), ("fragment-without-first", unmatched))
        if chosen.any()
    ]
    columns: dict[str, ColumnValues] = {
        f"{count}_{way}": Numbers(np.array([int(some[f"{count}_{side}"].sum()) for _, some in rows], np.int64))
        for way, side in zip(_WAYS, ("out", "in"), strict=True)
        for count in ("packets", "bytes", "payload")
    }
    columns["first_ns"] = times(np.array([some["first_ns"].min() for _, some in rows], np.int64))
    columns["last_ns"] = times(np.array([some["last_ns"].max() for _, some in rows], np.int64))
    columns["query"] = Words.each([None] * len(rows))
    columns["unattributed_reason"] = Words.each(reason for reason, _ in rows)
    return Columns(len(rows), columns)


def _without(flows: NDArray[np.void], asked: NDArray[np.void]) -> tuple[NDArray[np.void], NDArray[np.void]]:
    """FLOW[n] less what ASKED[m] count, and these; but those of rows that have less, as where copies do not count."""
    taken = {"packets": asked["counts"], "bytes": asked["wire"], "payload": asked["payload"]}
    at = asked["row"], asked["side"]
    counted = {name: np.zeros((len(flows), 2), np.uint64) for name in taken}
    for name, values in taken.items():
        np.add.at(counted[name], at, values.astype(np.uint64))
    fits = np.ones(len(flows), np.bool_)
    for name in taken:
        fits &= (counted[name] <= flows[name]).all(axis=1)
    rest = flows.copy()
    for name in taken:
        rest[name] -= counted[name] * fits[:, None].astype(np.uint64)
    return rest[rest["packets"].any(axis=1)], asked[fits[asked["row"]]]


def _added(values: NDArray[np.int64], of_row: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    totals = np.zeros(count, np.int64)
    np.add.at(totals, of_row, values)
    return totals


def _reduced(
    smaller: np.ufunc, values: NDArray[np.int64], of_row: NDArray[np.int64], members: NDArray[np.int64]
) -> NDArray[np.int64]:
    found = values[members].copy()
    smaller.at(found, of_row, values)
    return found


def _codes(sums: NDArray[np.void], of_row: NDArray[np.int64], count: int) -> list[list[str]]:
    """What each row's responses said, the commonest first."""
    found: list[dict[str, int]] = [defaultdict(int) for _ in range(count)]
    answered = np.flatnonzero(sums["code"] != NO_CODE)
    facts = (of_row[answered], sums["code"][answered], sums["responses"][answered])
    for row, code, responses in zip(*(fact.tolist() for fact in facts), strict=True):
        found[row][code_word(code)] += responses
    return list(map(_commonest, found))


def _resolvers(sums: NDArray[np.void], of_row: NDArray[np.int64], count: int) -> list[list[str]]:
    """Whom each row's client asked, the commonest first."""
    found: list[dict[str, int]] = [defaultdict(int) for _ in range(count)]
    facts = (of_row, *(sums[name] for name in ("is_ipv6", "server_high", "server_low", "questions")))
    for row, is_ipv6, high, low, questions in zip(*(fact.tolist() for fact in facts), strict=True):
        found[row][address_text(bool(is_ipv6), high, low)] += questions
    return list(map(_commonest, found))


def _commonest(counts: dict[str, int]) -> list[str]:
    return sorted(counts, key=lambda word: (-counts[word], word))[:_MOST_LISTED]


def note_of_questions(names: ServerNames | None) -> list[Degradation]:
    """What is said where messages found no room."""
    left_out = names.questions.left_out if names and names.questions else 0
    reason = f"there was no room for {left_out} messages of DNS, which count as asking nothing"
    return [Degradation("questions", reason, "choose with --filter")] if left_out else []
