import numpy as np
from numpy.typing import NDArray

from portcall.kernels.deferral import Deferral
from portcall.kernels.dns_answers import DnsAnswerStore
from portcall.kernels.held_segments import HeldSegments
from portcall.kernels.hello_detections import HelloDetections
from portcall.kernels.interning import NameNumbers
from portcall.kernels.prefix_tables import PrefixTables

MOST_ANSWERS: int

class PlainInspector(HelloDetections):
    resolver: int
    dns_names: NameNumbers
    dns_answers: DnsAnswerStore
    def next_unnumbered(self) -> tuple[int, int, bytes] | None: ...
    def learn(self, number: int) -> None: ...
    def next_deferred(self) -> tuple[int, int, int, int, int, int, int, int, bytes, bool, int] | None: ...
    def __init__(
        self, inspected: NDArray[np.uint8], prefixes: PrefixTables, deferral: Deferral, held: HeldSegments
    ) -> None: ...
    def inspect(
        self,
        packets: NDArray[np.void],
        frames: NDArray[np.void],
        buffer: NDArray[np.uint8],
        payloads: NDArray[np.void],
        first_number: int,
    ) -> int: ...
