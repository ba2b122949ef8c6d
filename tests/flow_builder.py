"""FLOW rows written as people think of them: who called whom, and what went each way."""

from __future__ import annotations

import ipaddress

import numpy as np

from portcall.records.flows import FLOW, NEVER, FlowKind
from portcall.records.packets import Tally, Verdict

TCP, UDP, ICMP = 6, 17, 1
SECOND_NS = 1_000_000_000
START_NS = 1_700_000_000 * SECOND_NS


def flow(
    client: str,
    server: str,
    protocol: int = TCP,
    *,
    packets: tuple[int, int] = (1, 1),
    sizes: tuple[int, int] = (100, 1000),
    payload: tuple[int, int] = (50, 900),
    first_ns: int = START_NS,
    last_ns: int = START_NS + SECOND_NS,
    kind: FlowKind = FlowKind.CONVERSATION,
    local: tuple[bool, bool] = (False, False),
) -> np.ndarray:
    """FLOW[1]: ``client`` and ``server`` are ``address`` or ``address port``; all pairs are (to server, to client)."""
    ends = [_end(client), _end(server)]
    low, high = sorted((0, 1), key=lambda end: ends[end])
    row = np.zeros(1, FLOW)
    for name, end in (("low", low), ("high", high)):
        row[name][0] = np.frombuffer(ends[end][0], np.uint8)
        row[f"{name}_port"] = ends[end][1]
    row["protocol"], row["kind"], row["first_sender"] = protocol, kind, int(low == 1)
    row["ip_version"] = ipaddress.ip_address(client.partition(" ")[0]).version
    row["first_ns"], row["last_ns"] = first_ns, last_ns
    for name, pair in (("packets", packets), ("bytes", sizes), ("payload", payload)):
        row[name][0] = pair[low], pair[high]
    for name in ("syn_ns", "syn_ack_ns", "fin_ns", "rst_ns"):
        row[name] = NEVER
    if protocol == TCP:
        row["syn_ns"][0, 1 if low == 1 else 0] = first_ns
        row["tcp_flags"][0] = (0x02, 0x12) if low == 0 else (0x12, 0x02)
    row["local"] = local[low] | local[high] << 1
    return row


def tallies_of(flows: np.ndarray, **others: tuple[int, int]) -> dict[Verdict, Tally]:
    """The tallies of a capture with these flows, and with (frames, bytes) of other verdicts, such as ``not_ip``."""
    tallies = {Verdict[name.upper()]: Tally(*counts, START_NS, START_NS) for name, counts in others.items()}
    known = [int(time_ns) for time_ns in flows["first_ns"] if time_ns != NEVER]
    span = (min(known), max(int(time_ns) for time_ns in flows["last_ns"])) if known else (None, None)
    return {Verdict.OK: Tally(int(flows["packets"].sum()), int(flows["bytes"].sum()), *span), **tallies}


def _end(text: str) -> tuple[bytes, int]:
    address, _, port = text.partition(" ")
    return ipaddress.ip_address(address).packed.rjust(16, b"\0"), int(port or 0)
