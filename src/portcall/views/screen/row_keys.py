"""What tells a row from the others of its grouping, as one number each, whoever is found to own it.

A key is a hash of what the row is called: words by Python's own, which has a secret seed. It is good within one run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from portcall.records.column_values import Addresses, Numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from portcall.records.column_values import Columns, ColumnValues
    from portcall.records.report_rows import Rows

_ODD = np.uint64(0x9E3779B97F4A7C15)  # 2⁶⁴ / the golden ratio: multiplying by it spreads bits upwards
_SHIFT = np.uint64(29)
_NULL = np.uint64(0x5851F42D4C957F2D)

_GROUP = ("process", "pid", "unattributed_reason", "app_source")
_CONVERSATION = (
    *("protocol", "client_ip", "client_port", "server_ip", "server_port", "namespace", "first_ns"),
    "unattributed_reason_of_no_flow",
)
_OF = {
    "flow": _CONVERSATION,
    "query": ("query", "query_type", "client_ip", "unattributed_reason"),
    "part": ("part", "detail"),
    "user": ("user", "app_source", "unattributed_reason"),
}


def key_names(by: str) -> tuple[str, ...]:
    """The columns that tell rows of a grouping apart."""
    return _OF.get(by, (by, *_GROUP))


def row_keys(rows: Rows, by: str) -> NDArray[np.uint64]:
    """uint64[n]: the key of each row."""
    names = key_names(by)
    wanted = frozenset(names) | ({"unattributed_reason"} if by == "flow" else set())
    blocks = [_block_keys(columns, names) for columns in rows.blocks(names=wanted)]
    return np.concatenate([*blocks, np.zeros(0, np.uint64)])


def mixed(key: NDArray[np.uint64], more: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """uint64[n]: a key of both."""
    key = (key ^ more) * _ODD
    return key ^ (key >> _SHIFT)


def value_keys(values: ColumnValues) -> NDArray[np.uint64]:
    """uint64[n]: a key of each value, the same for equal ones."""
    if isinstance(values, Numbers):
        numbers = values.values.astype(np.int64).view(np.uint64)
        return numbers if values.is_known is None else np.where(values.is_known, numbers, _NULL)
    if isinstance(values, Addresses):
        return mixed(values.high_half.astype(np.uint64) ^ values.is_ipv6, values.low_half.astype(np.uint64))
    words = [hash(tuple(word) if isinstance(word, list) else word) if word is not None else -1 for word in values.words]
    hashes = np.array(words, np.int64).view(np.uint64)
    return hashes[values.codes] if len(hashes) else np.zeros(len(values.codes), np.uint64)


def _block_keys(columns: Columns, names: tuple[str, ...]) -> NDArray[np.uint64]:
    key = np.zeros(len(columns), np.uint64)
    for name in names:
        if name == "unattributed_reason_of_no_flow":
            key = mixed(key, _reasons_of_no_flow(columns))
            continue
        values = columns.by_name.get(name)
        key = mixed(key, np.zeros(len(columns), np.uint64) if values is None else value_keys(values))
    return key


def _reasons_of_no_flow(columns: Columns) -> NDArray[np.uint64]:
    """Of what is on no flow the reason is all that it is called; of a flow it may change."""
    protocols, reasons = columns.by_name.get("protocol"), columns.by_name.get("unattributed_reason")
    if reasons is None:
        return np.zeros(len(columns), np.uint64)
    if protocols is None:
        return value_keys(reasons)
    is_flow = np.array([protocol is not None for protocol in protocols.plain()], np.bool_)
    return np.where(is_flow, np.uint64(0), value_keys(reasons))
