import numpy as np
from numpy.typing import NDArray

LINK_LAYERS: dict[str, int]

class FrameDecoder:
    out_packets: NDArray[np.void]
    def __init__(self, entries: NDArray[np.uint8], *, inner: bool) -> None: ...
    def decode(self, frames: NDArray[np.void], buffer: NDArray[np.uint8]) -> None: ...
