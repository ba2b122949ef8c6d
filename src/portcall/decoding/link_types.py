"""Link types: the number in a capture's header → the layer that its frames begin with.

Numbers and meanings: https://www.tcpdump.org/linktypes.html; below 100 they equal libpcap's DLT_ of most systems. The
layers themselves are functions in ``kernels``, with their headers drawn beside them. A link type that is not listed is
a verdict, not an error: its frames count as unsupported, under its number.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from portcall.kernels.headers import LINK_LAYERS

if TYPE_CHECKING:
    from numpy.typing import NDArray

LINKS = {
    0: "family",  # BSD loopback
    1: "ethernet",
    6: "token ring",
    7: "arcnet",
    8: "slip",
    9: "ppp",
    10: "fddi",
    12: "ip",  # DLT_RAW where it was written instead of 101
    14: "ip",  # the same, on OpenBSD
    50: "ppp or cisco hdlc",
    51: "pppoe",
    100: "rfc 1483",
    101: "ip",
    104: "cisco hdlc",
    105: "wifi",
    106: "llc",  # Linux Classical IP over ATM
    107: "frame relay",
    108: "family",  # OpenBSD loopback, in network byte order
    113: "cooked",
    119: "prism",
    123: "sun atm",
    127: "radiotap",
    129: "arcnet linux",
    149: "pktap",  # DLT_USER2, which Darwin's tcpdump took for it
    163: "avs",
    166: "ppp with direction",  # pppd
    192: "ppi",
    204: "ppp with direction",
    219: "mpls",
    226: "ipnet",
    228: "ipv4",
    229: "ipv6",
    239: "nflog",
    242: "ip over infiniband",
    253: "no packets",  # netlink
    258: "pktap",
    271: "no packets",  # vsock
    274: "mpacket",
    276: "cooked 2",
    281: "switch tag",
    284: "switch tag",
}


@cache
def entries() -> NDArray[np.uint8]:
    """The first layer's number by link type, uint8[65536]; 0 is unsupported."""
    table = np.zeros(1 << 16, np.uint8)
    for link, layer in LINKS.items():
        table[link] = LINK_LAYERS[layer]
    return table
