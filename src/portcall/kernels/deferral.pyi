import numpy as np
from numpy.typing import NDArray

MOST_KEPT_BYTES: int

class Deferral:
    def __init__(self, hellos: NDArray[np.void], payloads: NDArray[np.void], arena: NDArray[np.uint8]) -> None: ...
    def clear(self) -> None: ...
