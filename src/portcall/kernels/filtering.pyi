import numpy as np
from numpy.typing import NDArray

def select(
    frames: NDArray[np.void],
    buffer: NDArray[np.uint8],
    interpreter: int,
    program: int,
    out_matches: NDArray[np.uint8],
) -> None: ...
