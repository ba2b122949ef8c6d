"""PACKET rows made by hand, for tests that begin where decoding ends."""

from __future__ import annotations

import ipaddress
import zlib

import numpy as np

from portcall.records.packets import PACKET, Fragmentation, Verdict

CLIENT, SERVER = ("10.0.0.1", 40000), ("10.0.0.2", 443)


def packet(source=CLIENT, target=SERVER, **fields):
    """One packet as a dictionary: TCP from CLIENT to SERVER, at 1 ns, 60 bytes on the wire, unless said otherwise."""
    return {"source": source, "target": target, "protocol": 6, "ts_ns": 1, "wire": 60, **fields}


def reply(**fields):
    """One packet from SERVER to CLIENT."""
    return packet(SERVER, CLIENT, **fields)


def first_fragment(identification, **fields):
    """The part of a datagram that has the ports."""
    marks = {"fragmentation": Fragmentation.FIRST, "fragment_of": (identification, 17)}
    return packet(**{"protocol": 17, **marks, **fields})


def later_fragment(identification, source=CLIENT, target=SERVER, **fields):
    """A part of a datagram without ports."""
    ends = (source[0], 0), (target[0], 0)
    marks = {"fragmentation": Fragmentation.LATER, "fragment_of": (identification, 17)}
    return packet(*ends, **{"protocol": 17, "verdict": Verdict.LATER_FRAGMENT, **marks, **fields})


def packet_rows(packets):
    """PACKET[n] from dictionaries whose ends are (address, port)."""
    rows = np.zeros(len(packets), PACKET)
    for row, given in zip(rows, packets, strict=True):
        fields = dict(given)
        for end in ("source", "target"):
            address, row[end + "_port"] = fields.pop(end)
            parsed = ipaddress.ip_address(address)
            row[end] = np.frombuffer(parsed.packed.rjust(16, b"\0"), "u1")
            row["ip_version"] = parsed.version
        datagram = [given[end][0] for end in ("source", "target")], fields.pop("fragment_of", None)
        if datagram[1] is not None:
            row["datagram"] = zlib.crc32(repr(datagram).encode())
        for name, value in fields.items():
            row[name] = value
    return rows
