"""What the screen shows, as values: what it asks for, and the frozen picture that comes back.

A picture is columns: keys, counts and rates of all rows as arrays, and the rows themselves, of which only those are
made that somebody sees.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from portcall.records.report import Report  # noqa: TC001 - a record of this record
from portcall.records.report_rows import Rows  # noqa: TC001 - the same

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from portcall.records.column_values import Columns

    Row = dict[str, Any]  # Any: plain values of several types, see schema
    Explained = Sequence[tuple[str, Sequence[str]]]  # headings, and sentences below each

PARTS = ("conversations", "hosts", "ports", "processes", "evidence")
"""What an opened row is looked at by."""


class Opened(NamedTuple):
    """A row that was opened: the grouping that it is of, what it is called, and the row itself."""

    by: str
    title: str
    row: Row


@dataclass(frozen=True)
class ScreenQuestion:
    """What the screen shows from now on."""

    by: str
    """A grouping; of an opened row one of PARTS."""
    opened: Opened | None = None
    with_processes: bool = False
    """Whether processes are wanted beside apps, to unfold them."""
    with_addresses: bool = False
    """Whether hosts are wanted by their addresses."""


@dataclass(frozen=True)
class Picture:
    """Rows of one moment. Arrays are of n rows, in the order of ``rows``."""

    question: ScreenQuestion
    report: Report
    """What was counted, and how much of it is explained: that of the grouping, also of an opened row."""
    rows: Rows
    keys: NDArray[np.uint64]
    """What tells each row from all others of the grouping."""
    totals: NDArray[np.int64]
    """int64[2, n]: bytes out (to the server) and in."""
    rates: NDArray[np.float64]
    """float64[2, n]: the same a second, over the last seconds."""
    are_closed: NDArray[np.bool_]
    are_tunnels: NDArray[np.bool_]
    """Whether a row is of packets that carry others, which count for themselves where they are seen."""
    taken_s: float
    """When, on a clock that only goes forward."""
    shares: Mapping[str, int] = field(default_factory=dict)
    """Bytes by what their app rests on: process, name, protocol, port."""
    history: Callable[[int], Sequence[float]] = field(default=lambda _key: ())
    """Bytes a second of a key in the last intervals, oldest first."""
    processes: Picture | None = None
    """By process, where that was asked for."""
    addresses: Mapping[str, str] = field(default_factory=dict)
    """Host → its address that had most bytes, where that was asked for."""
    has_rates: bool = True
    """Whether some time has passed."""
    notes: tuple[str, ...] = ()
    """What should be known of these rows."""

    def __len__(self) -> int:
        """How many rows."""
        return len(self.keys)


class RowChoice(Protocol):
    """A test of rows, as ``--where`` makes it."""

    @property
    def names(self) -> frozenset[str]:
        """The columns that it reads."""

    def among(self, columns: Columns) -> NDArray[np.bool_]:
        """bool[n]: whether it holds, for each row."""


class Feed(Protocol):
    """What hands pictures to the screen."""

    def ask(self, question: ScreenQuestion) -> None:
        """Hand out pictures of this from now on; from any thread, and at once."""

    def rows_wanted(self, text: str, by: str) -> RowChoice:
        """The test that a filter means; UsageError says what of it cannot be understood."""

    def explain(self, row: Row, number: int, then: Callable[[Explained], None]) -> None:
        """Tell ``then`` about a conversation, which is the row of that number; in any thread."""

    def port_of(self, service: str) -> str | None:
        """The port that a service is called after, as ``443/tcp``; None where it has none."""

    def write(self, path: str, by: str, then: Callable[[str], None]) -> None:
        """Write the report to that path; tell ``then`` what came of it; in any thread."""


class ScreenFacts(NamedTuple):
    """What stays the same while the screen is shown."""

    source: str
    """What is read, or listens."""
    groupings: tuple[str, ...]
    is_live: bool
    by: str
    """The grouping that it begins with."""
    where: str | None = None
    most_rows: int | None = None
    sorts_by_rate: bool = True
    writes_to: str = "portcall.json"
    """The file that is proposed for the report."""
