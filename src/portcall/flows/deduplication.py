"""Conversations whose packets passed several interfaces of one network namespace, each counted once.

A bridge, its port and the card behind it show the same packet, and so do two cards between which it is forwarded. Each
interface's share comes as a row of its own. Rows of the same ends, and for TCP of the same SYN, are one passage: it
counts on one interface, where its owner is known, else where most bytes passed. Each direction counts with what that
interface saw which saw most of it, for answers may come by another way than questions. What is changed on its way, by
NAT or a tunnel, is another conversation. Pure: told rows, it knows neither interfaces nor owners.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SAME = ("low_port", "high_port", "protocol", "ip_version", "kind", "has_syn", "syn_sequence")
_COUNTED = ("packets", "bytes", "payload", "tcp_flags")
_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # 2**64 over the golden ratio, so that low bits reach the high ones


class Deduplicated(NamedTuple):
    """FLOW[n] with one row for each passage."""

    kept: NDArray[np.int64]
    """Indexes of the rows that count, ascending."""
    flows: NDArray[np.void]
    """FLOW of these."""
    shared: NDArray[np.int64]
    """Those of ``kept`` that stand for more than one row."""
    duplicates: NDArray[np.int64]
    """Indexes of the rows that do not count."""
    sides: NDArray[np.int64]
    """[m, 2]: of each of ``kept`` the indexes of the rows that its low, and its high end's counts are from."""


def deduplicate(flows: NDArray[np.void], network: NDArray[np.uint32], is_owned: NDArray[np.bool_]) -> Deduplicated:
    """One row for each passage of FLOW[n].

    ``network[n]`` is equal where rows may be of one passage by where they were seen; ``is_owned[n]`` tells those whose
    owner is known.
    """
    several, group = passages(flows, network)
    if not len(several):
        every = np.arange(len(flows))
        return Deduplicated(every, flows, several, several, np.stack([every, every], axis=1))
    shares = flows[several]
    first = _first_of_each(group, ~shares["bytes"].sum(axis=1), ~is_owned[several])
    is_duplicate = np.ones(len(several), np.bool_)
    is_duplicate[first] = False
    duplicates = several[is_duplicate]
    kept = np.delete(np.arange(len(flows)), duplicates)
    most = np.stack([_first_of_each(group, ~shares["bytes"][:, side]) for side in (0, 1)], axis=1)
    places = np.searchsorted(kept, several[first])
    counted, sides = flows[kept], np.stack([kept, kept], axis=1)
    counted[places], sides[places] = _with_most_of_each_side(shares, first, most), several[most]
    is_shared = np.bincount(group) > 1
    return Deduplicated(kept, counted, several[first[is_shared]], duplicates, sides)


def passages(flows: NDArray[np.void], network: NDArray[np.uint32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indexes of the rows of FLOW[n] that may not be alone in their passage, and the number of that."""
    words = _words(flows, network)
    several = _in_company(words)
    identities = np.stack([word[several] for word in words], axis=1)
    _, group = np.unique(identities.view(f"V{8 * len(words)}").ravel(), return_inverse=True)
    return several, group


def _with_most_of_each_side(
    shares: NDArray[np.void], first: NDArray[np.int64], most: NDArray[np.int64]
) -> NDArray[np.void]:
    counted = shares[first]
    for side in (0, 1):
        for column in _COUNTED:
            counted[column][:, side] = shares[column][most[:, side], side]
    return counted


def _words(flows: NDArray[np.void], network: NDArray[np.uint32]) -> list[NDArray[np.uint64]]:
    """What is equal in all rows of a passage."""
    addresses = [flows[end].view(np.uint64)[:, half] for end in ("low", "high") for half in (0, 1)]
    return [*addresses, *(flows[name].astype(np.uint64) for name in _SAME), network.astype(np.uint64)]


def _in_company(words: list[NDArray[np.uint64]]) -> NDArray[np.int64]:
    """Indexes of rows that may be equal to another one, by a hash: most are alone, and comparing all of it is slow."""
    mixed = np.zeros_like(words[0])
    for word in words:
        mixed = (mixed ^ word) * _SPREAD
        mixed ^= mixed >> np.uint64(29)
    order = np.argsort(mixed)
    is_next_equal = np.zeros(len(mixed), np.bool_)
    is_next_equal[:-1] = mixed[order[1:]] == mixed[order[:-1]]
    return np.sort(order[is_next_equal | np.roll(is_next_equal, 1)])


def _first_of_each(group: NDArray[np.int64], *least: NDArray[Any]) -> NDArray[np.int64]:
    """Index of each passage's row with the least of the last key, among equal ones of the key before."""
    order = np.lexsort((*least, group))
    return order[np.flatnonzero(np.diff(group[order], prepend=-1))]
