"""Reports as JSON and as JSON lines, read back line by line, as they were written.

JSON that another program has laid out anew is read at once, if it is not too long for that.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from portcall.records.column_values import Columns
from portcall.records.report_rows import ROWS_AT_ONCE
from portcall.sources.reports.described_report import WrittenReport, check_schema, described, refusal
from portcall.sources.reports.row_checks import checked, grouping_of_row

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    Lines = Iterator[tuple[int, Any]]  # Any: what JSON has

MOST_LINE_BYTES = 4 << 20
"""A row has some kilobytes."""
MOST_WHOLE_BYTES = 64 << 20
_ROWS_FOLLOW = b'"rows":['
_BOM = b"\xef\xbb\xbf"


def json_report(path: str) -> WrittenReport:
    """The report in a file of JSON, or of JSON lines. PortcallError where it is none."""
    with Path(path).open("rb") as stream:
        first = stream.readline(MOST_LINE_BYTES + 1)
        try:
            if first.rstrip().endswith(_ROWS_FOLLOW):
                facts = _object(first.rstrip() + b"]}")
                check_schema(facts)
                return described(path, facts, lambda names: _blocks(path, str(facts["by"]), names, _rows_below(path)))
            if _is_row(first):
                by = grouping_of_row(_object(first))
                return WrittenReport(
                    path, by, None, None, is_by_time=False, blocks=lambda names: _blocks(path, by, names, _lines(path))
                )
        except ValueError as error:
            raise refusal(path, 1, _told(error)) from error
        return _whole(path, first + stream.read(MOST_WHOLE_BYTES + 1 - len(first)))


def _is_row(line: bytes) -> bool:
    """Whether a line is an object by itself that has no rows, as others than envelopes are."""
    if len(line) > MOST_LINE_BYTES:
        return False
    try:
        found = orjson.loads(line.removeprefix(_BOM))
    except ValueError:
        return False
    return isinstance(found, dict) and not {"schema", "rows", "portcall_baseline"} & found.keys()


def _whole(path: str, text: bytes) -> WrittenReport:
    if len(text) > MOST_WHOLE_BYTES:
        raise refusal(
            path, None, f"its rows do not stand a line each, and it has more than {MOST_WHOLE_BYTES >> 20} MiB"
        )
    try:
        facts = _object(text)
        check_schema(facts)
        rows = facts.get("rows")
        if not isinstance(rows, list):
            raise ValueError("it has no 'rows'")  # noqa: TRY004, TRY301 - it is what was read that is wrong
        numbered = [(1, row) for row in rows]
        return described(path, facts, lambda names: _blocks(path, str(facts["by"]), names, iter(numbered)))
    except ValueError as error:
        raise refusal(path, getattr(error, "lineno", None), _told(error)) from error


def _blocks(path: str, by: str, names: frozenset[str], lines: Lines) -> Iterator[Columns]:
    """The rows' columns, some thousand rows at once."""
    rows: list[dict[str, Any]] = []
    for number, row in lines:
        try:
            rows.append(checked(row, names, by))
        except ValueError as error:
            raise refusal(path, number, _told(error)) from error
        if len(rows) >= ROWS_AT_ONCE:
            yield Columns.of_rows(rows)
            rows = []
    yield Columns.of_rows(rows)


def _lines(path: str) -> Lines:
    """Each line's row, with the line's number."""
    with Path(path).open("rb") as stream:
        yield from _parsed(path, stream, 1)


def _rows_below(path: str) -> Lines:
    """The same of rows that stand between an envelope's first line and its last."""
    with Path(path).open("rb") as stream:
        stream.readline(MOST_LINE_BYTES + 1)
        yield from _parsed(path, stream, 2, end=b"]}")


def _parsed(path: str, stream: BinaryIO, number: int, end: bytes | None = None) -> Lines:
    while line := stream.readline(MOST_LINE_BYTES + 1):
        if len(line) > MOST_LINE_BYTES:
            raise refusal(path, number, f"it has more than {MOST_LINE_BYTES >> 20} MiB, which no row has")
        text = line.removeprefix(_BOM).strip()
        if end is not None and text == end:
            return
        if text:
            try:
                row = orjson.loads(text.removesuffix(b",") if end else text)
            except ValueError as error:
                raise refusal(path, number, _told(error)) from error
            yield number, row
        number += 1
    if end is not None:
        raise refusal(path, number, "it ends before its rows do: it was cut")


def _object(text: bytes) -> dict[str, Any]:  # Any: what JSON has
    found = orjson.loads(text.removeprefix(_BOM))
    if not isinstance(found, dict):
        raise ValueError("this is no report of portcall: it is no object")  # noqa: TRY004 - as above
    return found


def _told(error: ValueError) -> str:
    """What an error says, in our words where it is the parser's."""
    if isinstance(error, orjson.JSONDecodeError):
        return f"this is no JSON ({error.msg}, at character {error.colno})"
    return str(error)
