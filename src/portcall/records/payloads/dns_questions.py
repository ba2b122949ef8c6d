"""DNS questions: what was asked for, and the packets that ask or answer it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Question(NamedTuple):
    """What somebody asks a resolver for."""

    name: str
    """In lower case, without the last dot; ``.`` is the root. Bytes that are not ASCII as escapes."""
    type: int
    """Number of the record type (RFC 1035 §3.2.2)."""


NO_CODE = -1
"""In place of a response code, of a message that asks."""

ASKED = np.dtype(
    [
        ("ts_ns", "i8"),
        ("number", "u8"),  # of the packet
        ("row", "u4"),  # of the flow table; of a part of it, the place among its rows
        ("question", "u4"),  # its number
        ("wire", "u4"),  # bytes of the frame; 0 where it counts for another question
        ("payload", "u4"),
        ("answers", "u2"),  # records in the answer
        ("code", "i2"),  # what a response says, or NO_CODE
        ("side", "u1"),  # which end sent it, 0 low, 1 high
        ("counts", "u1"),  # 1 where the packet counts for this question
        ("reserved", "u1", (2,)),
    ]
)
"""One question in one packet, asked or answered. 40 bytes."""


def placed(asked: NDArray[np.void], rows: NDArray[np.int64]) -> NDArray[np.void]:
    """Those of ASKED[n] that are of these rows, with their place among them; -1 is no row."""
    if not len(asked):
        return asked
    places = np.full(int(asked["row"].max()) + 1, -1, np.int64)
    known = np.flatnonzero((rows >= 0) & (rows < len(places)))
    places[rows[known]] = known
    at = places[asked["row"]]
    chosen: NDArray[np.void] = asked[at >= 0].copy()
    chosen["row"] = at[at >= 0]
    return chosen
