import numpy as np
from numpy.typing import NDArray

def group(
    keys: NDArray[np.uint64],
    seed: int,
    slots: NDArray[np.uint32],
    out_groups: NDArray[np.int64],
    out_members: NDArray[np.int64],
) -> int: ...
