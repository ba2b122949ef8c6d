"""What one capture says of owners, in order: its blocks, and what its packets say.

a section begins      all processes, apps and interfaces are forgotten: another machine may have written it
a block of processes  is kept by pid, by its place or by user id
a packet              names processes by pid (option 8), by a block's place (Darwin), in comments, in a header before it
                      (PKTAP) or in a trailer behind it (PCAPdroid); the first of these that it has counts
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from portcall.owners.recorded import darwin, pcapdroid, pktap, wireshark
from portcall.owners.recorded.comments import CommentTexts
from portcall.owners.recorded.own import OwnLines
from portcall.owners.recorded.wireshark import ProcessBlocks
from portcall.owners.recorded.words import options_of
from portcall.records.packets import Direction
from portcall.records.recorded.claims import OWN_INTERFACES, Claim, ClaimedEnd, clean_name
from portcall.records.recorded.process_blocks import (
    CUSTOM_BLOCK,
    CUSTOM_BLOCK_NOT_COPIED,
    DARWIN_PROCESS_BLOCK,
    EPB_COMMENT,
    EPB_PROCESS,
    OWN_ENTERPRISE,
    OWN_WRITER,
    PCAPDROID_ENTERPRISE,
    WIRESHARK_ENTERPRISE,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from portcall.records.recorded.claims import ClaimTable
    from portcall.records.recorded.process_blocks import TurnLine

_SECTION, _INTERFACE = 0x0A0D0D0A, 1
_SECTION_OPTIONS, _INTERFACE_OPTIONS = 16, 8  # where they begin, behind a block's length
_HARDWARE, _SYSTEM, _APPLICATION, _INTERFACE_NAME = 2, 3, 4, 2
_NAMES_WHO_RAN = b"etl2pcapng"
_LOOPBACKS = frozenset({"lo", "lo0"})
_LOOKS = 8  # batches of some hundred frames: a capture with trailers has them all along
_MOST_CHOICES = 1 << 15
_MOST_BLOCKS = 1 << 20  # that are counted; those beyond MOST_OWNERS name nobody
_CODE = 32  # bits above them say which option a value is of
_CODES = {EPB_PROCESS, darwin.PROCESS, darwin.EFFECTIVE_PROCESS, EPB_COMMENT}


class OwnersOfCapture:
    """Reads what one capture says of owners. What it finds goes into the table of the run."""

    def __init__(self, table: ClaimTable) -> None:
        self._table = table
        self._comments = CommentTexts()
        self._is_tapped, self._looks = False, _LOOKS
        self._heads: dict[bytes, int] = {}
        self._first_interface = 0
        self._begin(b"", "<")

    def read_block(self, kind: int, body: bytes, order: str) -> tuple[TurnLine, ...]:
        """Take in a section header, an interface, or a block of processes, in its section's byte order."""
        try:
            return self._read(kind, body, order)
        except ValueError:
            self._table.damaged += 1
            return ()

    def claims(
        self, frames: NDArray[np.void], buffer: NDArray[np.uint8], options: NDArray[np.void]
    ) -> NDArray[np.uint32] | None:
        """The number of the claim on each of FRAME[n], with their PACKET_OPTION[m]; None where nobody is named."""
        claims = None
        if len(options):
            claims = self._claims_of_options(frames, buffer, options)
        elif self._looks:
            claims = self._claims_of_frames(frames, buffer)
        if self._is_own:
            self._place(frames)
        return claims

    @property
    def is_looking(self) -> bool:
        """Whether frames may name somebody in what lies before or behind packets, or are numbered anew."""
        return self._is_own or self._is_tapped or self._looks > 0

    def _claims_of_frames(self, frames: NDArray[np.void], buffer: NDArray[np.uint8]) -> NDArray[np.uint32] | None:
        """What headers before, or trailers behind packets claim; after some batches without any, nobody looks again."""
        if self._is_tapped or frames[0]["link"] in pktap.LINKS:
            self._is_tapped = True
            return pktap.header_claims(frames, buffer, self._table, self._heads)
        if pcapdroid.has_trailers(frames, buffer):
            self._looks = _LOOKS
            return pcapdroid.trailer_claims(frames, buffer, self._table, self._heads)
        self._looks -= 1
        return None

    def _begin(self, options: bytes, order: str) -> None:
        said = options_of(options, order)
        self._order = order
        self._is_own = said.get(_APPLICATION, b"").startswith(OWN_WRITER.encode())
        self._is_weak = any(
            _NAMES_WHO_RAN in said.get(code, b"").lower() for code in (_HARDWARE, _SYSTEM, _APPLICATION)
        )
        self._processes = ProcessBlocks(self._table)
        self._darwin: list[int] = []
        self._darwin_waiting: dict[int, int] = {}
        self._apps: dict[int, int] = {}
        self._interfaces: list[str] = []
        self._own = OwnLines(self._table, self._processes, self._interfaces if self._is_own else [])
        self._points: NDArray[np.uint32] | None = None
        self._chosen: dict[tuple[int, ...], int] = {}

    def _read(self, kind: int, body: bytes, order: str) -> tuple[TurnLine, ...]:
        if kind == _SECTION:
            self._first_interface += len(self._interfaces)
            self._begin(body[_SECTION_OPTIONS:], order)
        elif kind == _INTERFACE:
            link = int.from_bytes(body[:2], "little" if order == "<" else "big")
            self._is_tapped |= link in pktap.LINKS
            self._looks = _LOOKS
            name = options_of(body[_INTERFACE_OPTIONS:], order).get(_INTERFACE_NAME, b"") if self._is_own else b""
            self._interfaces.append(clean_name(name))
            self._points = None
        elif kind == DARWIN_PROCESS_BLOCK:
            self._add_darwin(body, order)
        elif kind in (CUSTOM_BLOCK, CUSTOM_BLOCK_NOT_COPIED) and len(body) >= 4:  # noqa: PLR2004 (whose it is)
            return self._read_custom(int.from_bytes(body[:4], "little" if order == "<" else "big"), body[4:], order)
        return ()

    def _read_custom(self, enterprise: int, data: bytes, order: str) -> tuple[TurnLine, ...]:
        if enterprise == WIRESHARK_ENTERPRISE:
            process = wireshark.process_of(data)
            if process:
                self._processes.add(process)
        elif enterprise == PCAPDROID_ENTERPRISE:
            mapped = pcapdroid.mapped_app(data, order)
            if mapped and mapped[0] in self._apps:
                self._table.replace(self._apps[mapped[0]], mapped[1])
            elif mapped and (number := self._table.reserve(mapped[1])):
                self._apps[mapped[0]] = number
        elif enterprise == OWN_ENTERPRISE:
            self._points = None
            return self._own.read(data)
        return ()

    def _add_darwin(self, body: bytes, order: str) -> None:
        process = darwin.process_of(body, order)
        if process is None:
            raise ValueError("a block of Darwin's is too short")
        waiting = self._darwin_waiting.pop(len(self._darwin), 0)
        if waiting:
            self._table.replace(waiting, process)
        if len(self._darwin) < _MOST_BLOCKS:
            self._darwin.append(waiting or self._table.reserve(process))

    def _place(self, frames: NDArray[np.void]) -> None:
        """Number the interfaces over the run, and say which frames never left the machine."""
        if self._points is None:
            self._points = np.array([self._own.point_of(number) for number in range(len(self._interfaces))], np.uint32)
            self._are_loopbacks = np.array([name in _LOOPBACKS for name in self._interfaces], np.bool_)
        here = frames["interface"] - np.uint32(self._first_interface)
        frames["direction"][self._are_loopbacks[here]] = Direction.INTERNAL
        frames["interface"] = self._points[here] + np.uint32(OWN_INTERFACES)

    def _claims_of_options(
        self, frames: NDArray[np.void], buffer: NDArray[np.uint8], options: NDArray[np.void]
    ) -> NDArray[np.uint32]:
        """Frames that say the same are looked at once: what an option says is a number, and so are they together."""
        if self._comments.is_full or len(self._chosen) > _MOST_CHOICES:
            self._comments.forget()
            self._chosen.clear()
        said = self._values(frames, buffer, options)
        claims = np.zeros(len(frames), np.uint32)
        starts = np.flatnonzero(np.diff(options["frame"].astype(np.int64), prepend=-1))
        counts = np.diff(starts, append=len(options))
        for count in np.unique(counts).tolist():
            rows = starts[counts == count]
            together = list(zip(*(said[rows + place].tolist() for place in range(count)), strict=True))
            numbers = list(map(self._chosen.get, together))
            if None in numbers:
                numbers = list(map(self._claim, together))
            claims[options["frame"][rows]] = np.array(numbers, np.uint32)
        return claims

    def _values(
        self, frames: NDArray[np.void], buffer: NDArray[np.uint8], options: NDArray[np.void]
    ) -> NDArray[np.uint64]:
        """uint64[m]: which option each is, and the number of an owner or a comment; 0 where it says nothing."""
        said = np.zeros(len(options), np.uint64)
        codes, places = options["code"], options["offset"].astype(np.int64)
        by_pid = np.flatnonzero((codes == EPB_PROCESS) & (options["length"] == 8))  # noqa: PLR2004
        if len(by_pid):
            pids = self._numbers(buffer, places[by_pid])
            said[by_pid] = self._processes.numbers(pids, frames["ts_ns"][options["frame"][by_pid]])
        by_place = np.flatnonzero(np.isin(codes, (darwin.PROCESS, darwin.EFFECTIVE_PROCESS)) & (options["length"] == 4))  # noqa: PLR2004
        if len(by_place):
            blocks, which = np.unique(self._numbers(buffer, places[by_place]), return_inverse=True)
            said[by_place] = np.array([self._darwin_number(block) for block in blocks.tolist()], np.uint64)[which]
        by_comment = np.flatnonzero(codes == EPB_COMMENT)
        view, number = buffer.data, self._comments.number
        lengths = np.minimum(options["length"][by_comment], np.uint16(4096)).tolist()
        for i, at, length in zip(by_comment.tolist(), places[by_comment].tolist(), lengths, strict=True):
            said[i] = number(view[at : at + length].tobytes())
        means = said != 0
        means[by_pid] = True  # also who is not known has its place
        said[means] |= codes[means].astype(np.uint64) << np.uint64(_CODE)
        return said

    def _numbers(self, buffer: NDArray[np.uint8], places: NDArray[np.int64]) -> NDArray[np.uint32]:
        """The u32 at each place, in the section's byte order."""
        return np.asarray(buffer[places[:, None] + np.arange(4)].view(f"{self._order}u4").ravel(), np.uint32)

    def _darwin_number(self, block: int) -> int:
        if block < len(self._darwin):
            return self._darwin[block]
        if block not in self._darwin_waiting:
            nobody_yet = darwin.process_of(bytes(4), "<")
            number = self._table.reserve(nobody_yet) if nobody_yet else 0
            if not number:
                return 0
            self._darwin_waiting[block] = number
        return self._darwin_waiting[block]

    def _claim(self, said: tuple[int, ...]) -> int:
        """The number of the claim of a packet that says all that."""
        claim = self._chosen.get(said)
        if claim is None:
            by_code: dict[int, list[int]] = {code: [] for code in _CODES}
            for value in said:
                by_code.get(value >> _CODE, []).append(value & 0xFFFFFFFF)
            claim = self._chosen[said] = self._claim_of(by_code)
        return claim

    def _claim_of(self, said: dict[int, list[int]]) -> int:
        named = self._comments.named(said[EPB_COMMENT]) if said[EPB_COMMENT] else None
        if any(said[EPB_PROCESS]):
            owners = tuple(said[EPB_PROCESS])
            if named and named.recorded:
                self._processes.unite_with(named.recorded, owners)
            end = ClaimedEnd.IN_ORDER if self._is_own or len(owners) > 1 else ClaimedEnd.BY_DIRECTION
            return self._table.claim(Claim(owners, end, is_weak_inbound=self._is_weak))
        by_block = said[darwin.EFFECTIVE_PROCESS] or said[darwin.PROCESS]
        if by_block:
            return self._table.claim(Claim(tuple(by_block), ClaimedEnd.BY_DIRECTION))
        if named and named.user is not None:
            return self._table.claim(Claim((self._app_number(named.user),), ClaimedEnd.BY_DIRECTION))
        if named and named.receiver:
            sender = self._table.number(named.recorded) if named.recorded else 0
            return self._table.claim(Claim((sender, self._table.number(named.receiver)), ClaimedEnd.IN_ORDER))
        if named and named.recorded:
            recorded = named.recorded
            claim = Claim((self._table.number(recorded),), named.end, is_weak_inbound=not recorded.is_sure)
            return self._table.claim(claim)
        return 0

    def _app_number(self, user: int) -> int:
        if user not in self._apps and (number := self._table.reserve(pcapdroid.app_of(user))):
            self._apps[user] = number
        return self._apps.get(user, 0)
