from typing import Any

import numpy as np
from numpy.typing import NDArray

NUMBER: int
WORD: int
ADDRESS: int
SECONDS: int
IDENTIFIER: int
MOST_CHARACTERS: dict[int, int]

def write_rows(
    kinds: NDArray[np.uint8],
    columns: NDArray[np.uint32],
    values: NDArray[np.int64],
    marks: NDArray[np.uint8],
    first: int,
    end: int,
    words: bytes,
    word_ends: NDArray[np.int64],
    between: bytes,
    between_ends: NDArray[np.int64],
    null: bytes,
    out: NDArray[Any],
    leaves_out: bool = False,
    out_ends: NDArray[np.int64] | None = None,
) -> int: ...
def identifier_text(first: int, second: int) -> str: ...
