import numpy as np
from numpy.typing import NDArray

from portcall.kernels.time_cells import CellStore

class FlowStore:
    flows: NDArray[np.void]
    flow_slots: NDArray[np.uint64]
    datagrams: NDArray[np.void]
    datagram_slots: NDArray[np.uint64]
    tallies: NDArray[np.void]
    inspected: NDArray[np.uint8]
    cells: CellStore | None
    out_payloads: NDArray[np.void]
    out_rows: NDArray[np.uint32]
    flow_count: int
    datagram_count: int
    idle_ns: int
    @property
    def seed(self) -> int: ...
    def __init__(self, seed: int) -> None: ...
    def fold(self, packets: NDArray[np.void], first_number: int) -> int: ...
    def rehash_flows(self, former: NDArray[np.uint64], numbers: NDArray[np.uint32]) -> None: ...
    def rehash_datagrams(self) -> None: ...
    def link_flows(self) -> None: ...
    def absorb(
        self,
        later: FlowStore,
        out_rows: NDArray[np.uint32],
        out_datagrams: NDArray[np.uint64],
        frames_before: int,
    ) -> None: ...
