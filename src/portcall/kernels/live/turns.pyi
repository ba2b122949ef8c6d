import numpy as np
from numpy.typing import NDArray

TCP_PORTS: int
OTHER_PORTS: int
IDENTIFIERS: int
PROTOCOLS: int
TURN_BITS: int
IS_ECHO: int
HIGH_ASKS: int
MOST_DATAGRAMS: int

class TurnWriter:
    last_ns: int
    def __init__(self, echo_roles: NDArray[np.uint8], seed: int) -> None: ...
    def count(self, places: NDArray[np.uint32]) -> None: ...
    def await_packets(self, places: NDArray[np.uint32], times_ns: NDArray[np.int64]) -> None: ...
    def learn(self, namespace: int, interface: int, number: int) -> None: ...
    def write(
        self,
        packets: NDArray[np.void],
        frames: NDArray[np.void],
        buffer: NDArray[np.uint8],
        namespace: int,
        start: int,
    ) -> int: ...
