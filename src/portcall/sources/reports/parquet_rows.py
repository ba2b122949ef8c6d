"""Reports as Parquet, read back some thousand rows at once, and only the columns that somebody wants."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from portcall.errors import PortcallError
from portcall.records.arrow_columns import ENVELOPE, ArrowMissingError, require_arrow
from portcall.records.column_values import Columns
from portcall.records.report_rows import ROWS_AT_ONCE
from portcall.sources.reports.described_report import WrittenReport, described, refusal
from portcall.sources.reports.row_checks import checked
from portcall.system.remedies import pip_install

if TYPE_CHECKING:
    from collections.abc import Iterator


def parquet_report(path: str) -> WrittenReport:
    """The report in a file of Parquet. PortcallError where it is none, or cannot be read here."""
    try:
        require_arrow()
    except ArrowMissingError as error:
        raise PortcallError(f"{path}: {error}. Install it: {pip_install('portcall[arrow]')}") from error
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            metadata = file.schema_arrow.metadata or {}
        if ENVELOPE not in metadata:
            raise refusal(path, None, "this is Parquet, but no report of portcall")
        facts = json.loads(metadata[ENVELOPE])
        if not isinstance(facts, dict):
            raise ValueError("its metadata are no object")  # noqa: TRY004, TRY301 - it is what was read that is wrong
        return described(path, facts, lambda names: _blocks(path, facts["by"], names))
    except (pa.ArrowException, ValueError, OSError, RecursionError) as error:
        raise refusal(path, None, _told(error)) from error


def _blocks(path: str, by: str, names: frozenset[str]) -> Iterator[Columns]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    done = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(ROWS_AT_ONCE, columns=sorted(names), use_threads=False):
                rows: list[dict[str, Any]] = batch.to_pylist()  # Any: plain values
                yield Columns.of_rows([checked(row, names, by) for row in rows])
                done += len(rows)
    except (pa.ArrowException, ValueError, OSError) as error:
        raise refusal(path, None, f"after {done} rows: {_told(error)}") from error


def _told(error: Exception) -> str:
    """The first line of what an error says."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
