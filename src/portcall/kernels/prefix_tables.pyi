import numpy as np
from numpy.typing import NDArray

FAR_BYTES: int
WORD_BYTES: int

class PrefixTables:
    def __init__(
        self,
        offsets: NDArray[np.int64],
        looking: NDArray[np.uint64],
        classes: NDArray[np.uint16],
        allowed: NDArray[np.uint64],
        known_ports: NDArray[np.uint64],
        port_numbers: NDArray[np.uint16],
        of_ports: NDArray[np.uint64],
        short: NDArray[np.uint64],
        text: NDArray[np.uint64],
        with_length: NDArray[np.uint64],
        words: NDArray[np.uint8],
        of_words: NDArray[np.uint64],
        homes: NDArray[np.uint8],
        asked_after_tls: NDArray[np.uint64],
    ) -> None: ...
    def candidates_by_prefix(
        self, protocol: int, source_port: int, target_port: int, sent: bytes, is_whole: bool
    ) -> int: ...
