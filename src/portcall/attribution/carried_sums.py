"""Sums of an attribution without owners as bytes, for another process that adds them to its own.

    uint32 LE   length of the header
    header      JSON: the numbers that the sums are by (services found, names of hosts), how many of each follow
    sums        CREDIT[n], HOST_CREDIT[m]

Only for processes of one build that trust each other.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING

import numpy as np

from portcall.attribution.attribution import Attribution
from portcall.flows.aggregation import CREDIT, HOST_CREDIT
from portcall.flows.local_networks import HostKind
from portcall.labels.registry import Registry
from portcall.labels.service_keys import KIND_SHIFT, ServiceKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LENGTH = struct.Struct("<I")
_NUMBER = (1 << KIND_SHIFT) - 1


class CarriedAttribution(Attribution):
    """Sums of flows without owners that go from process to process."""

    def carried(self) -> bytes:
        """What was counted."""
        header = json.dumps(
            {
                "registry": self._registry.plain(),
                "credits": len(self._sums.rows),
                "hosts": len(self._hosts.rows),
                "missing_bytes": self._hosts.missing_bytes,
                "inferred_flows": self._inferred_flows,
                "twice": self.bytes_credited_twice,
            }
        ).encode()
        sums = self._sums.rows.tobytes(), self._hosts.rows.tobytes()
        return b"".join([_LENGTH.pack(len(header)), header, *sums])

    def add_carried(self, data: bytes) -> None:
        """Count in what another one had counted."""
        (length,) = _LENGTH.unpack_from(data)
        told = json.loads(data[_LENGTH.size : _LENGTH.size + length])
        at = _LENGTH.size + length
        sums = np.frombuffer(data, CREDIT, told["credits"], at).copy()
        hosts = np.frombuffer(data, HOST_CREDIT, told["hosts"], at + sums.nbytes).copy()
        keys, numbers = self._registry.merge(Registry.of_plain(told["registry"]))
        sums["service"], hosts["row"] = _moved(sums["service"], keys), _moved(hosts["row"], keys)
        for rows in (sums, hosts):
            named = rows["host_kind"] == HostKind.NAMED
            rows["low_half"][named] = numbers[rows["low_half"][named].astype(np.int64)]
        self._sums.add(sums)
        self._hosts.add(hosts)
        self._hosts.missing_bytes += told["missing_bytes"]
        self._inferred_flows += told["inferred_flows"]
        self.bytes_credited_twice += told["twice"]


def _moved(keys: NDArray[np.int64], found: NDArray[np.int64]) -> NDArray[np.int64]:
    """Service keys as this process numbers them."""
    moved = keys.copy()
    which = np.flatnonzero((keys >> KIND_SHIFT) == ServiceKind.FOUND)
    moved[which] = found[keys[which] & _NUMBER] if len(which) else moved[which]
    return moved
