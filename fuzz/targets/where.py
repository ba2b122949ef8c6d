"""``--where``: expressions, and rows that they are asked about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from byte_pieces import BytePieces
from portcall.errors import UsageError
from portcall.queries.row_filter import compile_where
from portcall.records.schema import GROUPINGS, columns

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_BYTES = 512
_TEXTS = (
    "bytes > 1MB and not service ~ '^(https|dns)$'",
    "server_ip = 10.0.0.0/8 or app = null",
    '(duration >= 1.5min) and process != "it\'s"',
    "hostname ~ a+b or not (payload < 3KiB)",
    "top_host=example.org and first_ns>1e9",
)
_VALUES = {"integer": 7, "text": "a", "address": "10.0.0.1", "texts": ["a", "b"], "integers": [1, 2]}


def seeds() -> Iterator[bytes]:
    """Expressions by each grouping."""
    for number in range(len(GROUPINGS)):
        for text in _TEXTS:
            yield bytes([number]) + text.encode()


def examine(data: bytes) -> None:
    """A test that takes a row, or a usage error that can be written."""
    pieces = BytePieces(data)
    by = GROUPINGS[pieces.number() % len(GROUPINGS)]
    text = pieces.rest().decode("utf-8", "surrogateescape")
    try:
        test = compile_where(text, by)
    except UsageError as error:
        str(error).encode("utf-8", "surrogateescape")
        return
    test(dict.fromkeys(column.name for column in columns(by)))
    test({column.name: _VALUES[column.type] for column in columns(by)})
