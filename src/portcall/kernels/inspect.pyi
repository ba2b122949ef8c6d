import numpy as np
from numpy.typing import NDArray

from portcall.kernels.dns_answers import TellingStore
from portcall.kernels.interning import NameNumbers
from portcall.kernels.prefix_tables import OpeningTables

TLS_HELLO: int
HTTP_REQUEST: int
DNS_ANSWER: int
MOST_ANSWERS: int
MOST_KEPT_BYTES: int

class HelloListener:
    hellos: NDArray[np.void]
    sayings: NDArray[np.void]
    arena: NDArray[np.uint8]
    found: NDArray[np.int32]
    evidence: NDArray[np.uint64]
    findings: NameNumbers
    dns_finding: int
    quic_finding: int
    tls_finding: int
    rtp_finding: int
    rtcp_finding: int
    resolver: int
    dns_names: NameNumbers
    tellings: TellingStore
    series: NDArray[np.void]
    short_header_openings: NDArray[np.uint64]
    rtp_openings: NDArray[np.uint64]
    tls_openings: NDArray[np.uint64]
    reads_hellos: bool
    def next_new_name(self) -> tuple[int, bytes] | None: ...
    def number_name(self, number: int) -> None: ...
    def next_saying(self) -> tuple[int, int, int, int, int, int, int, int, bytes, bool, int] | None: ...
    def clear(self) -> None: ...
    def __init__(self, heard: NDArray[np.uint8], openings: OpeningTables) -> None: ...
    def listen(
        self,
        packets: NDArray[np.void],
        frames: NDArray[np.void],
        buffer: NDArray[np.uint8],
        payloads: NDArray[np.void],
        first_number: int,
    ) -> int: ...
