"""What the two ends of a flow are: which is the client, which service the other one offers, and which are local.

One compiled pass over FLOW rows applies the rules of ``originator``, ``service_keys`` and ``local_networks``.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from portcall.flows.local_networks import NETWORK, PRIVATE
from portcall.flows.originator import grades
from portcall.kernels.ends import PortRules, read
from portcall.labels.port_services import BEGINNINGS
from portcall.labels.service_keys import keys_by_port, keys_without_port

if TYPE_CHECKING:
    from numpy.typing import NDArray

FLOW_ENDS = np.dtype(
    [
        ("service", "i8"),  # service key
        ("server_name", "u8"),  # number of the server's name, 0 for none
        ("principal", "i8", (2,)),  # numbers of whom the low and the high end belong to
        ("row", "i8", (2,)),  # numbers of the report's rows that they are credited to
        ("quality", "u1", (2,)),  # numbers of how well their owners are known
        ("client_is_low", "?"),
        ("local", "u1"),  # bit 0: the low end is local, bit 1: the high end
        ("evidence", "u1"),  # OriginatorEvidence for the client
        ("reserved", "u1", (3,)),
    ]
)
"""What is known of a flow's ends; names, owners and rows are put in later. 56 bytes."""

_NOWHERE = np.empty(0, NETWORK)


class FlowEnds(NamedTuple):
    """What is known of many flows' ends."""

    rows: NDArray[np.void]
    """FLOW_ENDS[n]."""
    inferred: int
    """Of how many the local ends were inferred."""


def flow_ends(
    flows: NDArray[np.void],
    networks: NDArray[np.void] = _NOWHERE,
    *,
    infers: bool = True,
    askers: NDArray[np.uint8] | None = None,
) -> FlowEnds:
    """What FLOW[n] themselves tell of their ends; both or none may be local.

    NETWORK[m] that the user named decide alone; without them the capture's bits do, and where it has none, inference.
    ``askers``: ``originator.Asker`` of each row, where anybody listened.
    """
    decide = len(networks) > 0
    rows = np.zeros(len(flows), FLOW_ENDS)
    heard = np.zeros(len(flows), np.uint8) if askers is None else askers
    local = networks if decide else PRIVATE if infers else _NOWHERE
    silent = read(flows, heard, _port_rules(), local, decide, rows)
    return FlowEnds(rows, silent if infers and not decide else 0)


@cache
def _port_rules() -> PortRules:
    return PortRules(BEGINNINGS, grades(), keys_by_port(), keys_without_port())
