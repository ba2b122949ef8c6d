"""Rows about owners: what back ends saw of sockets, ends of flows, and ports that others took over."""

from __future__ import annotations

import numpy as np

SIGHTING = np.dtype(
    [
        ("time_ns", "i8"),  # ns since 1970 UTC
        ("socket", "u8"),  # what tells it from every other socket since boot: its cookie on Linux
        ("process", "u4"),  # 0 where the sighting names none
        ("user", "u4"),
        ("namespace", "u4"),  # network namespace, 0 where not known
        ("evidence", "u1"),  # Evidence
        ("protocol", "u1"),
        ("ip_version", "u1"),  # of the socket: an IPv6 socket without address takes IPv4 too
        ("reserved", "u1"),
        ("local", "u1", (16,)),  # as in PACKET; zero where the socket takes any
        ("remote", "u1", (16,)),
        ("local_port", "u2"),
        ("remote_port", "u2"),  # with ``remote`` zero: no peer known
    ]
)
"""What an owner back end saw of one socket at one moment. 68 bytes."""

FLOW_END = np.dtype(
    [
        ("protocol", "u1"),
        ("ip_version", "u1"),
        ("local_port", "u2"),
        ("local", "u1", (16,)),
        ("remote_port", "u2"),
        ("remote", "u1", (16,)),
        ("namespace", "u4"),  # 0: any
        ("first_ns", "i8"),
        ("last_ns", "i8"),
    ]
)
"""One end of a flow, as asked of the owners: who held it at that time? 58 bytes."""

OWNER_CHANGE = np.dtype(
    [("time_ns", "i8"), ("namespace", "u4"), ("local_port", "u2"), ("protocol", "u1"), ("reserved", "u1")]
)
"""From this time on, another socket or process may be behind a local port: rows on it start anew. 16 bytes."""
