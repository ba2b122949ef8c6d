from array import array

import numpy as np
from numpy.typing import NDArray

from portcall.kernels.flow_update import FlowStore

LETTERS: int
ROW_BYTES: int
ISLAND_BYTES: int

class OrderStore:
    histories_cut: int
    @property
    def segments_left_out(self) -> int: ...
    def __init__(
        self,
        table: FlowStore,
        rows: NDArray[np.uint8],
        islands: NDArray[np.uint8],
        beginnings: array[int],
        grades: bytes,
        cut_is_missed: bool,
        judges_sums: bool,
    ) -> None: ...
    def note(
        self, packets: NDArray[np.void], frames: NDArray[np.void], buffer: NDArray[np.uint8], rows: NDArray[np.uint32]
    ) -> None: ...
    def conclude(self, rows: NDArray[np.int64]) -> None: ...
    def tell(self, rows: NDArray[np.int64], out_histories: NDArray[np.void]) -> None: ...
