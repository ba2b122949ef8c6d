"""Rows of a report as lines of text: what JSON and CSV have in common.

Words are encoded once, and a kernel puts rows together from them, from numbers and from addresses.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from portcall.kernels.row_texts import ADDRESS, IDENTIFIER, MOST_CHARACTERS, NUMBER, SECONDS, WORD, write_rows
from portcall.records.column_values import Addresses, Numbers, Words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import TextIO

    from numpy.typing import NDArray

    from portcall.records.column_values import ColumnValues
    from portcall.records.report_rows import Rows

_MOST_REMEMBERED = 1 << 16  # words
_ROWS_AT_ONCE = 1 << 16
"""So many rows have their columns made at once: the more, the fewer words come up again in the next ones."""
_ROWS_OF_TEXT = 1 << 10
_SPARE = 8  # values that a cache line holds


class Seconds(NamedTuple):
    """Times and spans, written as seconds with six digits behind the point; each may be null."""

    microseconds: NDArray[np.int64]
    is_known: NDArray[np.bool_]


class Identifiers(NamedTuple):
    """Numbers of 128 bits, each in two halves, written as Zeek's identifiers are."""

    first: NDArray[np.uint64]
    second: NDArray[np.uint64]


@dataclass
class RowWriter:
    """How one format writes a row: ``names`` in this order."""

    names: Sequence[str]
    before: Sequence[str]
    """What stands before each value."""
    end: str
    """What stands behind the last one."""
    encode: Callable[[Any], str]
    """A word as it stands in a row; also null."""
    quote: str = ""
    """What stands around an address, and an identifier."""
    leaves_out: bool = False
    """Whether nothing stands for null, nor before it, where ``encode`` gives no text for it."""
    _remembered: dict[Any, bytes] = field(default_factory=dict)

    def write(self, rows: Rows, stream: TextIO, head: str = "", leave_out: int = 0) -> None:
        """Write ``head`` and all rows, a thousand or so at once, and leave out so many characters of the first."""
        put = put_into(stream)
        put(memoryview(head.encode()))
        for columns in rows.blocks(_ROWS_AT_ONCE):
            for piece in self.pieces(len(columns), columns.by_name):
                put(piece[leave_out:])
                leave_out = 0

    def pieces(self, count: int, by_name: Mapping[str, ColumnValues | Seconds | Identifiers]) -> Iterator[memoryview]:
        """So many rows of these columns in UTF-8, each piece valid until the next."""
        if len(self._remembered) > _MOST_REMEMBERED:
            self._remembered.clear()
        return self._pieces_of(count, by_name)

    @cached_property
    def _null(self) -> str:
        return self.encode(None)

    def _pieces_of(
        self, count: int, by_name: Mapping[str, ColumnValues | Seconds | Identifiers]
    ) -> Iterator[memoryview]:
        steps, between = _Steps(count), [""]
        for before, name in zip(self.before, self.names, strict=True):
            values = by_name.get(name)
            if values is None and self.leaves_out:
                continue
            between[-1] += before
            if values is None:
                between[-1] += self._null
                continue
            quote = self.quote if isinstance(values, Addresses | Identifiers) else ""
            between[-1] += quote
            if isinstance(values, Words):
                steps.add_words(values, self._encoded(values.words))
            else:
                steps.add(values)
            between.append(quote)
        between[-1] += self.end
        return steps.pieces(between, self._null.encode(), leaves_out=self.leaves_out)

    def _encoded(self, words: Sequence[Any]) -> list[bytes]:
        """Words as they stand in a row. Most were met before, in another column or in rows before these."""
        known, null = self._remembered.get, self._null.encode()
        return [
            (known(word) or self._remember(word, word))
            if type(word) is str
            else null
            if word is None
            else (known(tuple(word)) or self._remember(tuple(word), word))
            if type(word) is list
            else self.encode(word).encode()
            for word in words
        ]

    def _remember(self, key: Any, word: Any) -> bytes:
        encoded = self.encode(word).encode()
        if type(key) is str or set(map(type, key)) == {str}:  # 1 and True are equal, and not the same word
            self._remembered[key] = encoded
        return encoded


class _Steps:
    """The values of some rows, as the kernel wants them."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._kinds: list[int] = []
        self._columns: list[int] = []
        self._values: list[tuple[NDArray[Any], int]] = []  # and what is added to each
        self._marks: list[NDArray[np.bool_] | None] = []
        self._words: list[bytes] = []
        self._word_bytes = np.zeros(count, np.int64)  # of each row

    def add_words(self, values: Words, encoded: list[bytes]) -> None:
        """One more column, whose words are encoded."""
        lengths = np.fromiter(map(len, encoded), np.int64, len(encoded))
        self._word_bytes += lengths[values.codes]
        self._step(WORD, values.codes, None, len(self._words))
        self._words += encoded

    def add(self, values: Numbers | Addresses | Seconds | Identifiers) -> None:
        """One more column."""
        if isinstance(values, Numbers):
            self._step(NUMBER, values.values, values.is_known)
        elif isinstance(values, Seconds):
            self._step(SECONDS, values.microseconds, values.is_known)
        elif isinstance(values, Identifiers):
            self._step(IDENTIFIER, values.first.view(np.int64), None)
            self._column(values.second.view(np.int64))
        else:
            self._step(ADDRESS, values.high_half.view(np.int64), values.is_ipv6)
            self._column(values.low_half.view(np.int64))

    def pieces(self, between: Sequence[str], null: bytes, *, leaves_out: bool) -> Iterator[memoryview]:
        """All rows, so many at once that their values and their text stay in the processor's cache."""
        literals = [text.encode() for text in between]
        of_row = sum(map(len, literals)) + sum(MOST_CHARACTERS[kind] + len(null) for kind in self._kinds)
        kinds, numbers = np.array(self._kinds, np.uint8), np.array(self._columns, np.uint32)
        # [column, row]; the values of one row lie in different sets of the processor's cache.
        shape = len(self._values), min(_ROWS_OF_TEXT, self._count) + _SPARE
        values, marks = np.empty(shape, np.int64), np.ones(shape, np.uint8)
        words, word_ends = b"".join(self._words), _ends(self._words)
        literal, literal_ends = b"".join(literals), _ends(literals)
        out = np.empty(0, np.uint8)
        for first in range(0, self._count, _ROWS_OF_TEXT):
            end = min(first + _ROWS_OF_TEXT, self._count)
            self._put(first, end, values, marks)
            room = (end - first) * of_row + int(self._word_bytes[first:end].sum()) + MOST_CHARACTERS[ADDRESS]
            if room > len(out):
                out = np.empty(room, np.uint8)
            size = write_rows(
                kinds,
                numbers,
                values,
                marks,
                0,
                end - first,
                words,
                word_ends,
                literal,
                literal_ends,
                null,
                out,
                leaves_out,
            )
            yield out[:size].data

    def _put(self, first: int, end: int, values: NDArray[np.int64], marks: NDArray[np.uint8]) -> None:
        """Put the values and marks of these rows into tables that begin with them."""
        for row, (column, more) in zip(values, self._values, strict=True):
            if more:
                np.add(column[first:end], more, out=row[: end - first])
            else:
                row[: end - first] = column[first:end]
        for row, are_known in zip(marks, self._marks, strict=True):
            if are_known is not None:
                row[: end - first] = are_known[first:end]

    def _step(self, kind: int, values: NDArray[Any], marks: NDArray[np.bool_] | None, more: int = 0) -> None:
        self._kinds.append(kind)
        self._columns.append(len(self._values))
        self._column(values, marks, more)

    def _column(self, values: NDArray[Any], marks: NDArray[np.bool_] | None = None, more: int = 0) -> None:
        self._values.append((values, more))
        self._marks.append(marks)


def put_into(stream: TextIO) -> Callable[[memoryview], object]:
    """What writes UTF-8 into the stream: as it is, unless it has to pass through the stream's own encoding.

    To make Python's texts of it and bytes of these again takes twice as long as making it.
    """
    is_plain = os.linesep == "\n" and str(getattr(stream, "encoding", None)).lower() in ("utf-8", "utf8")
    buffer = getattr(stream, "buffer", None) if is_plain else None
    if not isinstance(buffer, io.BufferedIOBase | io.RawIOBase):
        return lambda piece: stream.write(str(piece, "utf-8"))
    stream.flush()
    return partial(_write_all, buffer)


def _write_all(file: io.BufferedIOBase | io.RawIOBase, piece: memoryview) -> None:
    """Write all of it, also where there is no buffer and a file may take a part, as stdout of ``python -u``."""
    while piece:
        piece = piece[file.write(piece) or 0 :]


def _ends(texts: Sequence[bytes]) -> NDArray[np.int64]:
    """Where each of them ends in all together, after a 0."""
    return np.cumsum([0, *map(len, texts)], dtype=np.int64)
