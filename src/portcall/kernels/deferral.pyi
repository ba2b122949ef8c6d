import numpy as np
from numpy.typing import NDArray

TLS_HELLO: int
HTTP_REQUEST: int
DNS_ANSWER: int
DNS_QUESTION: int
TLS_ANSWER: int
HTTP_ANSWER: int
MEDIA: int
MEDIA_ANSWER: int
COVERED: int
BOTH: int
SAID: int
MOST_KEPT_BYTES: int

class Deferral:
    def __init__(self, hellos: NDArray[np.void], payloads: NDArray[np.void], arena: NDArray[np.uint8]) -> None: ...
    def clear(self) -> None: ...
