import numpy as np
from numpy.typing import NDArray

LEFT_OUT: int

def write_packet_blocks(
    frames: NDArray[np.void],
    buffer: NDArray[np.uint8],
    plans: NDArray[np.void],
    pool: NDArray[np.uint8],
    snap_length: int,
    out_blocks: NDArray[np.uint8],
) -> int: ...
