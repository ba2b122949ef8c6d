"""Our states beside those that Zeek itself logged (conn.log baselines of its test suite).

A baseline is a hint, not a count to match blindly: runs with an analyzer or timers switched off are left out; so are
rows that Zeek split or merged otherwise, rows whose packets it did not all take (bad checksums, analyzers that stop
listening), and protocols without states. What is left is comparable, and every difference is listed.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

OUR_ENDS = ("client_ip", "client_port", "server_ip", "server_port", "protocol")
THEIR_ENDS = ("a_ip", "a_port", "b_ip", "b_port", "proto")
_SPECIAL_RUNS = ("skip_analyzer", "max_timer_expires", "expire-all-timers")
_WITH_STATES = ("tcp", "udp")


@dataclass
class Comparison:
    """What one or more captures' rows came to, as lists of one sentence a row."""

    same: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    left_out: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Reason → rows that cannot be compared."""

    @property
    def agreement(self) -> float:
        """Share of the comparable rows that are the same; 1 where there are none."""
        comparable = len(self.same) + len(self.different)
        return len(self.same) / comparable if comparable else 1.0


def compare_states(oracle, views, result):
    """Add to ``result`` how the flow rows of one capture compare to its ``oracles_zeek`` file.

    ``views`` are lists of rows as of ``portcall read --by flow``, preferred first: Zeek logs the tunnel and what
    is in it, so a key that the outer view lacks is looked up in the inner one.
    """
    ours = rows_by_ends(views)
    for baseline in oracle["baselines"]:
        for key, logged in by_ends(baseline["flows"], THEIR_ENDS).items():
            reason = _why_left_out(baseline, logged, ours.get(key))
            for number, row in enumerate(logged):
                line = f"{oracle['capture']} {row['proto']} {row['a_ip']}:{row['a_port']} {row['b_ip']}:{row['b_port']}"
                line += f" zeek {row['conn_state']} ({row.get('history')})"
                if reason:
                    result.left_out[reason].append(line)
                else:
                    _compare_row(row, ours[key][number], line, result)


def rows_by_ends(views):
    """Protocol and unordered ends → rows, of the first view that has them."""
    ours = {}
    for rows in reversed(views):
        ours.update(by_ends(rows, OUR_ENDS))
    return ours


def by_ends(rows, columns):
    """Protocol and unordered ends → rows; ``columns`` name both ends' addresses and ports, and the protocol."""
    grouped = defaultdict(list)
    for row in rows:
        client_ip, client_port, server_ip, server_port, protocol = (row[name] for name in columns)
        grouped[protocol, frozenset([(client_ip, client_port), (server_ip, server_port)])].append(row)
    return grouped


def _why_left_out(baseline, logged, ours):
    if any(word in line for word in _SPECIAL_RUNS for line in [baseline["test"], *baseline["cmd"]]):
        return "special run"
    if logged[0]["proto"] not in _WITH_STATES:
        return "protocol without states"
    if ours is None:
        return "no row on this key"
    if len(ours) != len(logged):
        return "other number of rows on this key"
    counted = sum(int(row.get(name) or 0) for row in logged for name in ("orig_pkts", "resp_pkts"))
    if "orig_pkts" in logged[0] and counted < sum(row["packets_to_server"] + row["packets_to_client"] for row in ours):
        return "zeek did not take all packets"
    return None


def _compare_row(logged, ours, line, result):
    if ours["state"] == logged["conn_state"]:
        result.same.append(line)
    elif (ours["client_ip"], ours["client_port"]) != (logged["a_ip"], logged["a_port"]):
        result.different.append(f"{line}, ours {ours['state']}, because the client is the other end")
    else:
        result.different.append(f"{line}, ours {ours['state']}")
