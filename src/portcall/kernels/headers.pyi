import numpy as np
from numpy.typing import NDArray

class FrameDecoder:
    out_packets: NDArray[np.void]
    def __init__(self, *, inner: bool) -> None: ...
    def decode(self, frames: NDArray[np.void], buffer: NDArray[np.uint8]) -> None: ...
