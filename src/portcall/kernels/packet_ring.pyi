import numpy as np
from numpy.typing import NDArray

LEAST_FRAME_BYTES: int

def is_ready(ring: NDArray[np.uint8], block: int) -> bool: ...
def release(ring: NDArray[np.uint8], block: int) -> None: ...
def walk(
    ring: NDArray[np.uint8],
    block: int,
    block_bytes: int,
    link_by_hardware: NDArray[np.uint16],
    out_frames: NDArray[np.void],
) -> int: ...
