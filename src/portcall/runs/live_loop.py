"""The loop of live capture: wait for packets and reports, count them, and tell at every interval.

It wakes only for something: a block of packets, a report of the owners, the end of an interval. Reports come in crowds,
so after each turn it waits a little for more, unless the turn itself took that long: then packets come so fast that the
ring could run full. ``clock`` gives seconds, and is the only one there is.
"""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING

from portcall.system.heap import return_free_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from portcall.owners import Owners
    from portcall.runs.following.live_intervals import IntervalTracker
    from portcall.runs.live import LiveTracker
    from portcall.sources.devices.capture_devices import LiveSource

INTERVAL_S = 1.0
_CROWD_S = 0.02
_ASKING_CROWD_S = 0.003
"""The same where the kernel must be asked about a packet's socket before the socket is gone."""
_POLLING_S = 0.25
_LOOK_COST = 20
"""How many times longer than the last look at all flows took the next one waits at least."""
_TRIM_S = 5.0
"""Between two times that free memory goes back to the system: an interval frees much at once."""
_COLLECT_S = 60.0
"""The same of looking for objects in circles, which takes longer."""
_MATCH_COST = 4
"""The same of looking for owners, which are forgotten some time after their sockets were closed."""


def watch(  # noqa: PLR0913 (what there is to watch, all by name)
    source: LiveSource,
    owners: Owners,
    tracker: LiveTracker | IntervalTracker,
    *,
    is_over: Callable[[], bool],
    on_interval: Callable[[], None],
    wakes: Sequence[int] = (),
    interval_s: float = INTERVAL_S,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Count until it is over; ``settle`` counts what is still on its way. ``wakes`` are files that say: look again."""
    asks = owners.name == "netlink"
    descriptor = owners.fileno()
    poll = select.poll()
    for file in (*source.descriptors(), *wakes):
        poll.register(file, select.POLLIN)
    if descriptor is not None:
        poll.register(descriptor, select.POLLIN)
    next_look = next_match = clock() + interval_s
    next_trim, next_collect = clock() + _TRIM_S, clock() + _COLLECT_S
    while not is_over():
        wait_s = max(min(next_look, next_match) - clock(), 0)
        if tracker.recorder and tracker.recorder.wait_ns is not None:
            wait_s = min(wait_s, tracker.recorder.wait_ns / 1e9)
        poll.poll(1000 * (min(wait_s, _POLLING_S) if descriptor is None or asks else wait_s))
        woke = clock()
        turn(source, owners, tracker, asks=asks)
        if descriptor is not None and owners.fileno() is None:  # it has ended, and would wake us for ever
            poll.unregister(descriptor)
            descriptor = None
        time.sleep(max((_ASKING_CROWD_S if asks else _CROWD_S) - (clock() - woke), 0))
        if clock() >= min(next_look, next_match):
            began = clock()
            for _ in tracker.matching():
                turn(source, owners, tracker, asks=asks)  # or the ring could run full meanwhile
            next_match = clock() + max(interval_s, _MATCH_COST * (clock() - began))
        if clock() >= next_look:
            began = clock()
            on_interval()
            next_look = clock() + max(interval_s, _LOOK_COST * (clock() - began))
        if clock() >= next_trim:
            collects = clock() >= next_collect
            return_free_memory(collects=collects)
            next_trim = clock() + _TRIM_S
            next_collect = clock() + _COLLECT_S if collects else next_collect


def turn(source: LiveSource, owners: Owners, tracker: LiveTracker | IntervalTracker, *, asks: bool) -> None:
    """Hear first, then count: what a packet's sender did was reported before the packet came.

    So each batch is noticed once it is there: its last packets may be younger than what was drained before.
    """
    tracker.note(owners.drain(tracker.unknown_ends() if asks else None))
    for batch in source.batches():
        tracker.note(owners.drain())
        tracker.feed(batch)
    if tracker.recorder:
        tracker.recorder.turn()


def settle(source: LiveSource, owners: Owners, tracker: LiveTracker | IntervalTracker) -> None:
    """Stop taking frames in; count and attribute the last ones."""
    for batch in source.finish():
        tracker.note(owners.drain())
        tracker.feed(batch)
    tracker.note(owners.drain(tracker.unknown_ends() if owners.name == "netlink" else None))
    tracker.match()
    if tracker.recorder:
        tracker.recorder.finish()
