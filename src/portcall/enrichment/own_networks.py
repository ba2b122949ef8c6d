"""What users call their own networks, in the columns that say whose network an address is in. No file, no question."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from portcall.records.schema import ADDRESS_ENDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from portcall.records.column_values import Columns
    from portcall.records.report import Report


def name_networks(report: Report, networks: Mapping[str, str]) -> Report:
    """The report with the names of these networks; where several hold an address, that of the smallest."""
    from portcall.records.column_values import Columns, Words  # NumPy, as in ``geoip``
    from portcall.records.report_rows import Rows

    smallest_first = sorted(
        ((ipaddress.ip_network(text), name) for text, name in networks.items()), key=lambda pair: -pair[0].prefixlen
    )

    @lru_cache(maxsize=1 << 16)
    def name_of(text: str) -> str | None:
        try:
            address = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:  # a host by its name
            return None
        return next((name for network, name in smallest_first if address in network), None)

    def complete(columns: Columns) -> Columns:
        found = {}
        for column, end in ADDRESS_ENDS.items():
            if column in columns.by_name:
                before = columns.by_name.get(f"{end}_network")
                texts = columns.by_name[column].plain()
                others = before.plain() if before is not None else [None] * len(texts)
                names = ((text and name_of(text)) or other for text, other in zip(texts, others, strict=True))
                found[f"{end}_network"] = Words.each(names)
        return Columns(len(columns), {**columns.by_name, **found})

    return replace(report, rows=report.rows.completed(complete)) if isinstance(report.rows, Rows) else report
