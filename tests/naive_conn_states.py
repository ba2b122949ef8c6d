"""The rules of conn_state, column by column in NumPy; what the kernel says is compared with it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from portcall.flows.conn_state import STATES
from portcall.records.flows import NEVER

_CODES = {word: np.uint8(code) for code, word in enumerate(STATES)}
_TCP, _UDP = 6, 17  # IANA protocol numbers
_ACK = 0x10  # RFC 9293 §3.1
_SYN_AND_RST = 2  # packets


def conn_states(flows: np.ndarray, client_is_low: np.ndarray) -> np.ndarray:
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

    packets: np.ndarray
    payload: np.ndarray
    tcp_flags: np.ndarray
    syn_ns: np.ndarray
    syn_ack_ns: np.ndarray
    fin_ns: np.ndarray
    rst_ns: np.ndarray

    @property
    def has_reset(self) -> np.ndarray:
        return self.rst_ns != NEVER

    @property
    def has_finished(self) -> np.ndarray:
        # Equal times count as FIN before RST: the usual order where the clock is coarse, or there is none.
        return (self.fin_ns != NEVER) & (self.fin_ns <= self.rst_ns)


def _ends(flows: np.ndarray, client_is_low: np.ndarray) -> tuple[_End, _End]:
    columns = [flows[name] for name in _End._fields]
    client = _End(*(np.where(client_is_low, pair[:, 0], pair[:, 1]) for pair in columns))
    server = _End(*(np.where(client_is_low, pair[:, 1], pair[:, 0]) for pair in columns))
    return client, server


def _udp_states(client: _End, server: _End) -> np.ndarray:
    both = (client.packets > 0) & (server.packets > 0)
    return np.select(
        [both, client.packets > 0, server.packets > 0], [_CODES["SF"], _CODES["S0"], _CODES["SHR"]], _CODES["OTH"]
    )


def _tcp_states(client: _End, server: _End) -> np.ndarray:
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


def _reset_unanswered(client: _End) -> np.ndarray:
    """Whether the client went from SYN to RST without acknowledging anything between.

    Zeek asks its packet history. A third packet and an ACK flag stand in for "acknowledged": a RST may carry the flag
    itself, so two packets do not tell.
    """
    has_acknowledged = (client.tcp_flags & _ACK != 0) & (client.packets > _SYN_AND_RST)
    return (client.syn_ns <= client.rst_ns) & ~client.has_finished & ~has_acknowledged
