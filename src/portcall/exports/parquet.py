"""Parquet: columns with their types, units and meaning, compressed by zstd; the report's other facts are metadata.

Numbers are exact, texts are those of the traffic as they are: whoever shows them escapes them, as for any database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.errors import PortcallError
from portcall.records.arrow_columns import ArrowMissingError, arrow_schema, record_batches, require_arrow
from portcall.records.schema import columns
from portcall.system.remedies import pip_install

if TYPE_CHECKING:
    from typing import TextIO

    from portcall.records.report import Report
    from portcall.records.schema import Listing

_ROWS_OF_GROUP = 1 << 16
"""Rows of a group are read at once, and lie in memory until it is written."""
_DIFFERS = frozenset({"client_port", "bucket_ns", "first_ns", "last_ns"})
"""Numbers that differ from row to row: a dictionary of these takes longer, and more room, than they do."""


def require() -> None:
    """PortcallError with what to install, where this cannot be written here."""
    try:
        require_arrow()
    except ArrowMissingError as error:
        raise PortcallError(f"parquet: {error}. Install it: {pip_install('portcall[arrow]')}") from error
    # While they may be read: ``live`` gives its rights up before it writes.
    import pyarrow.parquet  # noqa: F401 - as above


def write(report: Report | Listing, stream: TextIO) -> None:
    """Write all rows, in groups of some ten thousand."""
    require()
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = arrow_schema(report)
    with pq.ParquetWriter(stream.buffer, schema, compression="zstd", use_dictionary=_repeating(report.by)) as writer:
        waiting: list[pa.RecordBatch] = []
        for batch in record_batches(report):
            waiting.append(batch)
            if sum(map(len, waiting)) >= _ROWS_OF_GROUP:
                writer.write_table(pa.Table.from_batches(waiting, schema))
                waiting.clear()
        if waiting:
            writer.write_table(pa.Table.from_batches(waiting, schema))


def _repeating(by: str) -> list[str]:
    """The paths of columns whose values come again; addresses often do not, and compress as well without."""
    repeating = [one for one in columns(by) if one.type != "address" and one.name not in _DIFFERS]
    return [f"{one.name}.list.element" if one.type in ("texts", "integers") else one.name for one in repeating]
