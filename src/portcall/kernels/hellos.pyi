import numpy as np
from numpy.typing import NDArray

TLS_HELLO: int
HTTP_REQUEST: int
DNS_MESSAGE: int
DNS_ANSWER: int
MOST_ANSWERS: int
MOST_KEPT_BYTES: int

class HelloListener:
    hellos: NDArray[np.void]
    sayings: NDArray[np.void]
    arena: NDArray[np.uint8]
    hello_count: int
    saying_count: int
    arena_used: int
    def __init__(
        self,
        heard: NDArray[np.uint8],
        resolver: int,
        offsets: NDArray[np.int64],
        allowed: NDArray[np.uint64],
        port_numbers: NDArray[np.uint16],
        of_ports: NDArray[np.uint64],
        *,
        reads_hellos: bool,
    ) -> None: ...
    def listen(
        self,
        packets: NDArray[np.void],
        frames: NDArray[np.void],
        buffer: NDArray[np.uint8],
        payloads: NDArray[np.void],
        first_number: int,
    ) -> int: ...
