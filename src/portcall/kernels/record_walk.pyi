from typing import Any

import numpy as np
from numpy.typing import NDArray

MORE_BYTES: int
FULL: int
OTHER_BLOCK: int
DAMAGED: int
OTHER_CAPTURE: int
ZEROS: int

class PcapWalk:
    @property
    def position(self) -> int: ...
    @property
    def stop(self) -> int: ...
    @property
    def reason(self) -> str: ...
    @property
    def header_bytes(self) -> int: ...
    @property
    def records_of_zeros(self) -> int: ...
    def __init__(
        self,
        out_frames: NDArray[np.void],
        *,
        big: bool,
        fraction_ns: int,
        header_bytes: int,
        link: int,
        swapped_lengths: int,
    ) -> None: ...
    def walk(self, buffer: NDArray[np.uint8], at: int, end: int, *, is_end: bool = False) -> int: ...

class PcapngWalk:
    big: bool
    @property
    def position(self) -> int: ...
    @property
    def stop(self) -> int: ...
    @property
    def reason(self) -> str: ...
    def __init__(self, out_frames: NDArray[np.void]) -> None: ...
    def describe(self, interfaces: NDArray[Any], count: int, first_interface: int) -> None: ...
    def walk(self, buffer: NDArray[np.uint8], at: int, end: int) -> int: ...
