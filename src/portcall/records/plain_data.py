"""Plain data that came back from bytes: is it what it should be? ValueError where it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def text(value: object) -> str:
    """A text."""
    if not isinstance(value, str):
        raise ValueError("a text is something else")  # noqa: TRY004 - it is what was read that is wrong
    return value


def texts(value: object) -> list[str]:
    """Texts."""
    return list(map(text, items(value)))


def items(value: object, count: int | None = None) -> list[Any]:
    """A list, of so many items."""
    if not isinstance(value, list) or len(value) != (len(value) if count is None else count):
        raise ValueError("a list is something else")
    return value


def whole(value: object, least: int = 0, most: int = (1 << 63) - 1) -> int:
    """A whole number within these bounds."""
    if not isinstance(value, int) or not least <= value <= most:
        raise ValueError("a number is something else, or out of its bounds")
    return value


def octets(value: object, *lengths: int) -> bytes:
    """Bytes, written in hexadecimal; of one of these lengths, if any is given."""
    data = bytes.fromhex(text(value))
    if lengths and len(data) not in lengths:
        raise ValueError("there are too few bytes or too many")
    return data


def below(column: NDArray[Any], most: NDArray[Any] | int) -> None:
    """A column of numbers from 0 on, each below a bound."""
    if len(column) and not ((column >= 0) & (column < most)).all():
        raise ValueError("a column has a number that is out of its bounds")


def rows_of(column: NDArray[Any], count: int) -> NDArray[Any]:
    """A column with so many rows."""
    if len(column) != count:
        raise ValueError("columns have different numbers of rows")
    return column


def joined(pieces: list[NDArray[Any]], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Arrays as one, also where there is none."""
    return np.concatenate([*pieces, np.zeros(0, dtype)])
