"""Windows of time as history keeps them: who talked with whom about what in ten seconds, and how much.

A row is a WindowKey and its counts. Rows of a key add up over windows, and those of a window to any grouping.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

WINDOW_S = 10
"""How long the narrowest window is; it begins at a multiple of that since 1970 UTC."""
OTHER_HOSTS, OTHER_APPS = "(other hosts)", "(other apps)"
"""Stand for those for which a window has no room. No host's name has a space in it."""
COUNTED = ("flows", "packets_out", "packets_in", "bytes_out", "bytes_in", "payload_out", "payload_in")
"""What adds up, in the order of ``Counts``."""
TIMED = ("first_ns", "last_ns")
"""What stands behind it: the least and the greatest time of a packet."""

Counts = list[int]
"""COUNTED, then TIMED. A conversation counts in the window in which it began."""


class CountedIn(enum.IntFlag):
    """In which groupings a row counts: traffic between two local ends is a row of each of them.

    The second one counts bytes twice in groupings by owner and host, as a report does; but its conversations only where
    both ends are not of the same group.
    """

    FIRST = 1
    """It counts where each conversation does once: by service and by time."""
    APP = 2
    PROCESS = 4
    USER = 8
    HOST = 16
    ALL = 31


class WindowKey(NamedTuple):
    """What tells rows apart; text as a report has it, null where it is null there."""

    app: str | None = None
    app_source: str | None = None
    process: str | None = None
    script: str | None = None
    user: str | None = None
    host: str | None = None
    service: str | None = None
    owner_quality: str | None = None
    unattributed_reason: str | None = None
    ends: int = CountedIn.ALL


Rows = dict[WindowKey, Counts]
"""Those of one window."""


def add_counts(rows: Rows, key: WindowKey, counts: Counts) -> None:
    """Count more of a key."""
    known = rows.get(key)
    if known is None:
        rows[key] = list(counts)
        return
    for place in range(len(COUNTED)):
        known[place] += counts[place]
    known[-2], known[-1] = min(known[-2], counts[-2]), max(known[-1], counts[-1])


def bounded(rows: Rows, most: int) -> Rows:
    """The rows with most bytes, and the others in some that say so: nothing that was counted is lost.

    Hosts are given up first, then what runs there.
    """
    for given_up in (_hostless, _nameless):
        if len(rows) <= most:
            return rows
        order = sorted(rows, key=lambda key: -(rows[key][3] + rows[key][4]))
        kept = {key: rows[key] for key in order[: most // 2]}
        for key in order[most // 2 :]:
            add_counts(kept, given_up(key), rows[key])
        rows = kept
    return rows


def _hostless(key: WindowKey) -> WindowKey:
    return key._replace(host=OTHER_HOSTS, service=None)


def _nameless(key: WindowKey) -> WindowKey:
    return WindowKey(app=OTHER_APPS, host=OTHER_HOSTS, ends=key.ends)
