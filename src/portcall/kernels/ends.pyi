import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer

VALUES: tuple[str, ...]
MARKS: tuple[str, ...]

class PortRules:
    def __init__(
        self,
        beginnings: Buffer,
        grades: Buffer,
        keys: NDArray[np.int32],
        keys_without_port: NDArray[np.int32],
    ) -> None: ...

def clients(
    flows: NDArray[np.void],
    askers: NDArray[np.uint8],
    beginnings: Buffer,
    grades: Buffer,
    out_low: NDArray[np.uint8],
    out_evidence: NDArray[np.uint8],
) -> None: ...
def client_by_port(near_port: int, far_port: int, near_grade: int, far_grade: int) -> tuple[bool, int]: ...
def read(
    flows: NDArray[np.void],
    askers: NDArray[np.uint8],
    rules: PortRules,
    networks: NDArray[np.void],
    decides: bool,
    out_ends: NDArray[np.void],
) -> int: ...
def fill(
    flows: NDArray[np.void],
    rows: NDArray[np.int64],
    places: NDArray[np.int64],
    clients_are_low: NDArray[np.bool_],
    have_ports: NDArray[np.bool_],
    out_values: NDArray[np.int64],
    out_marks: NDArray[np.bool_],
) -> None: ...
