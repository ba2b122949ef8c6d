"""The library's door to a history: what ``portcall history`` prints, as a call."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from portcall.runs import arguments as given
from portcall.runs.keeping.past import GROUPINGS, PastOptions, period_of, place_of, report_of

if TYPE_CHECKING:
    from os import PathLike

    from portcall.records.report import Report


def history(  # noqa: PLR0913 (the options of the command, all by name)
    path: str | PathLike[str] | None = None,
    *,
    by: str = "app",
    from_: str | None = None,
    to: str | None = None,
    where: str | None = None,
    top: int | None = None,
    new: bool = False,
    page: bool = False,
) -> Report:
    """Say who used the network in the past: the report of a period that ``live --history`` kept in a file.

    Without a path it is the file in the user's state folder; PortcallError where none is, or where it is damaged.
    """
    asked = PastOptions(
        by=given.one_of("by", by, GROUPINGS),
        period=period_of(given.optional_text("from_", from_), given.optional_text("to", to), int(time.time())),
        where=given.optional_text("where", where),
        top=given.optional_count("top", top),
        is_new=given.flag("new", new),
        page=given.flag("page", page),
    )
    return report_of(place_of(path), asked)
