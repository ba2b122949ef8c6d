"""Columns as Arrow arrays: what Parquet files, DuckDB, polars and pandas read without a copy of each row.

Types follow from the schema: integers are int64, texts and addresses are strings, lists are lists of them; every column
may be null, and its field says unit and meaning. This is the home of ``pyarrow``, which is optional.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from portcall.errors import PortcallError
from portcall.records.column_values import Columns, Numbers, Words
from portcall.records.envelope import envelope
from portcall.records.report_rows import ROWS_AT_ONCE, Rows
from portcall.records.schema import columns as columns_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from portcall.records.column_values import ColumnValues
    from portcall.records.columns import Column
    from portcall.records.report import Report
    from portcall.records.schema import Listing

ENVELOPE = b"portcall"
"""Key of the schema's metadata under which the report's other facts stand, as JSON."""


class ArrowMissingError(PortcallError):
    """The package pyarrow is not installed."""


def require_arrow() -> None:
    """ArrowMissingError where pyarrow is not installed."""
    try:
        import pyarrow as pa  # noqa: F401 - whether it can be
    except ModuleNotFoundError as error:
        raise ArrowMissingError("this needs the package pyarrow, which portcall[arrow] brings") from error


def arrow_schema(report: Report | Listing) -> pa.Schema:
    """The columns of the report's grouping, and what it says besides its rows."""
    import pyarrow as pa

    fields = [
        pa.field(column.name, _type(column), metadata={"unit": column.unit, "meaning": column.meaning})
        for column in columns_of(report.by)
    ]
    return pa.schema(fields, metadata={ENVELOPE: json.dumps(envelope(report))})


def record_batches(report: Report | Listing) -> pa.RecordBatchReader:
    """All rows as a stream of record batches, made as they are read. ArrowMissingError without pyarrow."""
    require_arrow()
    import pyarrow as pa

    schema, described = arrow_schema(report), columns_of(report.by)
    return pa.RecordBatchReader.from_batches(
        schema, (_batch(columns, described, schema) for columns in _blocks(report.rows))
    )


def _blocks(rows: Sequence[dict[str, Any]]) -> Iterator[Columns]:  # Any: plain values, see schema
    if isinstance(rows, Rows):
        yield from rows.blocks()
        return
    for start in range(0, len(rows), ROWS_AT_ONCE):
        yield Columns.of_rows(rows[start : start + ROWS_AT_ONCE])


def _batch(columns: Columns, described: Sequence[Column], schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    arrays = [
        _array(columns.by_name.get(column.name), field.type, len(columns))
        for column, field in zip(described, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _array(values: ColumnValues | None, arrow_type: pa.DataType, count: int) -> pa.Array:
    import pyarrow as pa

    if values is None:
        return pa.nulls(count, arrow_type)
    if isinstance(values, Numbers):
        return pa.array(values.values, arrow_type, mask=None if values.is_known is None else ~values.is_known)
    if isinstance(values, Words):
        return pa.array([_clean(word) for word in values.words], arrow_type).take(pa.array(values.codes))
    return pa.array(values.plain(), arrow_type)


def _clean(word: Any) -> Any:  # Any: a plain value
    r"""The same without lone surrogates, which names of files may have and UTF-8 has not: they stand as ``\udc..``."""
    if isinstance(word, list):
        return list(map(_clean, word))
    return word.encode("utf-8", "backslashreplace").decode() if isinstance(word, str) else word


def _type(column: Column) -> pa.DataType:
    import pyarrow as pa

    return {
        "integer": pa.int64(),
        "text": pa.string(),
        "address": pa.string(),
        "texts": pa.list_(pa.string()),
        "integers": pa.list_(pa.int64()),
    }[column.type]
