"""Batches of packets drawn from so small a world that everything in a flow table collides."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from packet_rows import packet, packet_rows
from portcall.records.packets import NO_TIME, Direction, Fragmentation, Verdict

FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10
ADDRESSES = ["10.0.0.1", "10.0.0.2", "::10.0.0.1", "::10.0.0.2"]
PORTS = [53, 40000]
FLAGS = [SYN, SYN, SYN | ACK, ACK, FIN | ACK, RST, SYN | FIN, 0xFF]
TIMES_NS = [NO_TIME, 1, 2, 3, 10**18, -5]
KINDS = ["whole", "whole", "whole", "no ports", "first", "later", "later", "lost"]
LOST = [Verdict.NOT_IP, Verdict.TRUNCATED, Verdict.MALFORMED, Verdict.UNSUPPORTED_LINK]


def drawn_packet(draw):
    """One packet that decoding could have made; ``draw`` picks from a list."""
    kind, protocol = draw(KINDS), draw([6, 6, 17])
    addresses = draw([ADDRESSES[:2], ADDRESSES[2:]])
    source, target = draw(addresses), draw(addresses)
    ports = (0, 0) if kind in ("no ports", "later") else (draw(PORTS), draw(PORTS))
    fields = {"ts_ns": draw(TIMES_NS), "wire": draw([60, 1500, 0xFFFFFFFF]), "payload": draw([0, 9, 0xFFFFFFFF])}
    fields |= {"direction": draw(list(Direction)), "namespace": draw([0, 0, 0, 1]), "protocol": protocol}
    if kind == "no ports":
        fields |= {"protocol": draw([1, 132]), "verdict": Verdict.NO_PORTS}
    elif kind == "lost":
        fields |= {"verdict": draw(LOST)}
    elif kind != "later" and protocol == 6:
        fields |= {"tcp_flags": draw(FLAGS), "tcp_sequence": draw([0, 1, 2])}
    if kind == "first" or (kind == "no ports" and draw([False, True])):
        fields |= {
            "fragmentation": Fragmentation.FIRST,
            "fragment_of": (draw([7, 8]), draw([6, 17, 60])),
        }
    elif kind == "later":
        fields |= {"verdict": Verdict.LATER_FRAGMENT, "fragmentation": Fragmentation.LATER}
        fields["protocol"] = draw([6, 17, 60])
        fields["fragment_of"] = (draw([7, 8]), fields["protocol"])
    return packet((source, ports[0]), (target, ports[1]), **fields)


@st.composite
def batches(draw):
    """PACKET[n] that hypothesis can shrink."""
    count = draw(st.integers(0, 40))
    return packet_rows([drawn_packet(lambda choices: draw(st.sampled_from(choices))) for _ in range(count)])


def random_batch(count, seed):
    """PACKET[n], many more than hypothesis would draw."""
    random = np.random.default_rng(seed)
    return packet_rows([drawn_packet(lambda choices: choices[random.integers(len(choices))]) for _ in range(count)])
