"""Type information of the running kernel: where a field lies in a structure, and the number of a traced type.

/sys/kernel/btf/vmlinux is a header, types, and strings. A type is 12 bytes and what its kind adds:

    u32 name (offset into the strings) · u32 info (bits 0-15 length, 24-28 kind, 31 flag) · u32 size or type

A structure adds 12 bytes a member (name, type, bit offset; with the flag set, the low 24 bits are it). Byte code
is made for the offsets found here, which is what other tools call relocation. Source: Documentation/bpf/btf.rst.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

VMLINUX = Path("/sys/kernel/btf/vmlinux")

_MAGIC = 0xEB9F
_HEADER_BYTES = 24
_WORDS = struct.Struct("=III")
_INT, _ARRAY, _STRUCT, _UNION, _ENUM, _TYPEDEF, _PROTO, _VARIABLE, _SECTION, _DECLARATION_TAG, _ENUM64 = (
    1, 3, 4, 5, 6, 8, 13, 14, 15, 17, 19,
)  # fmt: skip
_ADDED_BYTES = {_INT: 4, _ARRAY: 12, _VARIABLE: 4, _DECLARATION_TAG: 4}
_ADDED_BYTES_EACH = {_STRUCT: 12, _UNION: 12, _ENUM: 8, _PROTO: 8, _SECTION: 12, _ENUM64: 12}
_TRANSPARENT = (_TYPEDEF, 9, 10, 11, 18)  # typedef, volatile, const, restrict, type tag: look at what they stand for


class KernelTypes:
    """The types of one kernel. LookupError for what it does not have, ValueError where the bytes are no BTF."""

    def __init__(self, data: bytes) -> None:
        if len(data) < _HEADER_BYTES:
            raise ValueError("BTF is shorter than its header")
        magic, _, _, header, types, types_length, strings, strings_length = struct.unpack_from("=HBBIIIII", data)
        if (
            magic != _MAGIC
            or header + strings + strings_length > len(data)
            or header + types + types_length > len(data)
        ):
            raise ValueError("not the BTF of this machine's byte order")
        self._data = data
        self._strings = header + strings
        self._offsets = [0]  # of each type by its number; number 0 is void
        self._numbers: dict[tuple[int, int], int] = {}
        self._index(header + types, header + types + types_length)

    def offset(self, path: str) -> int:
        """Bytes from the start of a structure to a field: ``offset('sock.__sk_common.skc_daddr')``."""
        first, *members = path.split(".")
        number, total = self._number(_STRUCT, first), 0
        for member in members:
            found = self._member(self._resolved(number), member)
            if found is None:
                raise LookupError(f"this kernel has no {path}")
            total, number = total + found[0], found[1]
        return total

    def tracepoint(self, name: str) -> int:
        """The number by which a tp_btf program attaches to a tracepoint."""
        return self._number(_TYPEDEF, f"btf_trace_{name}")

    def _index(self, at: int, end: int) -> None:
        # One pass over some 150 000 types: only what is needed to find one again.
        unpack, data, offsets, numbers = _WORDS.unpack_from, self._data, self._offsets, self._numbers
        wanted = {_STRUCT, _TYPEDEF}
        while at < end:
            name, info, _ = unpack(data, at)
            kind = info >> 24 & 31
            if name and kind in wanted:
                numbers.setdefault((kind, name), len(offsets))
            offsets.append(at)
            at += 12 + _ADDED_BYTES.get(kind, 0) + _ADDED_BYTES_EACH.get(kind, 0) * (info & 0xFFFF)

    def _number(self, kind: int, name: str) -> int:
        text = b"\0" + name.encode() + b"\0"
        at = self._data.find(text, self._strings)
        while at >= 0:
            number = self._numbers.get((kind, at + 1 - self._strings))
            if number is not None:
                return number
            at = self._data.find(text, at + 1)
        raise LookupError(f"this kernel has no {name}")

    def _member(self, number: int, wanted: str) -> tuple[int, int] | None:
        """(byte offset, type) of a member, looked for in unnamed structures and unions too."""
        for name, kind, bits in self._members(number):
            if name == wanted:
                return bits // 8, kind
            inner = None if name else self._member(self._resolved(kind), wanted)
            if inner:
                return bits // 8 + inner[0], inner[1]
        return None

    def _members(self, number: int) -> Iterator[tuple[str, int, int]]:
        at = self._offsets[number]
        _, info, _ = _WORDS.unpack_from(self._data, at)
        if info >> 24 & 31 not in (_STRUCT, _UNION):
            return
        for i in range(info & 0xFFFF):
            name, kind, bits = _WORDS.unpack_from(self._data, at + 12 + 12 * i)
            yield self._text(name), kind, bits & 0xFFFFFF if info >> 31 else bits

    def _resolved(self, number: int) -> int:
        while number:
            _, info, kind = _WORDS.unpack_from(self._data, self._offsets[number])
            if info >> 24 & 31 not in _TRANSPARENT:
                break
            number = kind
        return number

    def _text(self, offset: int) -> str:
        start = self._strings + offset
        return self._data[start : self._data.index(b"\0", start)].decode()
