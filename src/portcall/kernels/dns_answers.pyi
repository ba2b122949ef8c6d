import numpy as np
from numpy.typing import NDArray

SEVERAL: int
GRACE_S: int

class DnsAnswerStore:
    def __init__(self, ring: NDArray[np.void], slots: NDArray[np.uint64], seed: int) -> None: ...
    def __len__(self) -> int: ...
    def note(self, client: bytes, server: bytes, time_ns: int, seconds: int, name: int) -> None: ...
    def find(
        self,
        flows: NDArray[np.void],
        clients_are_low: NDArray[np.bool_],
        wanted: NDArray[np.bool_],
        out_names: NDArray[np.uint32],
    ) -> None: ...
    def told(self, client: bytes, server: bytes) -> list[tuple[int, int, int, int]]: ...
