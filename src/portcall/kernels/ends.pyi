import numpy as np
from numpy.typing import NDArray

class PortRules:
    def __init__(
        self,
        beginnings: NDArray[np.intp],
        grades: NDArray[np.uint8],
        keys: NDArray[np.int32],
        keys_without_port: NDArray[np.int32],
    ) -> None: ...

def clients(
    flows: NDArray[np.void],
    askers: NDArray[np.uint8],
    beginnings: NDArray[np.intp],
    grades: NDArray[np.uint8],
    out_low: NDArray[np.uint8],
    out_evidence: NDArray[np.uint8],
) -> None: ...
def read(
    flows: NDArray[np.void],
    askers: NDArray[np.uint8],
    rules: PortRules,
    networks: NDArray[np.void],
    decides: bool,
    out_ends: NDArray[np.void],
) -> int: ...
