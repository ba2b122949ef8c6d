"""Parquet: columns with their types, units and meaning, compressed by zstd; the report's other facts are metadata.

Numbers are exact, texts are those of the traffic as they are: whoever shows them escapes them, as for any database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.errors import PortcallError
from portcall.records.arrow_columns import ArrowMissingError, arrow_schema, record_batches, require_arrow
from portcall.system.remedies import pip_install

if TYPE_CHECKING:
    from typing import TextIO

    from portcall.records.report import Report
    from portcall.records.schema import Listing

_ROWS_OF_GROUP = 1 << 17  # rows of a group are read at once


def require() -> None:
    """PortcallError with what to install, where this cannot be written here."""
    try:
        require_arrow()
    except ArrowMissingError as error:
        raise PortcallError(f"parquet: {error}. Install it: {pip_install('portcall[arrow]')}") from error
    # While they may be read: ``live`` gives its rights up before it writes.
    import pyarrow.compute
    import pyarrow.parquet  # noqa: F401 - and what is above


def write(report: Report | Listing, stream: TextIO) -> None:
    """Write all rows, in groups of some hundred thousand."""
    require()
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = arrow_schema(report)
    with pq.ParquetWriter(stream.buffer, schema, compression="zstd") as writer:
        waiting: list[pa.RecordBatch] = []
        for batch in record_batches(report):
            waiting.append(batch)
            if sum(map(len, waiting)) >= _ROWS_OF_GROUP:
                writer.write_table(pa.Table.from_batches(waiting, schema))
                waiting.clear()
        if waiting:
            writer.write_table(pa.Table.from_batches(waiting, schema))
