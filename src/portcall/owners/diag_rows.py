"""What ``sock_diag`` lists, many at once: messages of the kernel → rows, and rows → sightings."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import numpy as np

from portcall.records.ownership import Evidence
from portcall.records.sightings import SIGHTING

if TYPE_CHECKING:
    from numpy.typing import NDArray

DIAG = np.dtype(
    [
        ("family", "u1"),
        ("state", "u1"),
        ("timer", "u1"),
        ("retransmits", "u1"),
        ("source_port", ">u2"),
        ("target_port", ">u2"),
        ("source", "u1", (16,)),
        ("target", "u1", (16,)),
        ("interface", "u4"),
        ("cookie", "u8"),
        ("expires", "u4"),
        ("receive_queue", "u4"),
        ("send_queue", "u4"),
        ("user", "u4"),
        ("inode", "u4"),
    ]
)
"""inet_diag_msg, 72 bytes."""

_LISTEN = 10


def rows_of(messages: bytes) -> NDArray[np.void]:
    """DIAG[n] of messages without attributes."""
    return np.frombuffer(messages, DIAG)


def sightings_of(
    rows: NDArray[np.void],
    protocol: int,
    namespace: int,
    holders: dict[int, list[int]],
    time_ns: int,
    *,
    unheld: Evidence = Evidence.PACKET,
) -> NDArray[np.void]:
    """SIGHTING[m]: one per socket and process that holds it.

    Without any it is PACKET, to know the socket nevertheless; or ``unheld``, where it has an inode and does not listen.
    """
    repeated = [(i, pid) for i, inode in enumerate(rows["inode"].tolist()) for pid in holders.get(inode) or (0,)]
    rows = rows[[i for i, _ in repeated]]
    sightings = np.zeros(len(rows), SIGHTING)
    sightings["time_ns"] = time_ns
    sightings["socket"] = rows["cookie"]
    sightings["process"] = [pid for _, pid in repeated]
    sightings["user"] = rows["user"]
    sightings["namespace"] = namespace
    is_whole = (rows["inode"] > 0) & (rows["state"] != _LISTEN)
    without = np.where(is_whole, unheld, Evidence.PACKET)
    sightings["evidence"] = np.where(sightings["process"] > 0, Evidence.HELD, without)
    sightings["protocol"] = protocol
    sightings["ip_version"] = np.where(rows["family"] == socket.AF_INET, 4, 6)
    sightings["local"], sightings["remote"] = (
        plain_addresses(rows[end], rows["family"]) for end in ("source", "target")
    )
    sightings["local_port"], sightings["remote_port"] = rows["source_port"], rows["target_port"]
    return sightings


def plain_addresses(addresses: NDArray[np.uint8], families: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """u8[n, 16] with IPv4 in the first four bytes → in the last four, the others zero, as in PACKET."""
    plain = addresses.copy()
    is_ipv4 = families == socket.AF_INET
    plain[is_ipv4, :12] = 0
    plain[is_ipv4, 12:] = addresses[is_ipv4, :4]
    return plain
