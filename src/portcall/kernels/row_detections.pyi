import numpy as np
from numpy.typing import NDArray

from portcall.kernels.interning import NameNumbers

class RowDetections:
    found: NDArray[np.int32]
    evidence: NDArray[np.uint64]
    asked: NDArray[np.uint64]
    series: NDArray[np.void]
    detections: NameNumbers
    reads_details: bool
    dns_detection: int
    quic_detection: int
    http_detection: int
    tls_detection: int
    rtp_detection: int
    rtcp_detection: int
    short_header_prefixes: NDArray[np.uint64]
    rtp_prefixes: NDArray[np.uint64]
    tls_prefixes: NDArray[np.uint64]
    def __init__(self, inspected: NDArray[np.uint8]) -> None: ...
