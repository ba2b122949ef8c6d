"""What the order of a conversation's packets tells. The compiled twin is in ``kernels/histories/order_store.pyx``."""

from __future__ import annotations

import numpy as np

HISTORY = np.dtype(
    [
        ("last_ns", "i8"),  # of its latest packet before both ends had closed; NO_TIME where none has a time
        ("missed", "u8"),  # bytes of gaps in what TCP carried
        # Index 0 is what the row's low end sent, 1 what the high end sent; without later fragments.
        ("packets", "u8", (2,)),
        ("payload", "u8", (2,)),
        ("wrong_payload", "u8", (2,)),  # of packets whose checksum is wrong, which count for nothing else
        ("ip_bytes", "u8", (2,)),  # by the lengths in IP headers
        ("sizes", "u8", (2,)),  # TCP: bytes by sequence numbers
        ("letters", "u1", (40,)),  # upper case: of the originator; zeros behind the last one
        ("originator", "u1"),  # which end that is, 0 low, 1 high
        ("has_begun", "u1"),  # 0 where nothing is known
        ("reserved", "u1", (6,)),
    ]
)
"""The history of one conversation, in the letters of Zeek's conn.log. 144 bytes."""

HISTORY_TEXT, MISSED_BYTES = "history", "missed_bytes"
"""Columns of flow rows that only Zeek's conn.log reads, as those below."""
PACKETS_OF_CLIENT, PACKETS_OF_SERVER = "whole_packets_to_server", "whole_packets_to_client"
"""Without later fragments."""
IP_BYTES_OF_CLIENT, IP_BYTES_OF_SERVER = "ip_bytes_to_server", "ip_bytes_to_client"
BYTES_OF_CLIENT, BYTES_OF_SERVER = "stream_bytes_to_server", "stream_bytes_to_client"
"""Payload; of TCP by its sequence numbers."""
ACTIVE_NS = "active_ns"
"""Time of the latest packet before both ends of a TCP connection had closed."""
