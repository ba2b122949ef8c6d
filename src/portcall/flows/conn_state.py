"""How a conversation went, in the words of Zeek's conn_state, from facts that merge.

Zeek steps two endpoint state machines packet by packet (TCPSessionAdapter.cc) and names the pair of final states
(scripts/base/protocols/conn/main.zeek). The final state of an end follows, up to rare disorder, from when it first sent
a SYN, a SYN+ACK, a FIN and a RST, so shards can be joined before anybody asks:

    reset        it sent a RST; but a RST after both ends' FINs is only the tail of a normal close
    closed       it sent a FIN, and is not reset
    established  the server answered with a SYN (with or without ACK) before any RST, and both ends sent
    syn sent     the client sent a SYN that stayed without that answer
    inactive     nothing of the above: silent, or seen only in mid-stream

What needs the order of other packets is approximated: see ``_is_reset_unanswered`` in the kernel. Timers are not
modelled: Zeek may give up on an attempt and log the rest as a second connection; here a connection on one key stays one
row.

The rules are applied where ``flow_values`` are put in columns, in ``kernels/conn_states.pxd``.
"""

from __future__ import annotations

STATES: tuple[str, ...] = (
    "S0",  # a SYN, no answer
    "S1",  # established, not ended
    "SF",  # ended by a FIN of each end; UDP: packets both ways
    "REJ",  # the SYN was refused by a RST
    "S2",  # established, only the client sent a FIN
    "S3",  # established, only the server sent a FIN
    "RSTO",  # established, the client reset it
    "RSTR",  # the server reset it
    "RSTOS0",  # the client sent SYN and RST, the server no SYN+ACK
    "RSTRH",  # the server sent a RST, the client no SYN
    "SH",  # the client sent a FIN, the server no SYN+ACK
    "SHR",  # the server sent a FIN, the client no SYN; UDP: only the server sent
    "OTH",  # mid-stream traffic, or a protocol without connections
)
"""conn_state words; the code of a state is its index."""
