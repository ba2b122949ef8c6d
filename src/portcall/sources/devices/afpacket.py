"""Live frames on Linux, from a ring that the kernel fills and we read in place (AF_PACKET, TPACKET_V3).

One ring for each network namespace listens to all of its interfaces, and the kernel's filter picks those that are
meant: so frames of different interfaces come in the order of time. What a frame is:

- It comes with its interface's own link header, and on ``any`` too; where nobody can tell what that header is (PPP,
  IPv6 tunnels), with a cooked one, as tcpdump has it.
- It comes once: on loopback, where the kernel shows a sent and a received copy, the received one counts.
- It is what the kernel moves, as in tcpdump: with offloading, one frame of up to 64 KiB (more with BIG TCP) that the
  card cuts later or has put together before. It has one header where the wire had many; payloads are the same.
- A VLAN tag that the card or the kernel took off is put back. ``--filter`` sees frames without it, as libpcap's does in
  the kernel, but for expressions that ask for ``vlan``: these are judged here, with the tag.
- Its time is the kernel's when it came in, in ns, and the same for everybody who captures it; but over loopback and
  veth a TCP segment of this machine brings the time for which TCP scheduled it (Linux since 5.18), which stands in the
  way, so each capture stamps it for itself, some 100 ns to a few µs apart.
- It is whole up to ``snap_length`` and the size of a block; its length on the wire is told in any case.

Rights are needed to open a packet socket, none to make a ring of it and to read that.
"""

from __future__ import annotations

import select
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from portcall.errors import PortcallError, UsageError
from portcall.records.packets import CapturePoint
from portcall.sources.devices.happenings import Happenings
from portcall.sources.devices.namespace_helper import LOOK_S, NamespaceKeeper, open_sockets
from portcall.sources.devices.namespace_ring import RETIRE_MS, NamespaceRing
from portcall.sources.devices.ring_size import BLOCK_BYTES, BLOCKS, RingSize
from portcall.sources.filters import FrameFilter, asks_for_tag
from portcall.system.helper_process import since_now
from portcall.system.network_namespaces import ALL, has_gone, inside_each
from portcall.system.scarcity import ensure_room

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from portcall.records.packets import FrameBatch
    from portcall.sources.devices.interfaces import Selection
    from portcall.sources.devices.namespace_helper import NamespaceSockets

Given = TypeVar("Given")
Made = TypeVar("Made")

SNAP_LENGTH = 4096
"""Headers and the beginning of what is said, which is all that is looked at; lengths come from the headers. With whole
frames, a bulk stream of 64 KiB frames fills a block with fifteen, and waking up for them costs four times the CPU."""
MOST_RINGS = 256
"""Namespaces at a time, when they come and come."""
_AT_A_TIME = 32
"""Rings that are opened or closed side by side: the kernel waits for all processors in each, which costs no work."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """What the kernel counted for the rings, over the frames that the kernel's filter let through."""

    frames: int
    dropped_by_kernel: int
    """Frames for which no block was free."""
    times_full: int
    """How often the ring began to drop."""


class RingSource:
    """Frames from the rings of one or more namespaces."""

    name = "ring"

    def __init__(  # noqa: PLR0913 (wishes, all but the first by name)
        self,
        selections: Sequence[Selection],
        *,
        filter: str | None = None,  # noqa: A002 (the option's name)
        snap_length: int = SNAP_LENGTH,
        block_bytes: int = BLOCK_BYTES,
        blocks: int = BLOCKS,
        is_promiscuous: bool = False,
        follow: Sequence[str] = (),
    ) -> None:
        """PermissionError without the rights, UsageError for a bad filter, PortcallError for want of memory.

        ``follow``: listen also in namespaces that come later by these names, or in each that comes (ALL).
        """
        self._filter = FrameFilter(filter) if filter else None
        self._in_kernel = None if asks_for_tag(filter) else self._filter
        self._snap_length, self._is_promiscuous = snap_length, is_promiscuous
        self._size = RingSize(block_bytes, blocks)
        self._rings: dict[int, NamespaceRing] = {}
        self._watched: dict[int, NamespaceRing] = {}  # by the file that tells of their interfaces
        self._nameless: set[int] = set()  # namespaces of which it was said
        self._looked_s = time.monotonic()
        self._keeper: NamespaceKeeper | None = None
        self._epoll = select.epoll()
        self._frames_given = 0
        self._counts_gone = np.zeros(3, np.int64)
        self._happened = Happenings()
        self.degradations = self._happened.degradations
        selection_of = {selection.namespace: selection for selection in selections}
        opened = inside_each(selection_of, lambda _: open_sockets())
        try:
            self._open(
                (selection_of[namespace], sockets.result())
                for namespace, sockets in opened
                if ALL not in follow or not isinstance(sockets.error, FileNotFoundError)  # gone since
            )
            if follow:
                self._keeper = NamespaceKeeper(follow, selections[0].names, selections)
                self._epoll.register(self._keeper.fileno(), select.EPOLLIN)
        except BaseException:
            self.close()
            for _, sockets in opened:
                if not sockets.error:
                    sockets.result().close()
            raise

    def __enter__(self) -> RingSource:  # noqa: PYI034 (Self would be another dependency before Python 3.11)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def descriptors(self) -> list[int]:
        """Files that poll and epoll find readable while a block waits."""
        return [self._epoll.fileno()]

    def batches(self, timeout_ms: int = 0) -> Iterator[FrameBatch]:
        """The blocks that are there, each a batch over the ring itself, at most once around; waits for the first.

        A batch is valid until the next is asked for, and counts as read once it is given. ``interface`` of its frames
        is the kernel's index within the batch's namespace.
        """
        for descriptor, _ in self._epoll.poll(timeout_ms / 1000):
            if self._keeper and descriptor == self._keeper.fileno():
                yield from self._follow(self._keeper)
            elif descriptor in self._rings:
                yield from self._numbered(self._rings[descriptor])
            elif descriptor in self._watched:
                self._look_at_interfaces(self._watched[descriptor])
        self._look_for_names()

    def finish(self) -> Iterator[FrameBatch]:
        """Stop taking frames in; gives those that were taken in before, which takes a moment."""
        self._stop_following()
        while self._watched:
            self._epoll.unregister(self._watched.popitem()[0])
        for opened in self._rings.values():
            opened.drop_all()
        while self._epoll.poll(3 * RETIRE_MS / 1000):  # an open block comes at the second tick of its timer
            yield from self.batches()

    def statistics(self) -> Statistics:
        """Since the rings were opened, over all of them."""
        counts = sum([opened.statistics() for opened in self._rings.values()], start=self._counts_gone)
        return Statistics(*map(int, counts))

    def dropped_by_kernel(self) -> int:
        """Frames for which no block was free."""
        return self.statistics().dropped_by_kernel

    def capture_point(self, namespace: int, interface: int) -> CapturePoint:
        """Names of an interface that a frame came from, and of its namespace."""
        for opened in self._rings.values():
            if opened.namespace.number == namespace:
                return CapturePoint(opened.interface_name(interface), opened.namespace.title)
        return CapturePoint()

    def close(self) -> None:
        """Let go of the rings; the kernel frees each once no batch points into it."""
        self._stop_following()
        self._epoll.close()
        _side_by_side(NamespaceRing.close, self._rings.values())
        self._rings.clear()

    def _open(self, places: Iterable[tuple[Selection, NamespaceSockets]]) -> None:
        """Listen with the sockets of the selections' namespaces."""
        chosen = list(places)
        among = len(self._rings) + len(chosen)
        made = _side_by_side(lambda place: NamespaceRing(*place, self._size.among(place[0].namespace, among)), chosen)
        self._rings.update((new.fileno(), new) for new in made)
        for new in made:
            new.followed.changes()  # since it was selected
            self._judge(new)
            new.listen()
            self._epoll.register(new.fileno(), select.EPOLLIN)
            if not new.followed.selection.is_any:
                self._watched[new.followed.fileno()] = new
                self._epoll.register(new.followed.fileno(), select.EPOLLIN)

    def _judge(self, opened: NamespaceRing) -> None:
        opened.judge(self._in_kernel, self._snap_length)
        if self._is_promiscuous:
            opened.become_promiscuous()

    def _look_at_interfaces(self, opened: NamespaceRing) -> None:
        """Listen to interfaces that have come, and say so; also which have gone."""
        try:
            changes = opened.followed.changes()
            if changes:
                self._judge(opened)
        except (OSError, UsageError) as error:
            descriptor = opened.followed.fileno()
            self._epoll.unregister(descriptor)
            del self._watched[descriptor]
            reason = f"those that come are not listened to {since_now()}: {error}"
            self._happened.miss("interfaces", reason, "start portcall again")
            return
        self._happened.tell(changes, opened.namespace.title)

    def _look_for_names(self) -> None:
        """Say which namespaces have gone, or are known by their name no more, at most once a second."""
        if self._keeper or time.monotonic() - self._looked_s < LOOK_S:
            return
        self._looked_s = time.monotonic()
        for opened in self._rings.values():
            if opened.namespace.number not in self._nameless and has_gone(opened.namespace):
                self._nameless.add(opened.namespace.number)
                self._happened.tell_gone(opened.namespace.name, is_followed=False)

    def _follow(self, keeper: NamespaceKeeper) -> Iterator[FrameBatch]:
        """Listen in namespaces that are new, let go of those that are gone; gives the last frames of those."""
        try:
            while (news := keeper.news()) is not None:
                if news.selection and news.sockets:
                    self._open_later(news.selection, news.sockets)
                else:
                    yield from self._let_go(news.number)
        except EOFError as error:
            self._stop_following()
            self._miss(f"none is listened to {since_now()}: {error}", "start portcall again")

    def _open_later(self, selection: Selection, sockets: NamespaceSockets) -> None:
        if len(self._rings) >= MOST_RINGS:
            sockets.close()
            self._miss(f"those beyond {MOST_RINGS} at a time were not listened to")
            return
        self._tell_come(selection)
        try:
            self._open([(selection, sockets)])
        except (OSError, PortcallError) as error:
            sockets.close()
            self._miss(f"{selection.namespace.title} could not be listened to: {error}")

    def _tell_come(self, selection: Selection) -> None:
        """Say that a name is another namespace's now, where one that has or had it was listened to."""
        name = selection.namespace.title or ""
        before = {opened.namespace.number for opened in self._rings.values() if opened.namespace.title == name}
        self._nameless |= before
        self._happened.tell_come(name, is_there_twice=bool(before))

    def _let_go(self, number: int) -> Iterator[FrameBatch]:
        for opened in [there for there in self._rings.values() if there.namespace.number == number]:
            if number not in self._nameless:
                self._happened.tell_gone(opened.namespace.title or "one", is_followed=True)
            yield from self._numbered(opened)
            self._counts_gone += opened.statistics()
            self._epoll.unregister(opened.fileno())
            if self._watched.pop(opened.followed.fileno(), None):
                self._epoll.unregister(opened.followed.fileno())
            self._rings.pop(opened.fileno()).close()
        self._nameless.discard(number)

    def _miss(self, reason: str, remedy: str = "--netns NAME of fewer") -> None:
        self._happened.miss("later network namespaces", reason, remedy)

    def _stop_following(self) -> None:
        if self._keeper:
            self._epoll.unregister(self._keeper.fileno())
            self._keeper.close()
            self._keeper = None

    def _numbered(self, opened: NamespaceRing) -> Iterator[FrameBatch]:
        for batch in self._filtered(opened):
            numbered = batch._replace(first_number=self._frames_given + 1)
            self._frames_given += len(batch.frames)
            yield numbered

    def _filtered(self, opened: NamespaceRing) -> Iterator[FrameBatch]:
        for batch in opened.batches():
            if self._filter and not opened.is_judged[batch.frames["link"]].all():
                yield from self._filter.matching(iter([batch]))
            else:
                yield batch


def _side_by_side(action: Callable[[Given], Made], things: Iterable[Given]) -> list[Made]:
    """What it makes of each; the first error, once all are done with."""
    if len(given := list(things)) == 1:
        return [action(given[0])]
    ensure_room()
    with ThreadPoolExecutor(max_workers=_AT_A_TIME) as pool:
        made = [pool.submit(action, thing) for thing in given]
    return [each.result() for each in made]
