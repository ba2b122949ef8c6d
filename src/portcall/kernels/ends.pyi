import numpy as np
from numpy.typing import NDArray

def clients(
    flows: NDArray[np.void],
    beginnings: NDArray[np.intp],
    grades: NDArray[np.uint8],
    out_low: NDArray[np.uint8],
    out_evidence: NDArray[np.uint8],
) -> None: ...
def service_keys(
    flows: NDArray[np.void],
    client_is_low: NDArray[np.uint8],
    beginnings: NDArray[np.intp],
    keys: NDArray[np.int32],
    keys_without_port: NDArray[np.int32],
    out_keys: NDArray[np.int64],
) -> None: ...
def local_ends(
    flows: NDArray[np.void], networks: NDArray[np.void], decides: bool, out_local: NDArray[np.uint8]
) -> int: ...
