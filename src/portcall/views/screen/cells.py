"""The columns of the screen's tables, and what stands in them.

Columns have fixed widths, since most rows are never looked at; names take what is left. Which there is room for is
decided by rank, as in other tables: a narrow terminal loses the least important first.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from portcall.records.ownership import program_text
from portcall.views.tables import bar, flow_end, name_or_reason, programs
from portcall.views.text import bytes_text, columns, count_text, duration_text, share_text, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from portcall.views.screen.arranging import TableChoice

    Row = dict[str, Any]  # Any: plain values of several types, see schema

GAP = 2
_BAR_WIDTH = 6
_SPARKS = " ▁▂▃▄▅▆▇█"
_SPARK_WIDTH = 12
_NUMBER = 7
_NAME = 16
_PART_TITLES = {
    "hosts": ("host", "address"),
    "ports": ("port", "service"),
    "processes": ("process", "user and program"),
    "evidence": ("what", "it rests on"),
}
"""Of PARTS but conversations, what the two first columns are called."""


class Shown(NamedTuple):
    """One row, and all that its cells are made of."""

    row: Row
    rates: tuple[float, float]
    totals: tuple[int, int]
    credited: int
    """Bytes of all rows, of which this has a share."""
    history: Sequence[float]
    choice: TableChoice
    port_of: Callable[[str], str | None]
    addresses: Mapping[str, str]
    depth: int = 0
    """1 for a process below its app."""
    mark: str = " "
    """Whether processes can be unfolded, and are."""


class ScreenColumn(NamedTuple):
    """One column."""

    title: str
    width: int
    """At the least."""
    rank: int
    text: Callable[[Shown], str]
    sort: str | None = None
    """What rows are sorted by where it is chosen, see ``TableChoice.sort``."""
    is_number: bool = True
    most: int = 0
    """How wide it may get where there is room; 0: as wide as it is."""


def table_columns(by: str, choice: TableChoice) -> tuple[ScreenColumn, ...]:
    """The columns of a table by a grouping, or of an opened row by one of PARTS."""
    if by == "flow":
        return _conversation_columns(choice)
    if by in _PART_TITLES:
        return _part_columns(by, choice)
    if by == "query":
        return _query_columns(choice)
    return (
        ScreenColumn(by, _NAME, 0, lambda shown: _name(by, shown), "name", is_number=False, most=32),
        *([ScreenColumn("pid", 7, 2, lambda shown: str(shown.row["pid"] or ""), "pid")] if by == "process" else []),
        *_rates_and_totals(choice, ("up", "down")),
        ScreenColumn("share", 6, 3, lambda shown: share_text(sum(shown.totals), shown.credited), "both"),
        ScreenColumn(
            "", _BAR_WIDTH, 4, lambda shown: bar(sum(shown.totals), shown.credited, _BAR_WIDTH), is_number=False
        ),
        ScreenColumn("conns", 6, 5, lambda shown: count_text(shown.row["flows"]), "flows"),
        *_partners(by),
        ScreenColumn("over time", _SPARK_WIDTH, 7, _spark, is_number=False),
    )


def fitting_columns(choice: Sequence[ScreenColumn], width: int) -> list[tuple[ScreenColumn, int]]:
    """The columns that there is room for, with their widths; the first stays always."""
    kept = list(choice)
    while len(kept) > 1 and sum(column.width + GAP for column in kept) - GAP > width:
        last = max(column.rank for column in kept)
        kept = [column for column in kept if column.rank < last or column is kept[0]]
    spare = max(width - sum(column.width + GAP for column in kept) + GAP, 0)
    widths = []
    for column in kept:
        more = min(max(column.most - column.width, 0), spare)
        spare -= more
        widths.append(min(column.width + more, width))
    return list(zip(kept, widths, strict=True))


def cell_texts(shown: Shown, fitting: Sequence[tuple[ScreenColumn, int]]) -> list[str]:
    """What stands in each of these columns, harmless and exactly as wide as they are."""
    return [padded(column.text(shown), width, is_number=column.is_number) for column, width in fitting]


def padded(text: str, width: int, *, is_number: bool) -> str:
    """The text in exactly that many columns of a terminal; cut where it is longer."""
    text = visible(text, width)
    gap = " " * (width - columns(text))
    return gap + text if is_number else text + gap


def _rates_and_totals(choice: TableChoice, words: tuple[str, str]) -> list[ScreenColumn]:
    """Both ways now and in all; what somebody chose to see comes first, and stays longer."""
    totals = [
        ScreenColumn(words[0], _NUMBER, 1, lambda shown: bytes_text(shown.totals[0]), "out"),
        ScreenColumn(words[1], _NUMBER, 1, lambda shown: bytes_text(shown.totals[1]), "in"),
    ]
    if not choice.knows_rates:
        return totals
    rates = [
        ScreenColumn(f"{words[0]}/s", _NUMBER, 1, lambda shown: _rate_text(shown.rates[0]), "out"),
        ScreenColumn(f"{words[1]}/s", _NUMBER, 1, lambda shown: _rate_text(shown.rates[1]), "in"),
    ]
    first, second = (rates, totals) if choice.measure == "rate" else (totals, rates)
    return [*first, *(column._replace(rank=2, sort=None) for column in second)]


def _rate_text(rate: float) -> str:
    return bytes_text(int(rate)) if int(rate) else "·"


def _partners(by: str) -> list[ScreenColumn]:
    host = ScreenColumn("top host", 16, 6, _top_host, is_number=False, most=40)
    services = ScreenColumn("services", 12, 8, _services, is_number=False, most=40)
    return [*([] if by == "host" else [host]), *([] if by == "service" else [services])]


def _conversation_columns(choice: TableChoice) -> tuple[ScreenColumn, ...]:
    return (
        ScreenColumn("server", 22, 0, _server, "name", is_number=False, most=48),
        *_rates_and_totals(choice, ("up", "down")),
        ScreenColumn("service", 8, 3, _service, is_number=False, most=16),
        ScreenColumn("state", 6, 4, lambda shown: shown.row["state"] or "", is_number=False),
        ScreenColumn("client", 21, 5, lambda shown: flow_end("client", shown.row), is_number=False, most=48),
        ScreenColumn("process", 10, 6, lambda shown: programs(shown.row), is_number=False, most=32),
        ScreenColumn("lasted", 9, 7, _duration),
    )


def _query_columns(choice: TableChoice) -> tuple[ScreenColumn, ...]:
    return (
        ScreenColumn(
            "query", 20, 0, lambda shown: name_or_reason("query", shown.row), "name", is_number=False, most=48
        ),
        ScreenColumn("type", 6, 3, lambda shown: shown.row["query_type"] or "", is_number=False),
        *_rates_and_totals(choice, ("up", "down")),
        ScreenColumn("asked", 6, 4, lambda shown: _counted(shown.row["questions"]), "questions"),
        ScreenColumn("client", 15, 5, lambda shown: shown.row["client_ip"] or "", is_number=False, most=40),
        ScreenColumn("said", 10, 6, lambda shown: " ".join(shown.row["response_codes"] or ()), is_number=False),
    )


def _part_columns(part: str, choice: TableChoice) -> tuple[ScreenColumn, ...]:
    first, second = _PART_TITLES[part]
    return (
        ScreenColumn(first, 24, 0, lambda shown: shown.row["part"], "name", is_number=False, most=48),
        ScreenColumn(second, 16, 3, lambda shown: shown.row["detail"], is_number=False, most=64),
        ScreenColumn("conns", 6, 1, lambda shown: count_text(shown.row["conversations"]), "conversations"),
        *_rates_and_totals(choice, ("up", "down")),
    )


def _name(by: str, shown: Shown) -> str:
    if shown.depth:
        row = shown.row
        pid = f"{row['pid']} " if row["pid"] else ""
        return f"  {pid}{program_text(row['process'] or '', row['script'])}"
    name = name_or_reason(by, shown.row)
    if by == "host" and shown.choice.shows_addresses:
        name = shown.addresses.get(name, name)
    return f"{shown.mark} {name}" if shown.mark.strip() else name


def _top_host(shown: Shown) -> str:
    host = shown.row["top_host"] or ""
    return shown.addresses.get(host, host) if shown.choice.shows_addresses else host


def _services(shown: Shown) -> str:
    return " ".join(_service_text(service, shown) for service in shown.row["services"] or ())


def _service_text(service: str, shown: Shown) -> str:
    return (shown.port_of(service) or service) if shown.choice.shows_ports else service


def _service(shown: Shown) -> str:
    row = shown.row
    if shown.choice.shows_ports:
        return f"{row['server_port']}/{row['protocol']}" if row["server_port_class"] else row["protocol"] or ""
    return row["application_protocol"] or row["service"] or row["protocol"] or ""


def _server(shown: Shown) -> str:
    row = shown.row
    if shown.choice.shows_addresses or not row["hostname"]:
        return flow_end("server", row)
    return f"{row['hostname']}:{row['server_port']}" if row["server_port_class"] else row["hostname"]


def _duration(shown: Shown) -> str:
    row = shown.row
    return "" if row["first_ns"] is None else duration_text(row["last_ns"] - row["first_ns"])


def _counted(count: int | None) -> str:
    return "" if count is None else count_text(count)


def _spark(shown: Shown) -> str:
    """The last intervals as heights, two in one where there are more than places, the greatest of them full."""
    rates = list(shown.history)
    if len(rates) > _SPARK_WIDTH:
        rates = rates[-2 * _SPARK_WIDTH :]
        rates = rates[len(rates) % 2 :]
        rates = [max(rates[place : place + 2]) for place in range(0, len(rates), 2)]
    most = max(rates, default=0)
    heights = (min(math.ceil(8 * rate / most), 8) for rate in rates) if most else ()
    return "".join(_SPARKS[height] for height in heights).rjust(_SPARK_WIDTH)
