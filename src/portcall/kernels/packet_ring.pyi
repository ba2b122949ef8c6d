import numpy as np
from numpy.typing import NDArray

MOST_BLOCKS: int
LEAST_FRAME_BYTES: int

def ready(ring: NDArray[np.uint8], block_bytes: int, first: int, most_frames: int) -> int: ...
def release(ring: NDArray[np.uint8], block_bytes: int, first: int, blocks: int) -> None: ...
def walk(
    ring: NDArray[np.uint8],
    block_bytes: int,
    first: int,
    blocks: int,
    link_by_hardware: NDArray[np.uint16],
    out_frames: NDArray[np.void],
) -> int: ...
