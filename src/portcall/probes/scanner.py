"""Asks many targets, a limited number at a time, and tells each answer as it comes.

The sockets are ordinary ones, so it needs no rights. The kernel's error queue is read before the socket's own error:
for TCP both a RST and an ICMP "port unreachable" are ECONNREFUSED, yet the first is the host's answer and the second
that of something in front of it.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from portcall.errors import PortcallError
from portcall.probes import ProbeAnswer, Target
from portcall.probes.questions import RANDOM_BYTES, question_for
from portcall.probes.refusals import (
    PORT_UNREACHABLE,
    WITHOUT_WAY,
    ask_for_refusals,
    icmp_words,
    local_words,
    next_refusal,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from portcall.probes.refusals import Refusal
    from portcall.records.schema import Verdict

    SocketName = tuple[Any, ...]  # Any: the address and port of either family

MOST_BANNER_BYTES = 256
_MOST_DATAGRAM_BYTES = 65536
_UDP_SENDS = 2  # what is lost once is rarely lost twice; and Linux limits how often it says "port unreachable"
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}

_BY_THE_HOST: dict[int, tuple[Verdict, str]] = {
    errno.ECONNREFUSED: ("closed", "refused"),
    errno.ECONNRESET: ("open", "accepted, then reset"),  # only a connection that stood can be reset
    errno.EPIPE: ("open", "accepted, then reset"),
}
_BY_OWN_RULES = (errno.EACCES, errno.EPERM)
_NOBODY_HERE = "nobody on this network has that address"
_ONESELF = "nobody is there but the question itself"


@dataclass(frozen=True, slots=True)
class Manner:
    """How to ask."""

    timeout_s: float = 4.0
    """How long to wait for each answer. Linux takes 3 s to find that nobody on its own network has an address."""
    concurrency: int = 64
    """Questions open at a time."""
    is_banner_wanted: bool = False


def ask_all(targets: Sequence[Target], manner: Manner, tell: Callable[[ProbeAnswer], None]) -> None:
    """Ask every target, and tell each answer when it is there, in no particular order."""
    asyncio.run(_Asking(manner, tell).ask_all(targets))


class _Asking:
    """The questions that are open now, and what they must know of one another."""

    def __init__(self, manner: Manner, tell: Callable[[ProbeAnswer], None]) -> None:
        self._manner = manner
        self._tell = tell
        self._own_ends: set[SocketName] = set()

    async def ask_all(self, targets: Sequence[Target]) -> None:
        waiting = iter(targets)
        await asyncio.gather(*(self._work(waiting) for _ in range(min(self._manner.concurrency, len(targets)))))

    async def _work(self, targets: Iterator[Target]) -> None:
        for target in targets:
            self._tell(await self._ask(target))

    async def _ask(self, target: Target) -> ProbeAnswer:
        try:
            asking = socket.socket(_FAMILIES[target.ip_version], _KINDS[target.protocol])
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                raise PortcallError(f"{error.strerror}. Ask fewer ports at a time, by --concurrency") from error
            return ProbeAnswer(target, "no-route", local_words(error.errno or 0))
        with asking:
            asking.setblocking(False)  # noqa: FBT003 - the standard library's
            ask_for_refusals(asking, target.ip_version)
            question = _Question(asking, target)
            code = asking.connect_ex(target.address)
            own_end = asking.getsockname()
            self._own_ends.add(own_end)
            try:
                if code not in (0, errno.EINPROGRESS):
                    return question.refusal() or _told_at_once(target, code)
                return await (self._connected if target.protocol == "tcp" else self._answered)(question)
            finally:
                self._own_ends.discard(own_end)

    async def _connected(self, question: _Question) -> ProbeAnswer:
        """What comes of a connection that was begun."""
        asking, target = question.asking, question.target
        while await question.is_inspected(self._manner.timeout_s, is_to_write=True):
            code = asking.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if answer := question.refusal() or (_told_later(question, code) if code else None):
                return answer
            peer = _peer(asking)
            if peer is None:  # woken by an error that was none
                continue
            answer_ns = question.answer_ns
            if peer in self._own_ends:  # a port that the system lent to this question, or to another one
                return ProbeAnswer(target, "closed", _ONESELF, answer_ns)
            return ProbeAnswer(target, "open", "accepted", answer_ns, banner=await self._banner(question))
        return ProbeAnswer(target, "filtered", "no answer")

    async def _banner(self, question: _Question) -> bytes:
        """The first bytes that the other end says without being spoken to; none where it waits, or has gone."""
        if not self._manner.is_banner_wanted:
            return b""
        question.wait_anew()
        if not await question.is_inspected(self._manner.timeout_s):
            return b""
        try:
            return question.asking.recv(MOST_BANNER_BYTES)
        except OSError:  # reset: it said nothing
            return b""

    async def _answered(self, question: _Question) -> ProbeAnswer:
        """What comes back to a datagram."""
        asking, target = question.asking, question.target
        if asking.getsockname() == asking.getpeername():
            return ProbeAnswer(target, "closed", _ONESELF)
        asked = question_for(target.port, os.urandom(RANDOM_BYTES))
        for _ in range(_UDP_SENDS):
            try:
                asking.send(asked.data)
                question.wait_anew()
                if not await question.is_inspected(self._manner.timeout_s / _UDP_SENDS):
                    continue
                data = asking.recv(_MOST_DATAGRAM_BYTES)
            except BlockingIOError:  # woken by a datagram whose checksum was wrong
                continue
            except OSError as error:
                return question.refusal() or _told_later(question, error.errno or 0)
            reason = _how_answered(asked.protocol, is_right=asked.is_answer(data))
            banner = data[:MOST_BANNER_BYTES] if self._manner.is_banner_wanted else b""
            return ProbeAnswer(target, "open", reason, question.answer_ns, banner=banner)
        return ProbeAnswer(target, "open-or-filtered", "no answer")


@dataclass(slots=True)
class _Question:
    """One socket that waits for its answer."""

    asking: socket.socket
    target: Target
    began_ns: int = field(default_factory=time.perf_counter_ns)
    waits_since_ns: int = field(default_factory=time.perf_counter_ns)
    heard_ns: int | None = None

    @property
    def answer_ns(self) -> int | None:
        """How long it took until the last answer came."""
        return None if self.heard_ns is None else self.heard_ns - self.began_ns

    def wait_anew(self) -> None:
        """Count the next wait from now."""
        self.waits_since_ns = time.perf_counter_ns()

    async def is_inspected(self, timeout_s: float, *, is_to_write: bool = False) -> bool:
        """Whether the socket is readable (or writable), or has an error, within that time since the wait began."""
        loop = asyncio.get_running_loop()
        inspected: asyncio.Future[int] = loop.create_future()
        watch, forget = (loop.add_writer, loop.remove_writer) if is_to_write else (loop.add_reader, loop.remove_reader)
        watch(self.asking, _note_time, inspected)
        left_s = timeout_s - (time.perf_counter_ns() - self.waits_since_ns) / 1e9
        try:
            await asyncio.wait([inspected], timeout=max(0, left_s))
        finally:
            forget(self.asking)
        self.heard_ns = inspected.result() if inspected.done() else None
        return inspected.done()

    def refusal(self) -> ProbeAnswer | None:
        """What an ICMP error says that came for the socket; None where none did."""
        refusal = next_refusal(self.asking)
        if refusal is None:
            return None
        verdict, reason = _judged(self.target, refusal, _ip(self.asking.getsockname()), _peer(self.asking))
        return ProbeAnswer(self.target, verdict, reason, self.answer_ns, refusal.icmp, refusal.said_by)


def _note_time(inspected: asyncio.Future[int]) -> None:
    if not inspected.done():  # it is called again until the waiting task had its turn
        inspected.set_result(time.perf_counter_ns())


def _judged(target: Target, refusal: Refusal, own_ip: str, peer: SocketName | None) -> tuple[Verdict, str]:
    """What an ICMP error means for the target."""
    version = target.ip_version
    words = icmp_words(version, refusal.icmp)
    is_by_the_host = refusal.said_by in (None, _ip(peer or target.address))
    if target.protocol == "udp" and refusal.icmp == PORT_UNREACHABLE[version] and is_by_the_host:
        return "closed", words
    if refusal.icmp in WITHOUT_WAY[version] and refusal.said_by == own_ip and not is_by_the_host:
        return "no-route", _NOBODY_HERE
    return "filtered", words


def _told_at_once(target: Target, code: int) -> ProbeAnswer:
    """What the system says before anything was sent."""
    if code in _BY_THE_HOST:
        return ProbeAnswer(target, *_BY_THE_HOST[code])
    return ProbeAnswer(target, "filtered" if code in _BY_OWN_RULES else "no-route", local_words(code))


def _told_later(question: _Question, code: int) -> ProbeAnswer:
    """What an errno says for which no ICMP error is known."""
    if code in _BY_OWN_RULES:
        return _told_at_once(question.target, code)
    verdict, reason = _BY_THE_HOST.get(code, ("filtered", os.strerror(code).lower()))
    return ProbeAnswer(question.target, verdict, reason, question.answer_ns)


def _how_answered(protocol: str | None, *, is_right: bool) -> str:
    if protocol is None:
        return "answered"
    return f"answered in {protocol}" if is_right else f"answered, but not in {protocol}"


def _peer(asking: socket.socket) -> SocketName | None:
    """The other end's name; None while there is none."""
    try:
        return asking.getpeername()  # type: ignore[no-any-return]  # either family's tuple
    except OSError:
        return None


def _ip(name: SocketName) -> str:
    return str(name[0]).partition("%")[0]  # without the zone
