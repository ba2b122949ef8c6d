"""Names: what the traffic itself says of each conversation's server, and what follows from it.

A name that the conversation mentions comes first (TLS, HTTP, a certificate), then what a resolver answered this client
before: the address-to-name timeline. Such names are inferred: where several share an address, that is said and none is
guessed, though all may belong to one app. Name and protocol then label the row: its service, its app. Pure; the clock
is that of the packets. Equal facts are told once, so a million conversations cost some thousand looks at a name.
"""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from portcall.flows.aggregation import grouped
from portcall.flows.originator import Asker
from portcall.inspection.asked_questions import QuestionNumbers
from portcall.inspection.detection_table import IS_COVER, Detected, DetectionTable
from portcall.inspection.dns_cache import DnsCache
from portcall.inspection.expected_flows import ExpectedFlows
from portcall.inspection.inspection_bounds import InspectionBounds
from portcall.inspection.inspector import Inspector
from portcall.inspection.server_labels import FACTS, NOTHING, Facts, ServerLabel, tell
from portcall.labels.port_services import Rank, ranks
from portcall.labels.registry import Registry
from portcall.labels.service_keys import has_ports, server_ports
from portcall.records.packets import NO_TIME
from portcall.records.payloads.tls_secrets import read_key_log
from portcall.records.report import Degradation

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from portcall.flows.table import FlowTable
    from portcall.inspection.dns_cache import CachedAnswer
    from portcall.inspection.handover import PayloadKeeper
    from portcall.records.detections import Detection
    from portcall.records.packets import FrameBatch
    from portcall.records.payloads.tls_secrets import Secret

_MOST_TOLD = 1 << 14  # remembered


class ServerLabels(NamedTuple):
    """What the traffic says of FLOW[n]."""

    by_port: NDArray[np.int64]
    """int64[n]: the service key of a row of which nothing is told."""
    told: list[ServerLabel]
    """Each distinct thing that is told; the first is nothing."""
    which: NDArray[np.int64]
    """int64[n]: index in ``told``."""

    @property
    def services(self) -> NDArray[np.int64]:
        """int64[n]: the service key of each row."""
        keys = np.array([told.key for told in self.told], np.int64)
        return np.where(self.which > 0, keys[self.which], self.by_port)

    @property
    def hosts(self) -> NDArray[np.uint64]:
        """uint64[n]: number of the server's name, 0 for none."""
        return np.array([told.host for told in self.told], np.uint64)[self.which]


class ServerNames:
    """All that was detected in one capture. ``with_details``: what flow rows show besides protocol and name.

    ``with_questions``: which packets carry which DNS question. ``with_logs``: what logs say of conversations.
    """

    def __init__(
        self,
        *,
        with_details: bool = False,
        with_questions: bool = False,
        with_logs: bool = False,
        bounds: InspectionBounds | None = None,
    ) -> None:
        """``bounds``: how much is remembered; None: as much as usual."""
        self.bounds = bounds or InspectionBounds()
        self.registry = Registry(self.bounds.most_labels)
        """What the numbers in labels mean."""
        self.with_details = with_details
        self.with_logs = with_logs
        self.questions = QuestionNumbers(self.bounds) if with_questions else None
        self.detections = DetectionTable(self.bounds.most_detection_bytes)
        self.dns_cache = DnsCache(self.bounds)
        self.expected_flows = ExpectedFlows(self.bounds)
        self.key_log: dict[tuple[str, bytes], bytes] = {}
        self.rows_leave = False
        """Whether nothing that was found is asked for by its number once its row has left its table."""
        self._tables = 0
        self._told: dict[tuple[int, bool, int, int, bool], ServerLabel] = {}

    def begun_anew(self) -> ServerNames:
        """One that detected nothing, but knows the names that resolvers gave, and the secrets of TLS."""
        anew = ServerNames(
            with_details=self.with_details,
            with_questions=self.questions is not None,
            with_logs=self.with_logs,
            bounds=self.bounds,
        )
        anew.dns_cache, anew.key_log, anew.rows_leave = self.dns_cache, self.key_log, self.rows_leave
        return anew

    def inspector_for(self, table: FlowTable, holder: PayloadKeeper | None = None) -> Inspector:
        """An inspector for one flow table; ``holder`` keeps payloads for those who merge it, or log them."""
        self._tables += 1
        return Inspector(
            table,
            self.detections,
            self.dns_cache,
            self.expected_flows,
            key_log=self.key_log,
            with_details=self.with_details,
            holder=holder,
            bounds=self.bounds,
        )

    def note_capture(self, batch: FrameBatch) -> None:
        """Keep what the capture itself says beside its frames: what hosts are called, and secrets of TLS sessions."""
        for name, address in batch.host_names:
            self.dns_cache.note_capture(name, address)
        if batch.key_log:
            self.note_secrets(read_key_log(batch.key_log))

    def note_secrets(self, secrets: Iterable[Secret]) -> None:
        """Keep secrets of TLS sessions, as many as there is room for."""
        for session, secret in secrets:
            if session in self.key_log or len(self.key_log) < self.bounds.most_secrets:
                self.key_log[session] = secret
            else:
                self.bounds.secrets_left_out += 1

    def beyond_bounds(self) -> list[int]:
        """How much was beyond the bounds, as ``count_beyond`` of another run takes it."""
        return [self.left_out, self.detections.unfinished, *self.bounds.counts()]

    def count_beyond(self, counts: Sequence[int]) -> None:
        """Add what was beyond the bounds of another run."""
        left_out, unfinished, *others = counts
        self.detections.left_out += left_out
        self.detections.unfinished += unfinished
        self.bounds.count_more(others)

    def shortfalls(self) -> list[Degradation]:
        """What it cost that no more than so much is remembered."""
        now = replace(self.bounds, answers_forgotten=self.bounds.answers_forgotten + self.dns_cache.forgotten)
        unfinished = self.detections.unfinished
        beyond = {
            f"there was no room for what {self.left_out} conversations called their servers": self.left_out,
            f"{unfinished} conversations were given up in mid-hello, as {now.most_hellos} others were": unfinished,
        }
        remedy = "read fewer captures at a time, or choose with --filter"
        notes = now.notes(self.registry.left_out)
        return [*notes, *(Degradation("names", reason, remedy) for reason, count in beyond.items() if count)]

    def label(
        self,
        flows: NDArray[np.void],
        client_is_low: NDArray[np.bool_],
        services: NDArray[np.int64],
        found: Detected,
    ) -> ServerLabels:
        """What is told of FLOW[n], whose service keys by port are given."""
        facts, which = self.facts(flows, client_is_low, services, found)
        return ServerLabels(services, self.told(facts), which)

    def facts(
        self,
        flows: NDArray[np.void],
        client_is_low: NDArray[np.bool_],
        services: NDArray[np.int64],
        found: Detected,
    ) -> tuple[NDArray[np.void], NDArray[np.int64]]:
        """FACTS[m], each of them once, of FLOW[n]; and int64[n], 1 + which of them are a row's, 0 for none."""
        are_clients = (found.askers > 0) & ((found.askers == Asker.LOW) != client_is_low)
        covers = self.detections.covers()[found.numbers] * ~are_clients
        has_no_own = ~self.detections.have_names()[found.numbers] | are_clients | (covers == IS_COVER)
        inferred = self._inferred(flows, client_is_low, has_no_own & has_ports(flows))
        if self.dns_cache.offers:
            self._look_behind(flows, client_is_low, np.where(covers > 0, found.numbers, 0), inferred)
        rows = np.flatnonzero(found.numbers | inferred)
        server_port = server_ports(flows, client_is_low)[rows]
        columns = {
            "service": services[rows],
            "is_curated": ranks(flows["protocol"][rows], server_port) == Rank.CURATED,
            "found": found.numbers[rows],
            "inferred": inferred[rows],
            "are_clients": are_clients[rows],
        }
        groups, members = grouped(columns, tuple(columns))
        facts = np.empty(len(members), FACTS)
        for name, column in columns.items():
            facts[name] = column[members]
        which = np.zeros(len(flows), np.int64)
        which[rows] = 1 + groups
        return facts, which

    def told(self, facts: NDArray[np.void]) -> list[ServerLabel]:
        """Nothing, and then what follows from each of FACTS[m]."""
        return [NOTHING, *map(self._tell, facts.tolist())]

    def forget_what_left(self, inspector: Inspector) -> None:
        """Where there is little room left: forget what no row of the inspector's table says any more.

        Not where rows wait for the end, which know it by number, nor where other tables do.
        """
        if self.rows_leave and self._tables == 1 and self.detections.is_half_full:
            inspector.renumber_detections()
            self.dns_cache.forget_sets()
            self._told.clear()

    def detection(self, number: int) -> Detection | None:
        """What has this number in Found; None for 0."""
        return self.detections[number]

    def answered_before(self, client: str, server: str, time_ns: int | None) -> list[CachedAnswer]:
        """What resolvers told an address (as text) of another one before a time; of a capture without times, all."""
        asker, asked = _packed(client), _packed(server)
        return self.dns_cache.answered_before(asker, asked, NO_TIME if time_ns is None else time_ns)

    def hidden_behind(self, client: str, server: str, time_ns: int | None, name: str) -> tuple[str, ...]:
        """The names that a client may have asked a server for behind a name as sent, as resolvers had offered it."""
        asker, asked = _packed(client), _packed(server)
        return self.dns_cache.hidden(asker, asked, NO_TIME if time_ns is None else time_ns, name) or ()

    @property
    def left_out(self) -> int:
        """Conversations whose names found no room."""
        return self.detections.left_out

    def _inferred(
        self, flows: NDArray[np.void], client_is_low: NDArray[np.bool_], nameless: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """int64[n]: number of the names that resolvers gave for the server, where a row mentions none of it."""
        if not self.dns_cache:
            return np.zeros(len(flows), np.int64)
        return self.dns_cache.find(flows, client_is_low, nameless)

    def _look_behind(
        self,
        flows: NDArray[np.void],
        client_is_low: NDArray[np.bool_],
        covered: NDArray[np.int32],
        inferred: NDArray[np.int64],
    ) -> None:
        """Put in ``inferred`` what is behind the covers that FLOW[n] ask for.

        ``covered``: int32[n], number of a finding whose name is a cover or may be one, 0 where it is none.
        """
        for number in np.unique(covered[covered > 0]).tolist():
            detection = self.detections[number]
            for name in detection.names if detection else ():
                if not self.dns_cache.offers.has_cover(name.text):
                    continue
                for row in np.flatnonzero(covered == number).tolist():
                    low, high = flows["low"][row].tobytes(), flows["high"][row].tobytes()
                    client, server = (low, high) if client_is_low[row] else (high, low)
                    hidden = self.dns_cache.hidden(client, server, int(flows["first_ns"][row]), name.text)
                    if hidden is not None:
                        inferred[row] = self.dns_cache.number_of_hidden(hidden)

    def _tell(self, known: tuple[int, bool, int, int, bool]) -> ServerLabel:
        told = self._told.get(known)
        if told is None:
            if len(self._told) >= _MOST_TOLD:
                self._told.clear()
            fact = Facts(*known)
            inferred = self.dns_cache[fact.inferred]
            told = self._told[known] = tell(fact, self.detections[fact.found], inferred, self.registry)
        return told


def _packed(address: str) -> bytes:
    """An address in 16 bytes, IPv4 in the last four."""
    return ipaddress.ip_address(address).packed.rjust(16, b"\0")
