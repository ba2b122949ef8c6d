import numpy as np
from numpy.typing import NDArray

from portcall.kernels.deferral import Deferral
from portcall.kernels.held_segments import HeldSegments
from portcall.kernels.row_detections import RowDetections

class HelloDetections(RowDetections):
    reads_hellos: bool
    awaited: NDArray[np.uint8]
    held_answers: HeldSegments
    given_up: int
    def __init__(self, inspected: NDArray[np.uint8], deferral: Deferral, held: HeldSegments) -> None: ...
