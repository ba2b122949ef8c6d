"""What the order of their packets tells of conversations, in columns that only Zeek's conn.log reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from portcall.flows.aggregation import grouped
from portcall.records.column_values import Numbers, Words
from portcall.records.histories import (
    ACTIVE_NS,
    BYTES_OF_CLIENT,
    BYTES_OF_SERVER,
    HISTORY_TEXT,
    IP_BYTES_OF_CLIENT,
    IP_BYTES_OF_SERVER,
    MISSED_BYTES,
    PACKETS_OF_CLIENT,
    PACKETS_OF_SERVER,
)
from portcall.records.packets import NO_TIME

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from portcall.flows.flow_values import FlowValues
    from portcall.records.column_values import ColumnValues

_OF_END = {
    "client": (PACKETS_OF_CLIENT, IP_BYTES_OF_CLIENT, BYTES_OF_CLIENT),
    "server": (PACKETS_OF_SERVER, IP_BYTES_OF_SERVER, BYTES_OF_SERVER),
}


OF_HISTORIES = frozenset({HISTORY_TEXT, MISSED_BYTES, ACTIVE_NS, *_OF_END["client"], *_OF_END["server"]})
"""The columns that ``history_columns`` has."""


def history_columns(
    flows: FlowValues, histories: NDArray[np.void], clients_are_low: NDArray[np.bool_]
) -> dict[str, ColumnValues]:
    """Of HISTORY[n], and the flows that they are of."""
    is_known, is_tcp = histories["has_begun"] > 0, flows.are("is_tcp")
    last_ns = histories["last_ns"]
    columns: dict[str, ColumnValues] = {
        HISTORY_TEXT: _texts(histories, clients_are_low),
        MISSED_BYTES: Numbers(histories["missed"].astype(np.int64), is_known),
        ACTIVE_NS: Numbers(last_ns, is_known & is_tcp & (last_ns != NO_TIME)),
    }
    for end, names in _OF_END.items():
        side = (clients_are_low != (end == "client")).astype(np.intp)[:, None]
        packets, payload, wrong, ip_bytes, sizes = (
            np.take_along_axis(histories[name], side, 1)[:, 0].astype(np.int64)
            for name in ("packets", "payload", "wrong_payload", "ip_bytes", "sizes")
        )
        # A datagram that came in fragments is one, with its first header: later ones add what they carry.
        right = np.maximum(flows[f"{end}_payload"] - wrong, 0)
        of_fragments = np.maximum(right - payload, 0)
        octets = np.where(is_tcp, sizes, right)
        for name, values in zip(names, (packets, ip_bytes + of_fragments, octets), strict=True):
            columns[name] = Numbers(values, is_known)
    return columns


def _texts(histories: NDArray[np.void], clients_are_low: NDArray[np.bool_]) -> Words:
    """The letters, upper case of the client; turned where the other end was taken for the originator."""
    letters = np.ascontiguousarray(histories["letters"])
    is_turned = (histories["originator"] == 0) != clients_are_low
    eights = letters.view(np.int64)
    keys = {f"letters_{place}": eights[:, place].copy() for place in range(eights.shape[1])}
    codes, members = grouped({**keys, "is_turned": is_turned.astype(np.int64)}, (*keys, "is_turned"))
    distinct = zip(letters[members], is_turned[members].tolist(), strict=True)
    return Words(codes, [_text(some.tobytes(), is_turned=turned) for some, turned in distinct])


def _text(letters: bytes, *, is_turned: bool) -> str | None:
    text = letters.rstrip(b"\0").decode("ascii")
    if is_turned and text:
        text = text[1:] if text[0] == "^" else f"^{text}"
        text = text.swapcase()
    return text or None
