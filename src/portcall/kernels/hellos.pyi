import numpy as np
from numpy.typing import NDArray

from portcall.kernels.name_numbers import NameNumbers
from portcall.kernels.tellings import TellingStore

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
    resolver: int
    dns_names: NameNumbers
    tellings: TellingStore
    short_headers: NDArray[np.void]
    short_header_openings: NDArray[np.uint64]
    reads_hellos: bool
    hello_count: int
    saying_count: int
    arena_used: int
    def __init__(
        self,
        heard: NDArray[np.uint8],
        offsets: NDArray[np.int64],
        allowed: NDArray[np.uint64],
        port_numbers: NDArray[np.uint16],
        of_ports: NDArray[np.uint64],
        short: NDArray[np.uint64],
    ) -> None: ...
    def listen(
        self,
        packets: NDArray[np.void],
        frames: NDArray[np.void],
        buffer: NDArray[np.uint8],
        payloads: NDArray[np.void],
        first_number: int,
    ) -> int: ...
