"""``--filter``: expressions to libpcap's compiler, and its programs over frames that end with their buffer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from byte_pieces import BytePieces, cut_to_size
from capture_seeds import frames
from portcall.errors import UsageError
from portcall.records.packets import FRAME, FrameBatch
from portcall.sources.filters import FrameFilter

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_BYTES = 600
_TEXTS = (
    "tcp port 443",
    "ip host 10.0.0.1 and not udp",
    "tcp[tcpflags] & tcp-syn != 0",
    "ether[0] & 1 = 0 and ip[2:2] > 100",
    "vlan 5 and (net 10.0.0.0/8 or port 53)",
    "ip6 protochain 6",
    "greater 100",
    "len - 14 > ip[1000:4]",
)
_LINKS = (1, 113, 101, 228, 276, 0)


def seeds() -> Iterator[bytes]:
    """Each expression with a frame."""
    for number, text in enumerate(_TEXTS):
        yield bytes([number % len(_LINKS)]) + text.encode() + b"\0" + frames()[number].content[:200]


def examine(data: bytes) -> None:
    """It is refused as a usage error, or matches or does not."""
    pieces = BytePieces(data)
    link = _LINKS[pieces.number() % len(_LINKS)]
    text, _, content = pieces.rest().partition(b"\0")
    expression = text.decode("utf-8", "surrogateescape")
    if any(word in expression for word in ("host", "net", "gateway")) and not any(map(str.isdigit, expression)):
        return  # libpcap asks a name server what it takes for a name, as tcpdump does
    row = np.zeros(1, FRAME)
    row["captured"] = row["wire"] = len(content)
    row["link"] = link
    try:
        list(FrameFilter(expression).matching(iter([FrameBatch(row, cut_to_size(content), 1)])))
    except UsageError as error:
        str(error).encode("utf-8", "surrogateescape")
