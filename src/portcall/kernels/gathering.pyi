import numpy as np
from numpy.typing import NDArray

def gather(
    frames: NDArray[np.void],
    buffer: NDArray[np.uint8],
    places: NDArray[np.int64],
    offsets: NDArray[np.uint64],
    out_frames: NDArray[np.void],
    out_buffer: NDArray[np.uint8],
) -> None: ...
def keep_wanted(payloads: NDArray[np.void], inspected: NDArray[np.uint8]) -> int: ...
def select(
    frames: NDArray[np.void],
    buffer: NDArray[np.uint8],
    interpreter: int,
    program: int,
    out_matches: NDArray[np.uint8],
) -> None: ...
