"""How much of a run inspection remembers, and what it cost that this has an end.

Everything here is filled by what strangers send, so each has its bound, and a policy at it: what was told longest ago
goes, or what is new finds no room. Either is counted, and the report says it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from portcall.records.plain_data import items, whole
from portcall.records.report import Degradation

_CHOOSE = "read fewer captures at a time, or choose with --filter"


@dataclass(slots=True)
class InspectionBounds:
    """Bounds of one run, and counts of what was beyond them."""

    most_held_bytes: int = 64 << 20
    """Of payloads of conversations that are not known yet; those that were met longest ago are given up."""
    most_answers: int = 1 << 18
    """Of resolvers, a power of two, 19 MB; the oldest give way."""
    most_names: int = 1 << 18
    """In these answers; with one more, all answers are forgotten."""
    most_addresses: int = 1 << 17
    """That the capture itself names; others find no room."""
    most_secrets: int = 1 << 17
    """Of TLS sessions; others find no room."""
    most_announced: int = 1 << 16
    """Conversations that others announced; what was announced longest ago goes."""
    most_labels: int = 1 << 20
    """Names of hosts, and apps with their services, in rows; others count without."""
    most_detection_bytes: int = 24 << 20
    """Of all that was detected, each kept once; with more, protocols stay, and names and details go."""
    most_hellos: int = 1 << 14
    """Whose next segment has not come, 35 MB as they come; with one more, the oldest is given up.

    It mostly comes within a millisecond, so even 100,000 new conversations a second hold a hundred; who needs more
    holds them open on purpose.
    """
    most_waiting_segments: int = 64
    """Of one end's stream, that came before one that is missing; others are left out."""
    most_messages: int = 1 << 22
    """Of DNS, 160 MB, where rows are of questions; others count as asking nothing."""
    most_question_characters: int = 32 << 20
    """Of their questions; the same."""
    most_shard_bytes: int = 64 << 20
    """Of payloads that a shard holds for the one before it; what began here most probably goes first."""
    most_log_bytes: int = 64 << 20
    """Of what logs wait with for what follows; conversations that began first are logged as they are."""
    most_log_lines: int = 1 << 21
    """Of logs; others are left out."""
    given_up: int = 0
    answers_forgotten: int = 0
    addresses_left_out: int = 0
    secrets_left_out: int = 0
    announcements_forgotten: int = 0
    logged_early: int = 0
    segments_left_out: int = 0

    def counts(self) -> list[int]:
        """What was beyond them, as ``count_more`` takes it."""
        return [getattr(self, name) for name in _COUNTS]

    def count_more(self, counts: Any) -> None:  # Any: what JSON has
        """Add what was beyond the bounds of another run. ValueError for what no run can say."""
        for name, count in zip(_COUNTS, items(counts, len(_COUNTS)), strict=True):
            setattr(self, name, getattr(self, name) + whole(count, most=1 << 48))

    def notes(self, labels_left_out: int = 0) -> list[Degradation]:
        """That, in words; with how often a row found no room for the name of its host, or its app."""
        told = (
            (
                "inspection",
                self.given_up,
                "conversations were given up before their protocol was known: too many at once",
            ),
            ("names", self.answers_forgotten, "answers of resolvers were forgotten before the end: too many"),
            ("names", self.addresses_left_out, "addresses that the capture names found no room"),
            ("secrets", self.secrets_left_out, "secrets of TLS sessions found no room"),
            ("inspection", self.announcements_forgotten, "announced conversations were forgotten before the end"),
            ("inspection", self.segments_left_out, "segments found no room to wait for those before them"),
            ("logs", self.logged_early, "conversations were logged before they were over: too many at once"),
            ("names", labels_left_out, "times there was no room for the name of a host, or for an app"),
        )
        return [Degradation(feature, f"{count} {what}", _CHOOSE) for feature, count, what in told if count]


_COUNTS = tuple(field.name for field in fields(InspectionBounds) if not field.name.startswith("most_"))
