import numpy as np
from numpy.typing import NDArray

def list_packet_options(
    frames: NDArray[np.void],
    buffer: NDArray[np.uint8],
    big: bool,
    out_options: NDArray[np.void],
    out_left_out: NDArray[np.uint64],
    most: int = ...,
) -> int: ...
