"""What a report or a listing says besides its rows, as JSON, Parquet and Arrow carry it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from portcall.records.report import Report
    from portcall.records.schema import Listing


def envelope(report: Report | Listing) -> dict[str, Any]:  # Any: what JSON has
    """What a report says besides its rows."""
    coverage = report.coverage or getattr(report, "compared", None)
    return {
        "source": report.source,
        "by": report.by,
        "window_ns": report.window_ns,
        "coverage": coverage and asdict(coverage),
        "degradations": [asdict(degradation) for degradation in report.degradations],
        "rows_left_out": report.rows_left_out,
        **({"bucket_width_ns": width_ns} if (width_ns := getattr(report, "bucket_width_ns", None)) else {}),
    }
