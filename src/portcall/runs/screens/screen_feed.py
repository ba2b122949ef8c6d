"""What both feeds share: pictures of a question, filters, explanations and reports for somebody who asks for them."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from portcall.explanation.flow_explanation import explain_flow
from portcall.labels.curated_services import curated, range_of
from portcall.labels.port_services import ports_of, service_evidence
from portcall.queries.row_filter import compile_where
from portcall.records.column_values import Addresses, Words
from portcall.runs.screens.opened_rows import conversations_of
from portcall.views.screen.part_sums import part_sums
from portcall.views.screen.taking import picture_of, rows_of, shares_of_report

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from portcall.inspection.server_names import ServerNames
    from portcall.queries.row_tests import RowTest
    from portcall.records.report import Report
    from portcall.records.report_rows import Rows
    from portcall.views.screen.pictures import Picture, ScreenQuestion
    from portcall.views.screen.row_rates import RowRates

    Row = dict[str, Any]  # Any: plain values of several types, see schema

_MOST_ADDRESSES = 10_000


def picture(
    question: ScreenQuestion,
    overview: Report,
    flows: Callable[[], Rows],
    rates: RowRates | None,
    taken_s: float,
) -> Picture:
    """The picture that answers a question: rows of the overview, or of what was opened in it.

    ``flows`` gives all conversations; ``rates`` are those of what the question is about.
    """
    if question.opened is None:
        rows = flows() if question.by == "flow" else rows_of(overview)
        return picture_of(question, overview, rows, question.by, rates, taken_s)
    rows, by = conversations_of(flows(), question.opened), "flow"
    if question.by != "conversations":
        rows, by = part_sums(rows, question.by), "part"
    taken = picture_of(question, overview, rows, by, rates, taken_s)
    return replace(taken, shares=shares_of_report(overview))


def addresses_of(flows: Rows) -> dict[str, str]:
    """Host → the address at which most was said with it, of so many hosts; ``flows`` have the most bytes first."""
    addresses: dict[str, str] = {}
    for block in flows.blocks(names=frozenset({"hostname", "server_ip"})):
        names, at = block.by_name.get("hostname"), block.by_name.get("server_ip")
        if not isinstance(names, Words) or not isinstance(at, Addresses):
            continue
        for name, address in zip(names.plain(), at.plain(), strict=True):
            if name is not None and len(addresses) < _MOST_ADDRESSES:
                addresses.setdefault(name, address)
    return addresses


def rows_wanted(text: str, by: str) -> RowTest:
    """The test that a filter means; UsageError says what of it cannot be understood."""
    return compile_where(text, by)


def explained(row: Row, number: int, names: ServerNames | None) -> list[tuple[str, Sequence[str]]]:
    """Headings and sentences about a conversation, its title first."""
    told = (
        names.answered_before(row["client_ip"], row["server_ip"], row["first_ns"]) if names and row["protocol"] else []
    )
    explanation = explain_flow(row, number, told)
    return [("", [explanation.title]), *((section.heading, section.sentences) for section in explanation.sections)]


def rehearse() -> None:
    """Read the lists that the first key would read."""
    rows_wanted("bytes>1kB", "app")
    port_of("https")
    curated(443, "tcp")
    range_of(443, "tcp")
    service_evidence(6, 443)


@lru_cache(maxsize=4096)
def port_of(service: str) -> str | None:
    """The port that a service is called after, as ``443/tcp``; None where it has none."""
    known = ports_of(service)
    return f"{known[0][0]}/{known[0][1]}" if known else None
