import numpy as np
from numpy.typing import NDArray

from portcall.kernels.aggregate import SumTable

def credit(
    flows: NDArray[np.void],
    ends: NDArray[np.void],
    by_host: bool,
    both_ends: bool,
    sums: SumTable,
    hosts: SumTable,
    buckets: NDArray[np.int64] | None = None,
) -> int: ...
