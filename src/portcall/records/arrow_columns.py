"""Columns as Arrow arrays: what Parquet files, DuckDB, polars and pandas read without a copy of each row.

Types follow from the schema: integers are int64, texts and addresses are strings, lists are lists of them; every column
may be null, and its field says unit and meaning. This is the home of ``pyarrow``, which is optional.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from portcall.errors import PortcallError
from portcall.records.column_texts import address_texts, word_texts
from portcall.records.column_values import Addresses, Columns, Words
from portcall.records.envelope import envelope
from portcall.records.report_rows import ROWS_AT_ONCE, Rows
from portcall.records.schema import columns as columns_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from portcall.records.column_texts import Texts
    from portcall.records.column_values import ColumnValues
    from portcall.records.columns import Column
    from portcall.records.report import Report
    from portcall.records.schema import Listing

ENVELOPE = b"portcall"
"""Key of the schema's metadata under which the report's other facts stand, as JSON."""


_MOST_OFFSET = (1 << 31) - 1


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
    """Texts and numbers as they lie in memory. To have Arrow take words by their codes costs twice as much.

    Nor is its module of functions needed, which takes longer to import than most reports take to write.
    """
    import pyarrow as pa

    if values is None:
        return pa.nulls(count, arrow_type)
    if isinstance(values, Addresses):
        return _texts(address_texts(values), None)
    if isinstance(values, Words):
        if pa.types.is_string(arrow_type):
            return _words(values)
        return _lists(values, arrow_type) if pa.types.is_list(arrow_type) else pa.array(values.plain(), arrow_type)
    numbers = pa.py_buffer(np.ascontiguousarray(values.values, np.int64))
    return pa.Array.from_buffers(arrow_type, count, [_bits(values.is_known), numbers])


def _words(values: Words) -> pa.Array:
    encoded = [b"" if word is None else word.encode("utf-8", "backslashreplace") for word in values.words]
    return _texts(word_texts(values.codes, encoded), _known(values))


def _lists(values: Words, arrow_type: pa.DataType) -> pa.Array:
    """A list a row, of what all lists of the dictionary have one behind the other."""
    import pyarrow as pa

    lengths = np.array([len(word or ()) for word in values.words], np.int64)
    of_rows = lengths[values.codes]
    bounds = np.append(0, of_rows.cumsum())
    starts = (lengths.cumsum() - lengths)[values.codes] - bounds[:-1]
    items = Words(
        np.repeat(starts, of_rows) + np.arange(bounds[-1]), [one for word in values.words for one in word or ()]
    )
    buffers = [_bits(_known(values)), _offsets(bounds)]
    items_array = _array(items, arrow_type.value_type, len(items.codes))
    return pa.Array.from_buffers(arrow_type, len(of_rows), buffers, children=[items_array])


def _texts(texts: Texts, are_known: NDArray[np.bool_] | None) -> pa.Array:
    import pyarrow as pa

    buffers = [_bits(are_known), _offsets(texts.bounds), pa.py_buffer(texts.joined)]
    return pa.Array.from_buffers(pa.string(), len(texts.bounds) - 1, buffers)


def _known(values: Words) -> NDArray[np.bool_]:
    """bool[n]: whether each is not null."""
    return np.array([word is not None for word in values.words], np.bool_)[values.codes]


def _bits(are_known: NDArray[np.bool_] | None) -> pa.Buffer | None:
    """A bit a row; None where all are known."""
    import pyarrow as pa

    if are_known is None or are_known.all():
        return None
    return pa.py_buffer(np.packbits(are_known, bitorder="little"))


def _offsets(bounds: NDArray[np.int64]) -> pa.Buffer:
    import pyarrow as pa

    if bounds[-1] > _MOST_OFFSET:
        raise OverflowError(f"Arrow has no room for {bounds[-1]} bytes of texts in so few rows")
    return pa.py_buffer(bounds.astype(np.int32))


def _type(column: Column) -> pa.DataType:
    import pyarrow as pa

    return {
        "integer": pa.int64(),
        "text": pa.string(),
        "address": pa.string(),
        "texts": pa.list_(pa.string()),
        "integers": pa.list_(pa.int64()),
    }[column.type]
