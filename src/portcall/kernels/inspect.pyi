import numpy as np
from numpy.typing import NDArray

from portcall.kernels.dns_answers import DnsAnswerStore
from portcall.kernels.interning import NameNumbers
from portcall.kernels.prefix_tables import PrefixTables

TLS_HELLO: int
HTTP_REQUEST: int
DNS_ANSWER: int
MOST_ANSWERS: int
MOST_KEPT_BYTES: int

class PlainInspector:
    hellos: NDArray[np.void]
    deferred: NDArray[np.void]
    arena: NDArray[np.uint8]
    found: NDArray[np.int32]
    evidence: NDArray[np.uint64]
    detections: NameNumbers
    dns_detection: int
    quic_detection: int
    tls_detection: int
    rtp_detection: int
    rtcp_detection: int
    resolver: int
    dns_names: NameNumbers
    dns_answers: DnsAnswerStore
    series: NDArray[np.void]
    short_header_prefixes: NDArray[np.uint64]
    rtp_prefixes: NDArray[np.uint64]
    tls_prefixes: NDArray[np.uint64]
    reads_hellos: bool
    def next_new_name(self) -> tuple[int, bytes] | None: ...
    def number_name(self, number: int) -> None: ...
    def next_deferred(self) -> tuple[int, int, int, int, int, int, int, int, bytes, bool, int] | None: ...
    def clear(self) -> None: ...
    def __init__(self, inspected: NDArray[np.uint8], prefixes: PrefixTables) -> None: ...
    def inspect(
        self,
        packets: NDArray[np.void],
        frames: NDArray[np.void],
        buffer: NDArray[np.uint8],
        payloads: NDArray[np.void],
        first_number: int,
    ) -> int: ...
