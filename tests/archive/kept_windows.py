"""Files of history in a line each, for tests of what is asked of them."""

from __future__ import annotations

from portcall.archive.levels import LEVELS, pieces
from portcall.archive.period_sums import PeriodSums
from portcall.archive.store import HistoryStore
from portcall.records.kept.windows import CountedIn, WindowKey

MONDAY_S = 1_709_510_400  # 2024-03-04
HOUR_S, DAY_S = 3600, 86_400


def key(app, host="192.0.2.1", service="https", user="amy", ends=CountedIn.ALL):
    return WindowKey(app, "process", app, None, user, host, service, "exact", None, int(ends))


def counts(begin_s, octets, *, flows=1):
    """As many bytes in, a tenth of them out."""
    at_ns = begin_s * 10**9
    return [flows, 1, 2, octets // 10, octets, 0, octets, at_ns + 10**9, at_ns + 2 * 10**9]


def stored(path, windows, *, now_s=None, **how):
    """Write windows, begin → {key: bytes}, each by itself and final; gives the file."""
    store = HistoryStore(path, makes_folder=False, **how)
    store._connection.execute("PRAGMA synchronous=OFF")  # the disk is slow, and no power is cut here
    for begin_s, rows in sorted(windows.items()):
        made = {one: counts(begin_s, octets) for one, octets in rows.items()}
        store.write({begin_s: made}, final_s=begin_s + 10, now_s=begin_s + 10)
    if now_s:
        store.write({}, final_s=now_s, now_s=now_s)
    store.close()
    return path


def octets_of(path):
    """All bytes in that a file has, by app, as each level says it with those that are finer."""
    found = []
    for level in LEVELS:
        with PeriodSums(path) as sums:
            sums.gather(pieces(*(sums.span_s() or (0, 0)), sums.extent, level.width_s))
            groups = sums.groups("app", ends=int(CountedIn.APP), is_once=False)
            texts = sums.texts({group.identity[0] for group in groups})
            found.append({texts[group.identity[0]]: group.measures[4] for group in groups})
    return found
