"""What a run hands out: rows, what they cover, and what ran with less than it could."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from portcall.records.report_rows import Rows


@dataclass(frozen=True, slots=True)
class Degradation:
    """A feature that could not run, or ran with less: shown to the user, never only logged."""

    feature: str
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """What was read, and what became of it."""

    frames: int
    bytes: int
    verdicts: dict[str, int]
    """Verdict name in lower case with hyphens → frames; sums to ``frames``."""
    bytes_credited_twice: int
    """Bytes of frames with two local ends, credited to both. Σ(bytes_out + bytes_in) = bytes + this."""
    dropped_by_kernel: int | None
    """None offline, where the capture does not say."""
    bytes_attributed: int
    """Bytes of rows that have an app."""


@dataclass(frozen=True, slots=True)
class Report:
    """Who used the network: rows of one grouping over one window, and how much of the traffic they explain.

    Iterable; each row is a mapping from the columns of ``schema`` to plain Python values.
    """

    by: str
    source: str
    window_ns: tuple[int, int] | None
    coverage: Coverage
    rows: Rows | list[dict[str, Any]]
    degradations: list[Degradation] = field(default_factory=list)
    rows_left_out: int = 0
    """Rows that ``top`` or ``where`` left out; they still count in ``coverage``."""
    bucket_width_ns: int | None = None
    """How wide the buckets of time are that rows are of; None where they are of all the time."""
    page: PageReports | None = None
    """What a page shows besides, where somebody asked for one."""

    @property
    def counted_width_ns(self) -> int | None:
        """How wide the buckets of time are that were counted in, whether rows or a page are of them."""
        return self.page.over_time.bucket_width_ns if self.page else self.bucket_width_ns

    def __iter__(self) -> Any:  # Any: Iterator[dict[str, Any]] of plain values
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The rows as an Arrow stream (its PyCapsule), for DuckDB, polars, pandas and pyarrow. It needs pyarrow."""
        from portcall.records.arrow_columns import record_batches

        return record_batches(self).__arrow_c_stream__(requested_schema)

    def to_dicts(self) -> list[dict[str, Any]]:
        """The rows as dictionaries of plain Python values, ready for json or a data frame."""
        return [dict(row) for row in self.rows]


@dataclass(frozen=True, slots=True)
class SideTotals:
    """One side of a comparison, all together."""

    source: str
    window_ns: tuple[int, int] | None
    bytes: int
    flows: int
    packets: int


@dataclass(frozen=True, slots=True)
class ChangeTotals:
    """All rows of a comparison that changed alike."""

    rows: int = 0
    bytes_before: int = 0
    bytes_after: int = 0

    def plus(self, bytes_before: int, bytes_after: int) -> ChangeTotals:
        """The same with one row more."""
        return ChangeTotals(self.rows + 1, self.bytes_before + bytes_before, self.bytes_after + bytes_after)


@dataclass(frozen=True, slots=True)
class DiffCoverage:
    """What both sides of a comparison have, and how it changed: the changes add up to each side."""

    before: SideTotals
    after: SideTotals
    changes: dict[str, ChangeTotals]


class PageReports(NamedTuple):
    """The same traffic, counted in the same pass, in the other groupings of a page."""

    groupings: tuple[Report, ...]
    over_time: Report
    """By app, split by time."""


class Origin(NamedTuple):
    """Whose network an address is in, and in which country, as a database claims; None for what it does not know."""

    country: str | None = None
    """Two letters of ISO 3166."""
    asn: int | None = None
    """Number of the autonomous system."""
    organisation: str | None = None

    @property
    def network(self) -> str | None:
        """The network's owner in words: ``AS64500 Example Networks``."""
        words = ([f"AS{self.asn}"] if self.asn else []) + ([self.organisation] if self.organisation else [])
        return " ".join(words) or None
