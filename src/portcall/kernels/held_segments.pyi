import numpy as np
from numpy.typing import NDArray

MOST_HELD_BYTES: int

class HeldSegments:
    def __init__(self, segments: NDArray[np.void], arena: NDArray[np.uint8], of_row: NDArray[np.uint32]) -> None: ...
    def renumber(self, numbers: NDArray[np.uint32]) -> None: ...
