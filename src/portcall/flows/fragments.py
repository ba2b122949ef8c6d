"""Later fragments that came before the first of their datagram, or never saw one: whose bytes they are.

A fragment behind the first carries no ports. Once the first is seen, ``credit`` adds the others to its flow. What never
saw a first becomes a row with ports 0 (``unmatched``), one for each pair of addresses and protocol (``gathered``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from portcall.records.flows import FIRST_FLOW, FIRST_UNMATCHED, FLOW, NEVER, FlowKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

_KEY = ("low", "high", "protocol", "ip_version", "namespace")


def credit(flows: NDArray[np.void], start: int, waiting: NDArray[np.void]) -> None:
    """Add the later fragments that came before their first to its flow, where that is in flows[start:]."""
    rows = waiting["first_flow"].astype(np.int64) - 1 - start
    here = (rows >= 0) & (rows < len(flows))
    rows, waiting = rows[here], waiting[here]
    side = waiting["first_side"]
    for column in ("packets", "bytes", "payload"):
        np.add.at(flows[column], (rows, side), waiting[column])
    np.minimum.at(flows["first_ns"], rows, waiting["first_ns"])
    np.maximum.at(flows["last_ns"], rows, waiting["last_ns"])
    np.bitwise_or.at(flows["local"], rows, _seen_from(side, waiting["local"]))
    np.minimum.at(flows["first_frame"], rows, waiting["first_frame"])
    is_first = flows["first_frame"][rows] == waiting["first_frame"]
    flows["first_sender"][rows[is_first]] = side[is_first]


def unmatched(waiting: NDArray[np.void]) -> NDArray[np.void]:
    """Later fragments without a first, as rows with ports 0."""
    fragments = np.zeros(len(waiting), FLOW)
    sources, targets = (np.ascontiguousarray(waiting[end]).view("S16").ravel() for end in ("source", "target"))
    swapped = np.fromiter((s > t for s, t in zip(sources, targets, strict=True)), bool, len(waiting))
    fragments["low"] = np.where(swapped[:, None], waiting["target"], waiting["source"])
    fragments["high"] = np.where(swapped[:, None], waiting["source"], waiting["target"])
    for column in ("protocol", "ip_version", "namespace", "first_ns", "last_ns", "first_frame"):
        fragments[column] = waiting[column]
    side = swapped.astype(np.int64)
    rows = np.arange(len(waiting))
    for column in ("packets", "bytes", "payload"):
        fragments[column][rows, side] = waiting[column]
    fragments["first_sender"] = side
    fragments["local"] = _seen_from(side, waiting["local"])
    fragments["kind"] = FlowKind.UNMATCHED
    for column in ("syn_ns", "syn_ack_ns", "fin_ns", "rst_ns"):
        fragments[column] = NEVER
    return fragments


def gathered(fragments: NDArray[np.void]) -> tuple[NDArray[np.void], NDArray[np.int64]]:
    """One row for each pair of addresses and protocol, and for each of the given rows the index of the one it is in."""
    if len(fragments) < 2:  # noqa: PLR2004
        return fragments, np.arange(len(fragments))
    order = np.argsort(fragments["first_frame"], kind="stable")
    fragments = fragments[order]
    packed = np.array([b"".join(row[column].tobytes() for column in _KEY) for row in fragments])
    _, first, group = np.unique(packed, return_index=True, return_inverse=True)
    joined = fragments[first]
    np.bitwise_or.at(joined["local"], group, fragments["local"])
    for column in ("packets", "bytes", "payload"):
        joined[column] = 0
        np.add.at(joined[column], group, fragments[column])
    np.minimum.at(joined["first_ns"], group, fragments["first_ns"])
    np.maximum.at(joined["last_ns"], group, fragments["last_ns"])
    in_turn = np.argsort(joined["first_frame"], kind="stable")
    places = np.empty(len(order), np.int64)
    places[order] = np.argsort(in_turn)[group]
    return joined[in_turn], places


class SettledFragments(NamedTuple):
    """Whose the fragments are that waited, as things stand now. Owners are those of TIME_CELL."""

    unmatched: NDArray[np.void]
    """FLOW[n] of those that found no first."""
    former: NDArray[np.uint32]
    """Owner of what each former row of these stood for."""
    owners: NDArray[np.uint32]
    """Owner of the fragments of each datagram."""
    sides: NDArray[np.uint8]
    """Which end sent them: 0 low, 1 high."""


def settled(former: NDArray[np.void], datagrams: NDArray[np.void]) -> SettledFragments:
    """What becomes of DATAGRAM[m], and of the rows of earlier ones that found no first."""
    is_lost = (datagrams["first_flow"] == 0) & (datagrams["packets"] > 0)
    fragments = unmatched(datagrams[is_lost])
    rows, places = gathered(np.concatenate([former, fragments]))
    of_fragments = (places + FIRST_UNMATCHED).astype(np.uint32)
    owners, sides = datagrams["first_flow"] + np.uint32(FIRST_FLOW - 1), datagrams["first_side"].copy()
    owners[is_lost], sides[is_lost] = of_fragments[len(former) :], fragments["first_sender"]
    return SettledFragments(rows, of_fragments[: len(former)], owners, sides)


def _seen_from(side: NDArray[np.integer], local: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Bits of (source, target) as bits of (low, high), where the source is end ``side``."""
    turned = (local >> 1 & 0x01) | (local << 1 & 0x02) | (local << 2 & 0x30) | (local >> 2 & 0x0C)
    return np.where(side == 0, local, turned).astype(np.uint8)
