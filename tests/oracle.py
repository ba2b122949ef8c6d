"""The flow table as its definition reads: dictionaries, one packet at a time, nothing clever and nothing compiled.

Rows are plain dictionaries with the facts of model.FLOW (pairs as tuples, index 0 what the low end sent). Two passes:
the first counts everything that has ports, or needs none; the second brings each later fragment home to the row of its
first fragment, which may come after it. Merging shards is not defined here: a merged table must equal one that was fed
everything.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from portcall.records.flows import FLOW, NEVER, FlowKind
from portcall.records.packets import NO_TIME, Direction, Fragmentation, Verdict

TCP = 6
FIN, SYN, RST, ACK, CONGESTION = 0x01, 0x02, 0x04, 0x10, 0xC0
ENDS = ("low", "high", "low_port", "high_port", "protocol", "ip_version", "namespace")
COMPARED = [name for name in FLOW.names if name != "earlier"]
"""Every field of FLOW but the index of the previous row, which is the table's own book-keeping."""


def flow_rows(packets, first_number=1):
    """The flow rows of PACKET[n], whose first row is frame ``first_number``, in order of their first counted packet."""
    return _counted(packets, first_number)[0]


def time_cells(packets, width_ns):
    """(place of a row in ``flow_rows``, bucket number) → [packets, bytes, payload, times]."""
    rows, homes = _counted(packets, 1)
    places = {id(row): place for place, row in enumerate(rows)}
    cells = {}
    for row, sender, packet in homes:
        time_ns = int(packet["ts_ns"])
        number = None if time_ns == NO_TIME else time_ns // width_ns
        cell = cells.setdefault((places[id(row)], number), [[0, 0], [0, 0], [0, 0], []])
        for count, amount in zip(cell, (1, int(packet["wire"]), int(packet["payload"])), strict=False):
            count[sender] += amount
        cell[3].append(time_ns)
    return cells


def _counted(packets, first_number):
    """The flow rows, and the row and the sender of each packet that is on one."""
    rows, homes, current, first_fragments, later_fragments = [], [], {}, {}, []
    for number, packet in enumerate(packets, first_number):
        if packet["verdict"] in (Verdict.OK, Verdict.NO_PORTS):
            row, sender = _row_of(packet, rows, current)
            _count(row, sender, number, packet)
            homes.append((row, sender, packet))
            _note_tcp(row, sender, packet)
            if packet["fragmentation"] == Fragmentation.FIRST:
                first_fragments.setdefault(_datagram(packet), []).append((number, row, sender))
        elif packet["verdict"] == Verdict.LATER_FRAGMENT:
            later_fragments.append((number, packet))

    unmatched_fragments = {}
    for number, packet in later_fragments:
        row, sender = _home_of(number, first_fragments.get(_datagram(packet), [])) or _unmatched_of(
            packet, unmatched_fragments
        )
        _count(row, sender, number, packet)
        homes.append((row, sender, packet))
    gone = _opened_by_both(rows, homes)
    homes = [(gone.get(id(row), row), sender, packet) for row, sender, packet in homes]
    return [row for row in rows if id(row) not in gone] + list(unmatched_fragments.values()), homes


def _opened_by_both(rows, homes):
    """id of a row → the one before it of the same ends, which has its facts now: a SYN alone, and here another."""
    chains, syns, met = {}, {}, set()
    for row in rows:
        chains.setdefault(tuple(row[name] for name in ENDS), []).append(row)
    for row, sender, packet in homes:
        if _is_syn(packet):
            syns.setdefault(id(row), (set(), id(row) not in met))[0].add(sender)
        met.add(id(row))
    began_before = {row for row, (_, is_first) in syns.items() if not is_first}
    matches = []
    for row, following in (pair for chain in chains.values() for pair in pairwise(chain)):
        flags = [one & ~CONGESTION for one in row["tcp_flags"]]
        if sorted(flags) == [0, SYN] and syns[id(following)][0] == {flags.index(0)}:
            matches.append((row, following))
    followers = began_before | {id(following) for _, following in matches}
    gone = {}
    for row, following in matches:
        if id(row) not in followers:
            _join(row, following)
            gone[id(following)] = row
    return gone


def _join(row, following):
    for name in ("packets", "bytes", "payload"):
        row[name] = tuple(map(sum, zip(row[name], following[name], strict=True)))
    row["tcp_flags"] = tuple(one | other for one, other in zip(row["tcp_flags"], following["tcp_flags"], strict=True))
    row["local"] |= following["local"]
    if following["first_frame"] < row["first_frame"]:
        row["first_sender"] = following["first_sender"]
    for name in ("first_frame", "first_ns"):
        row[name] = min(row[name], following[name])
    for name in ("syn_ns", "syn_ack_ns", "fin_ns", "rst_ns"):
        row[name] = tuple(map(min, zip(row[name], following[name], strict=True)))
    row["last_ns"] = max(row["last_ns"], following["last_ns"])
    row["syn_sequence"] = following["syn_sequence"]


def verdict_tallies(packets):
    """(frames, bytes, first_ns, last_ns) for each verdict that occurs; times are None where no such frame has one."""
    seen = {}
    for packet in packets:
        seen.setdefault(int(packet["verdict"]), []).append((int(packet["wire"]), int(packet["ts_ns"])))
    tallies = {}
    for verdict, chosen in seen.items():
        times_ns = [time_ns for _, time_ns in chosen if time_ns != NO_TIME]
        wire = sum(wire for wire, _ in chosen)
        tallies[Verdict(verdict)] = (len(chosen), wire, min(times_ns, default=None), max(times_ns, default=None))
    return tallies


def row_facts(row):
    """One FLOW row of a table as the dictionary that ``flow_rows`` would have made."""
    return {name: _plain(row[name]) for name in COMPARED}


def canonical(rows):
    """Rows in an order that does not depend on who made them."""
    return sorted(rows, key=lambda row: tuple(row[name] for name in sorted(COMPARED)))


def as_flows(rows):
    """The rows of ``flow_rows`` as FLOW[n], for functions that read flow rows."""
    flows = np.zeros(len(rows), FLOW)
    for flow, row in zip(flows, rows, strict=True):
        for name in COMPARED:
            flow[name] = np.frombuffer(row[name], "u1") if name in ("low", "high") else row[name]
    return flows


def _row_of(packet, rows, current):
    key, sender = _key(packet, packet["protocol"], int(packet["source_port"]), int(packet["target_port"]))
    row = current.get(key)
    if row is None or _opens_another(packet, row):
        row = current[key] = _new_row(key, FlowKind.CONVERSATION)
        rows.append(row)
    return row, sender


def _key(packet, protocol, source_port, target_port):
    source = (packet["source"].tobytes(), source_port)
    target = (packet["target"].tobytes(), target_port)
    ends = (source, target) if source <= target else (target, source)
    sender = 0 if source <= target else 1
    return (int(packet["ip_version"]), int(packet["namespace"]), int(protocol), *ends), sender


def _opens_another(packet, row):
    if not _is_syn(packet):
        return False
    used = row["has_syn"] or (row["tcp_flags"][0] | row["tcp_flags"][1]) & (FIN | RST)
    again = row["has_syn"] and row["syn_sequence"] == packet["tcp_sequence"]
    return bool(used and not again)


def _is_syn(packet):
    return packet["protocol"] == TCP and packet["tcp_flags"] & (SYN | ACK) == SYN


def _new_row(key, kind):
    ip_version, namespace, protocol, (low, low_port), (high, high_port) = key
    return {
        "low": low, "high": high, "low_port": low_port, "high_port": high_port, "protocol": protocol,
        "ip_version": ip_version, "namespace": namespace, "kind": int(kind),
        "first_sender": 0, "first_frame": None, "first_ns": NEVER, "last_ns": NO_TIME,
        "packets": (0, 0), "bytes": (0, 0), "payload": (0, 0), "local": 0,
        "tcp_flags": (0, 0), "has_syn": 0, "syn_sequence": 0,
        "syn_ns": (NEVER, NEVER), "syn_ack_ns": (NEVER, NEVER), "fin_ns": (NEVER, NEVER), "rst_ns": (NEVER, NEVER),
    }  # fmt: skip


def _count(row, sender, number, packet):
    """Add what every packet has, fragment or not; the first packet of a row is the one with the least number."""
    row["packets"] = _with(row["packets"], sender, row["packets"][sender] + 1)
    row["bytes"] = _with(row["bytes"], sender, row["bytes"][sender] + int(packet["wire"]))
    row["payload"] = _with(row["payload"], sender, row["payload"][sender] + int(packet["payload"]))
    if packet["ts_ns"] != NO_TIME:
        row["first_ns"] = min(row["first_ns"], int(packet["ts_ns"]))
        row["last_ns"] = max(row["last_ns"], int(packet["ts_ns"]))
    if row["first_frame"] is None or number < row["first_frame"]:
        row["first_frame"], row["first_sender"] = number, sender
    is_one_host = packet["direction"] != Direction.UNKNOWN and (packet["source"] == packet["target"]).all()
    if packet["direction"] == Direction.INTERNAL or is_one_host:
        row["local"] |= 0b11
    elif packet["direction"] == Direction.OUTBOUND:
        row["local"] |= 1 << sender | 0b100 << 2 * sender
    elif packet["direction"] == Direction.INBOUND:
        row["local"] |= 1 << (1 - sender) | 0b1000 << 2 * sender


def _note_tcp(row, sender, packet):
    if packet["protocol"] != TCP:
        return
    flags = int(packet["tcp_flags"])
    row["tcp_flags"] = _with(row["tcp_flags"], sender, row["tcp_flags"][sender] | flags)
    if _is_syn(packet) and not row["has_syn"]:
        row["has_syn"], row["syn_sequence"] = 1, int(packet["tcp_sequence"])
    reached = {
        "syn_ns": flags & (SYN | ACK) == SYN,
        "syn_ack_ns": flags & (SYN | ACK) == SYN | ACK,
        "fin_ns": flags & FIN,
        "rst_ns": flags & RST,
    }
    for milestone, holds in reached.items():
        if holds:
            row[milestone] = _with(row[milestone], sender, min(row[milestone][sender], int(packet["ts_ns"])))


def _datagram(packet):
    return int(packet["namespace"]), int(packet["datagram"])


def _home_of(number, first_fragments):
    """(row, sender) of the nearest earlier first fragment, else of the next one, else None."""
    earlier = [home for home in first_fragments if home[0] < number]
    nearest = earlier[-1:] or first_fragments[:1]
    return nearest[0][1:] if nearest else None


def _unmatched_of(packet, unmatched_fragments):
    key, sender = _key(packet, packet["protocol"], 0, 0)
    return unmatched_fragments.setdefault(key, _new_row(key, FlowKind.UNMATCHED)), sender


def _with(pair, index, value):
    return (value, pair[1]) if index == 0 else (pair[0], value)


def _plain(value):
    if value.shape == (16,):
        return value.tobytes()
    return tuple(value.tolist()) if value.shape else value.item()
