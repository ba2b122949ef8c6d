"""The pcapng format (draft-ietf-opsawg-pcapng): sections, interfaces, and blocks of packets between them.

Packet blocks are the kernel's; this module reads what changes their meaning. A section header sets the byte order and
forgets the interfaces; an interface description tells link type, snap length and the unit and origin of time.

    section    0 0A0D0D0A:32  4 length:32  8 1A2B3C4D:32 (in its byte order)  12 major:16  14 minor:16  16 length:64
    interface  0 1:32  4 length:32  8 link:16  10 reserved:16  12 snap length:32  16 options
    names      0 4:32  4 length:32  8 records of 0 type:16  2 length:16  4 value, padded to 4 bytes; then options
    secrets    0 10:32  4 length:32  8 type:32  12 length:32  16 data, padded to 4 bytes; then options
    option     0 code:16  2 length:16  4 value, padded to 4 bytes

What hosts are called, and the secrets of TLS, are handed on in a batch without frames; who owns packets, to who knows
these formats.
"""

from __future__ import annotations

import struct
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from portcall.errors import CaptureError
from portcall.kernels.record_walk import DAMAGED, MORE_BYTES, OTHER_BLOCK, OTHER_CAPTURE, ZEROS, PcapngWalk
from portcall.kernels.recording.packet_options import list_packet_options
from portcall.records.packets import FrameBatch
from portcall.records.recorded.claims import PACKET_OPTION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from portcall.records.recorded.claims import OwnersInside
    from portcall.records.recorded.process_blocks import TurnLine
    from portcall.sources.padding import Padding
    from portcall.sources.window import Window

INTERFACE = np.dtype(
    [
        ("link", "u2"),
        ("reserved", "u2"),
        ("snap_length", "u4"),
        ("ticks_per_second", "u8"),
        ("remainder_multiplier", "u8"),  # ns of a remainder = ((remainder >> shift) * multiplier) // divisor
        ("remainder_divisor", "u8"),
        ("remainder_shift", "u8"),
        ("offset_seconds", "i8"),
    ]
)
_SECTION = b"\x0a\x0d\x0d\x0a"
_MAX_BLOCK_BYTES = 16 << 20
_ALIGNED_BYTES = 4  # every block has a multiple of them
_BINARY = 0x80
_SECTION_HEADER_BYTES = 28
_INTERFACE_HEADER_BYTES = 20
_TIME_RESOLUTION, _TIME_OFFSET = 9, 14
_SECTION_HEADER, _INTERFACE_DESCRIPTION, _NAME_RESOLUTION, _DECRYPTION_SECRETS = 0x0A0D0D0A, 1, 4, 10
_STATISTICS = 5
_LEAST_OPTIONS = 1 << 12  # that there is room for, where packets have some
_END_OF_RECORDS, _ADDRESS_BYTES = 0, {1: 4, 2: 16}
_MOST_NAME_BYTES = 255  # RFC 1035 §2.3.4
_TLS_KEY_LOG = 0x544C534B


class PcapngBounds(NamedTuple):
    """Of what a section tells besides frames."""

    most_interfaces: int = 1 << 18
    """Of a section; with one more, it is damaged."""
    most_names: int = 1 << 17
    """Of a block that tells names; others are counted."""
    most_options: int = 64
    """Of a packet, that may name processes; others are counted."""


class PcapngSource:
    """A pcapng stream as frames."""

    MAGICS = frozenset({_SECTION})

    def __init__(
        self,
        path: str,
        window: Window,
        padding: Padding,
        owners: OwnersInside | None = None,
        bounds: PcapngBounds | None = None,
    ) -> None:
        """``owners`` reads whom the capture names, None: nobody does. ``bounds``: None for the usual ones."""
        self._bounds = bounds or PcapngBounds()
        self.names_left_out = 0
        self._options_left_out = np.zeros(1, np.uint64)
        self._path, self._window, self._padding, self._owners = path, window, padding, owners
        self._options = np.zeros(0, PACKET_OPTION)
        self._walk = PcapngWalk(lists_options=owners is not None)
        self._interfaces = np.zeros(8, INTERFACE)
        self._count = 0
        self._before = 0

    def batches(self) -> Iterator[FrameBatch]:
        """Batch after batch, up to where another capture begins; CaptureError after the last whole block."""
        window, walk = self._window, self._walk
        number = 1
        walk.describe(self._interfaces, 0, 0)
        while True:
            frames = window.walk(walk)
            if len(frames):
                yield FrameBatch(frames, window.bytes, number, claims=self._claims(frames))
                number += len(frames)
            if walk.stop == OTHER_BLOCK:
                said = self._read_block()
                if any(said):
                    yield FrameBatch(frames[:0], window.bytes, number, **said._asdict())
            elif walk.stop == DAMAGED:
                raise self._damage(walk.reason)
            elif walk.stop == OTHER_CAPTURE:
                return
            elif walk.stop == ZEROS:
                self._padding.pass_over(window, _ALIGNED_BYTES)
            elif walk.stop == MORE_BYTES and not window.more(walk):
                break
        if window.end > window.start and not self._padding.is_rest_of(window):
            raise self._damage("the file ends inside a block")

    def _claims(self, frames: NDArray[np.void]) -> NDArray[np.uint32] | None:
        """What FRAME[n], just walked over, claim of owners; None where nobody is named."""
        if not self._owners:
            return None
        count = 0
        if self._walk.names_processes:
            listing = partial(list_packet_options, frames, self._window.bytes, self._walk.big)
            while (count := listing(self._options, self._options_left_out, self._bounds.most_options)) < 0:
                self._options = np.zeros(max(_LEAST_OPTIONS, 2 * len(self._options)), PACKET_OPTION)
        return self._owners.claims(frames, self._window.bytes, self._options[:count])

    @property
    def options_left_out(self) -> int:
        """Of packets, that may have named processes."""
        return int(self._options_left_out[0])

    def _damage(self, reason: str) -> CaptureError:
        return CaptureError(self._path, self._window.position, reason, "The frames before it count")

    def _read_block(self) -> _Said:
        """Read a block that is no packet; gives what is in it for others."""
        order = ">" if self._walk.big else "<"
        kind, length = struct.unpack(order + "II", self._window.bytes[self._window.start :][:8].tobytes())
        if kind != _STATISTICS:
            self._window.told_at = self._window.position
        if kind in (_SECTION_HEADER, _INTERFACE_DESCRIPTION):
            self._read_section_block(kind)
            return _Said()
        length = length + 3 & ~3
        body = self._window.bytes[self._window.start :][8 : length - 4].tobytes()
        self._window.start += length
        if kind == _NAME_RESOLUTION:
            names, left_out = _host_names(body, order, self._bounds.most_names)
            self.names_left_out += left_out
            return _Said(host_names=names)
        if kind == _DECRYPTION_SECRETS:
            return _Said(key_log=_tls_secrets(body, order))
        return _Said(turns=self._owners.read_block(kind, body, order) if self._owners else ())

    def _read_section_block(self, kind: int) -> None:
        if not self._window.want(_SECTION_HEADER_BYTES if self._starts_section() else _INTERFACE_HEADER_BYTES):
            raise self._damage("the file ends inside a block")
        if self._starts_section():
            self._window.section_at = self._window.position
            self._walk.big = self._byte_order()
            self._before += self._count
            self._count = 0
        order = ">" if self._walk.big else "<"
        head = self._window.bytes[self._window.start :][:8].tobytes()
        (length,) = struct.unpack(order + "I", head[4:])
        if length % 4 or not _INTERFACE_HEADER_BYTES <= length <= _MAX_BLOCK_BYTES:
            raise self._damage("a block's length is impossible")
        if not self._window.want(length):
            raise self._damage("the file ends inside a block")
        block = self._window.bytes[self._window.start :][:length].tobytes()
        if block[-4:] != block[4:8]:
            raise self._damage("a block's two lengths differ")
        if not self._starts_section():
            self._describe(block, order)
        if self._owners:
            self._owners.read_block(kind, block[8:-4], order)
        self._window.start += length
        self._walk.describe(self._interfaces, self._count, self._before)

    def _starts_section(self) -> bool:
        return self._window.bytes[self._window.start :][:4].tobytes() == _SECTION

    def _byte_order(self) -> bool:
        mark = self._window.bytes[self._window.start + 8 :][:4].tobytes()
        if mark not in (b"\x1a\x2b\x3c\x4d", b"\x4d\x3c\x2b\x1a"):
            raise self._damage("a section header has no byte-order mark")
        return mark[0] == 0x1A  # noqa: PLR2004

    def _describe(self, block: bytes, order: str) -> None:
        if self._count == self._bounds.most_interfaces:
            raise self._damage(f"a section describes more than {self._bounds.most_interfaces} interfaces")
        if self._count == len(self._interfaces):
            self._interfaces = np.concatenate([self._interfaces, np.zeros(len(self._interfaces), INTERFACE)])
        link, _, snap_length = struct.unpack(order + "HHI", block[8:16])
        options = _options(block[16:-4], order)
        resolution = options.get(_TIME_RESOLUTION, b"\x06")
        offset = options.get(_TIME_OFFSET, b"")
        self._interfaces[self._count] = (
            link,
            0,
            snap_length,
            *_ticks(resolution[0] if resolution else 6),
            struct.unpack(order + "q", offset)[0] if len(offset) == 8 else 0,  # noqa: PLR2004
        )
        self._count += 1


class _Said(NamedTuple):
    """What is in a block for others."""

    host_names: tuple[tuple[str, bytes], ...] = ()
    key_log: bytes = b""
    turns: tuple[TurnLine, ...] = ()


def _host_names(body: bytes, order: str, most: int) -> tuple[tuple[tuple[str, bytes], ...], int]:
    """(name, address) of each name in a Name Resolution Block (§4.6): an address, then names that end with a zero.

    With how many were more than there is room for.
    """
    found: list[tuple[str, bytes]] = []
    at = left_out = 0
    while at + 4 <= len(body):
        kind, length = struct.unpack_from(order + "HH", body, at)
        size = _ADDRESS_BYTES.get(kind, length)
        if kind == _END_OF_RECORDS:
            break
        address, names = body[at + 4 : at + 4 + size], body[at + 4 + size : at + 4 + length].split(b"\0")[:-1]
        fit = [name for name in names if 0 < len(name) <= _MOST_NAME_BYTES]
        room = most - len(found)
        found += [(_text(name), address) for name in fit[:room]]
        left_out += len(fit[room:])
        at += 4 + (length + 3 & ~3)
    return tuple(found), left_out


def _text(name: bytes) -> str:
    """A host's name as resolvers' answers have it: lower case, without the last dot."""
    return name.decode("utf-8", "backslashreplace").lower().rstrip(".")


def _tls_secrets(body: bytes, order: str) -> bytes:
    """The key log in a Decryption Secrets Block (§4.7), empty where it has secrets of another kind."""
    if len(body) < 8:  # noqa: PLR2004 (kind and length)
        return b""
    kind, length = struct.unpack_from(order + "II", body)
    return body[8 : 8 + length] if kind == _TLS_KEY_LOG else b""


def _options(data: bytes, order: str) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(data):
        code, length = struct.unpack(order + "HH", data[at : at + 4])
        if code == 0:
            break
        found.setdefault(code, data[at + 4 : at + 4 + length])
        at += 4 + (length + 3 & ~3)
    return found


def _ticks(resolution: int) -> tuple[int, int, int, int]:
    """if_tsresol as ticks a second, and multiplier, divisor and shift that make ns of a remainder within 64 bits.

    Finer than 10^-19 s or 2^-63 s does not fit 64 bits of time at all, and is taken as that.
    """
    exponent = resolution & ~_BINARY
    if resolution & _BINARY:
        exponent = min(exponent, 63)
        shift = max(exponent - 33, 0)
        return 1 << exponent, 10**9, 1 << (exponent - shift), shift
    exponent = min(exponent, 19)
    if exponent <= 9:  # noqa: PLR2004 (ns)
        return 10**exponent, 10 ** (9 - exponent), 1, 0
    return 10**exponent, 1, 10 ** (exponent - 9), 0
