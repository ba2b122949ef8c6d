"""Rows that a lake has written, and those of one machine, in a form that compares."""

from __future__ import annotations

import duckdb

from portcall.engines.range_reading import whole_of
from portcall.engines.reducing import report_of


def comparable(rows):
    """Rows in an order of their own, without what they have nothing to say of."""
    return sorted(repr(sorted((name, value) for name, value in row.items() if value is not None)) for row in rows)


def written(out, *, with_sensor=False):
    """What DuckDB reads back."""
    columns = "*" if with_sensor else "* exclude (sensor)"
    files = f"read_parquet('{out}/sensor=*/*.parquet', hive_partitioning=false)"
    found = duckdb.sql(f"select {columns} from {files}")  # noqa: S608 - a folder of the test
    return comparable(dict(zip(found.columns, row, strict=True)) for row in found.fetchall())


def one_machines(paths, options):
    """What one run over all captures has."""
    return comparable(report_of(whole_of(sorted(map(str, paths)), options), None).to_dicts())
