"""How a conversation went, in the words of Zeek's conn_state, from facts that merge.

Zeek steps two endpoint state machines packet by packet (TCPSessionAdapter.cc) and names the pair of final states
(scripts/base/protocols/conn/main.zeek). The final state of an end follows, up to rare disorder, from when it first sent
a SYN, a SYN+ACK, a FIN and a RST, so shards can be joined before anybody asks:

    reset        it sent a RST; but a RST after both ends' FINs is only the tail of a normal close
    closed       it sent a FIN, and is not reset
    established  the server answered with a SYN (with or without ACK) before any RST, and both ends sent
    syn sent     the client sent a SYN that stayed without that answer
    inactive     nothing of the above: silent, or seen only in mid-stream

What needs the order of other packets is approximated: see ``_reset_unanswered``. Timers are not modelled: Zeek may give
up on an attempt and log the rest as a second connection; here a connection on one key stays one row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from portcall.records.flows import NEVER

if TYPE_CHECKING:
    from numpy.typing import NDArray

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

_CODES = {word: np.uint8(code) for code, word in enumerate(STATES)}
_TCP, _UDP = 6, 17  # IANA protocol numbers
_ACK = 0x10  # RFC 9293 §3.1
_SYN_AND_RST = 2  # packets


def conn_states(flows: NDArray[np.void], client_is_low: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The code into STATES of each row of FLOW[n]: uint8[n]. TCP and UDP as Zeek; all other protocols are OTH."""
    client, server = _ends(flows, client_is_low)
    protocols = flows["protocol"]
    return np.select(
        [protocols == _TCP, protocols == _UDP],
        [_tcp_states(client, server), _udp_states(client, server)],
        _CODES["OTH"],
    )


class _End(NamedTuple):
    """What one end, client or server, sent in each of n flows."""

    packets: NDArray[np.uint64]
    payload: NDArray[np.uint64]
    tcp_flags: NDArray[np.uint8]
    syn_ns: NDArray[np.int64]
    syn_ack_ns: NDArray[np.int64]
    fin_ns: NDArray[np.int64]
    rst_ns: NDArray[np.int64]

    @property
    def has_reset(self) -> NDArray[np.bool_]:
        has_reset: NDArray[np.bool_] = self.rst_ns != NEVER
        return has_reset

    @property
    def has_finished(self) -> NDArray[np.bool_]:
        # Equal times count as FIN before RST: the usual order where the clock is coarse, or there is none.
        has_finished: NDArray[np.bool_] = (self.fin_ns != NEVER) & (self.fin_ns <= self.rst_ns)
        return has_finished


def _ends(flows: NDArray[np.void], client_is_low: NDArray[np.bool_]) -> tuple[_End, _End]:
    columns = [flows[name] for name in _End._fields]
    client = _End(*(np.where(client_is_low, pair[:, 0], pair[:, 1]) for pair in columns))
    server = _End(*(np.where(client_is_low, pair[:, 1], pair[:, 0]) for pair in columns))
    return client, server


def _udp_states(client: _End, server: _End) -> NDArray[np.uint8]:
    both = (client.packets > 0) & (server.packets > 0)
    return np.select(
        [both, client.packets > 0, server.packets > 0], [_CODES["SF"], _CODES["S0"], _CODES["SHR"]], _CODES["OTH"]
    )


def _tcp_states(client: _End, server: _End) -> NDArray[np.uint8]:
    both_finished = client.has_finished & server.has_finished
    client_closed = client.has_finished & (both_finished | ~client.has_reset)
    server_closed = server.has_finished & (both_finished | ~server.has_reset)
    client_reset = client.has_reset & ~client_closed
    server_reset = server.has_reset & ~server_closed

    asked = client.syn_ns != NEVER
    answer_ns = np.minimum(server.syn_ns, server.syn_ack_ns)
    answered = (answer_ns != NEVER) & (answer_ns <= server.rst_ns)
    client_open = ~(client_closed | client_reset)
    established = answered & (asked | (client.packets > 0))
    attempted = client_open & asked & ~answered
    client_inactive = client_open & ~asked & ~established
    server_inactive = ~(answered | server_closed | server_reset)
    # Some servers acknowledge a SYN before they answer it; Zeek takes that for silence.
    server_silent = server_inactive & (server.payload == 0)
    empty = (client.payload == 0) & (server.payload == 0)

    rules = [  # the first that holds decides
        ("REJ", server_reset & (attempted | (client_reset & empty))),
        ("RSTRH", server_reset & client_inactive),
        ("RSTR", server_reset),
        ("RSTOS0", client_reset & server_inactive & _reset_unanswered(client)),
        ("OTH", client_reset & server_inactive),
        ("RSTO", client_reset),
        ("SF", client_closed & server_closed),
        ("SH", client_closed & server_inactive),
        ("S2", client_closed),
        ("SHR", server_closed & client_inactive),
        ("S3", server_closed),
        ("S0", attempted & server_silent),
        ("S1", established),
    ]
    return np.select([holds for _, holds in rules], [_CODES[word] for word, _ in rules], _CODES["OTH"])


def _reset_unanswered(client: _End) -> NDArray[np.bool_]:
    """Whether the client went from SYN to RST without acknowledging anything between.

    Zeek asks its packet history. A third packet and an ACK flag stand in for "acknowledged": a RST may carry the flag
    itself, so two packets do not tell.
    """
    has_acknowledged = (client.tcp_flags & _ACK != 0) & (client.packets > _SYN_AND_RST)
    is_unanswered: NDArray[np.bool_] = (client.syn_ns <= client.rst_ns) & ~client.has_finished & ~has_acknowledged
    return is_unanswered
