import numpy as np
from numpy.typing import NDArray

class CopyTable:
    @property
    def found(self) -> int: ...
    def __init__(
        self, seen: NDArray[np.void], *, window_ns: int, seed: int, most_bytes: int, removes: bool
    ) -> None: ...
    def find(self, packets: NDArray[np.void], frames: NDArray[np.void], buffer: NDArray[np.uint8]) -> None: ...
