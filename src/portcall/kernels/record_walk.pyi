from typing import Any

import numpy as np
from numpy.typing import NDArray

MORE_BYTES: int
FULL: int
OTHER_BLOCK: int
DAMAGED: int
OTHER_CAPTURE: int
ZEROS: int

class RecordWalk:
    @property
    def position(self) -> int: ...
    @property
    def stop(self) -> int: ...
    @property
    def reason(self) -> str: ...
    @property
    def records_of_zeros(self) -> int: ...
    def walk(
        self, buffer: NDArray[np.uint8], at: int, end: int, out_frames: NDArray[np.void], *, is_end: bool = False
    ) -> int: ...

class PcapWalk(RecordWalk):
    @property
    def header_bytes(self) -> int: ...
    def __init__(self, *, big: bool, fraction_ns: int, header_bytes: int, link: int, swapped_lengths: int) -> None: ...

class PcapngWalk(RecordWalk):
    big: bool
    @property
    def names_processes(self) -> bool: ...
    def __init__(self, *, lists_options: bool = False) -> None: ...
    def describe(self, interfaces: NDArray[Any], count: int, first_interface: int) -> None: ...
