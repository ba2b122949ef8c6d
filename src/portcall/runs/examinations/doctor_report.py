"""Everything that ``doctor`` tries, or what was chosen of it, as rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from portcall.errors import UsageError
from portcall.queries.row_choice import chooser
from portcall.records.schema import Listing, did_you_mean
from portcall.runs import arguments as given
from portcall.runs.doctor import EXAMINATIONS, examine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from portcall.runs.doctor import Examination

    Row = dict[str, Any]  # Any: plain values of several types, see schema


class DoctorOutcome(NamedTuple):
    """What was found, and whether captures can be read."""

    listing: Listing
    is_broken: bool
    """Whether something is missing that reading captures needs, shown or not."""


def tried(
    subjects: Sequence[str] = (),
    *,
    where: str | None = None,
    top: int | None = None,
    on_trial: Callable[[Examination], None] | None = None,
) -> DoctorOutcome:
    """Try all of it, or the subjects; ``on_trial`` is told what is about to be tried."""
    choose = chooser(where, "doctor", top)
    rows: list[Row] = []
    for examination in _chosen(subjects):
        if on_trial:
            on_trial(examination)
        found = examine(examination)
        rows.append(
            {
                "subject": examination.subject,
                "state": found.state,
                "detail": found.detail,
                "remedy": found.remedy,
                "needed_for": list(examination.needed_for),
            }
        )
    chosen = choose(rows)
    is_broken = any(row["state"] == "missing" and "read" in row["needed_for"] for row in rows)
    return DoctorOutcome(Listing("doctor", "this machine", chosen, rows_left_out=len(rows) - len(chosen)), is_broken)


def doctor(subjects: str | Iterable[str] = (), *, where: str | None = None, top: int | None = None) -> Listing:
    """Try for real what portcall needs on this machine, all or the subjects: a row per thing, with what mends it."""
    where, top = given.optional_text("where", where), given.optional_count("top", top)
    return tried(given.texts("subjects", subjects), where=where, top=top).listing


def _chosen(subjects: Sequence[str]) -> list[Examination]:
    known = tuple(examination.subject for examination in EXAMINATIONS)
    for subject in subjects:
        if subject not in known:
            raise UsageError(f"{subject}: no such thing to try{did_you_mean(subject, known)}")
    return [examination for examination in EXAMINATIONS if not subjects or examination.subject in subjects]
