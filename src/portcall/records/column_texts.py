"""The texts of a column, one behind the other, and where each ends, as Arrow has them.

The kernel that writes rows puts them together: rows of one value, with nothing between two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from portcall.kernels.row_texts import ADDRESS, MOST_CHARACTERS, WORD, write_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from portcall.records.column_values import Addresses

_BEHIND = MOST_CHARACTERS[ADDRESS]  # bytes that the kernel wants behind all texts


class Texts(NamedTuple):
    """Texts in UTF-8."""

    joined: NDArray[np.uint8]
    """uint8[bytes]"""
    bounds: NDArray[np.int64]
    """int64[n + 1]: where each begins, and where the last one ends."""


def word_texts(codes: NDArray[np.int64], encoded: Sequence[bytes]) -> Texts:
    """One of the words a row."""
    lengths = np.fromiter(map(len, encoded), np.int64, len(encoded))
    size = int(lengths[codes].sum())
    values, marks = codes.astype(np.int64, copy=False)[np.newaxis], np.zeros((1, len(codes)), np.uint8)
    return _written(WORD, np.ascontiguousarray(values), marks, b"".join(encoded), np.append(0, lengths.cumsum()), size)


def address_texts(addresses: Addresses) -> Texts:
    """As people write them (RFC 5952)."""
    halves = np.stack([addresses.high_half, addresses.low_half]).view(np.int64)
    marks = np.stack([addresses.is_ipv6, addresses.is_ipv6]).view(np.uint8)
    return _written(ADDRESS, halves, marks, b"", np.zeros(1, np.int64), halves.shape[1] * MOST_CHARACTERS[ADDRESS])


def _written(
    kind: int, values: NDArray[np.int64], marks: NDArray[np.uint8], words: bytes, word_ends: NDArray[Any], size: int
) -> Texts:
    count = values.shape[1]
    kinds, columns, between_ends = np.full(1, kind, np.uint8), np.zeros(1, np.uint32), np.zeros(3, np.int64)
    out, bounds = np.empty(size + _BEHIND, np.uint8), np.zeros(count + 1, np.int64)
    written = write_rows(
        kinds, columns, values, marks, 0, count, words, word_ends, b"", between_ends, b"", out, out_ends=bounds[1:]
    )
    return Texts(out[:written], bounds)
