import numpy as np
from numpy.typing import NDArray

LINK_LAYERS: dict[str, int]

def decode(
    frames: NDArray[np.void], buffer: NDArray[np.uint8], entries: NDArray[np.uint8], inner: bool, out: NDArray[np.void]
) -> None: ...
