import numpy as np
from numpy.typing import NDArray

from portcall.kernels.copy_table import CopyTable
from portcall.kernels.flow_update import FlowStore
from portcall.kernels.headers import FrameDecoder
from portcall.kernels.record_walk import RecordWalk

class WindowRing:
    @property
    def walks(self) -> bool: ...
    @property
    def counts(self) -> bool: ...
    def __init__(
        self,
        windows: NDArray[np.uint8],
        frames: NDArray[np.void],
        packets: NDArray[np.void],
        payloads: NDArray[np.void],
        head_bytes: int,
        *,
        descriptor: int,
        offset: int,
        decoder: FrameDecoder | None,
        copies: CopyTable | None,
    ) -> None: ...
    def work(self, me: int) -> None: ...
    def stop(self) -> None: ...
    def count_into(
        self, store: FlowStore, flow_room: int, datagram_room: int, most_flows: int, next_number: int
    ) -> None: ...
    def take(self, held: memoryview, walk: RecordWalk | None) -> int: ...
    def take_counted(self) -> int: ...
    def known_of(self, slot: int) -> tuple[tuple[int, int, int], int | None, tuple[int, int, bool] | None]: ...
