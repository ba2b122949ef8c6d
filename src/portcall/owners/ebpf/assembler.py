"""An assembler for eBPF: readable calls in, the kernel's 8-byte instructions out.

    bits   0-7      8-11         12-15   16-31   32-63
         opcode  destination   source   offset  immediate

Registers: r0 result, r1-r5 arguments (clobbered by calls), r6-r9 kept across calls, r10 the top of a 512-byte stack.
Jumps name labels, resolved by ``build``. Source: the kernel's Documentation/bpf/standardization/instruction-set.rst.
It knows instructions only, no program and no system call.
"""

from __future__ import annotations

import enum
import struct


class Register(enum.IntEnum):
    """The eleven registers of the machine."""

    R0 = 0
    R1 = 1
    R2 = 2
    R3 = 3
    R4 = 4
    R5 = 5
    R6 = 6
    R7 = 7
    R8 = 8
    R9 = 9
    R10 = 10


R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10 = Register

_SIZES = {1: 0x10, 2: 0x08, 4: 0x00, 8: 0x18}
_OPERATIONS = {"+": 0x00, "-": 0x10, "|": 0x40, "&": 0x50, "<<": 0x60, ">>": 0x70, "=": 0xB0, "signed >>": 0xC0}
_CONDITIONS = {"==": 0x10, ">": 0x20, ">=": 0x30, "!=": 0x50, "<": 0xA0, "<=": 0xB0, "signed <": 0xC0}

_LOAD, _STORE_REGISTER, _STORE_IMMEDIATE = 0x61, 0x63, 0x62
_LOAD_MAP, _PSEUDO_MAP_FD = 0x18, 1
_ARITHMETIC_64, _JUMP_64, _FROM_REGISTER = 0x07, 0x05, 0x08
_JUMP, _CALL, _EXIT, _TO_BIG_ENDIAN, _ATOMIC_ADD_64 = 0x05, 0x85, 0x95, 0xDC, 0xDB


class Assembler:
    """Collects instructions; every method returns the assembler, so that lines that belong together chain."""

    def __init__(self) -> None:
        self._instructions: list[tuple[int, int, int, int, int]] = []
        self._labels: dict[str, int] = {}
        self._jumps: list[tuple[int, str]] = []

    def set(self, target: Register, value: int | Register) -> Assembler:
        """Let target = value."""
        return self.compute(target, "=", value)

    def compute(self, target: Register, operation: str, value: int | Register) -> Assembler:
        """Let target = target OPERATION value, in 64 bits."""
        code = _ARITHMETIC_64 | _OPERATIONS[operation]
        if isinstance(value, Register):
            return self._emit(code | _FROM_REGISTER, target, value)
        return self._emit(code, target, immediate=value)

    def address(self, target: Register, base: Register, offset: int) -> Assembler:
        """Let target = base + offset, a pointer."""
        return self.set(target, base).compute(target, "+", offset)

    def load(self, size: int, target: Register, base: Register, offset: int = 0) -> Assembler:
        """Let target = the ``size`` bytes at base + offset, zero-extended."""
        return self._emit(_LOAD | _SIZES[size], target, base, offset)

    def store(self, size: int, base: Register, offset: int, value: int | Register) -> Assembler:
        """The ``size`` bytes at base + offset = value."""
        if isinstance(value, Register):
            return self._emit(_STORE_REGISTER | _SIZES[size], base, value, offset)
        return self._emit(_STORE_IMMEDIATE | _SIZES[size], base, 0, offset, value)

    def atomic_add(self, base: Register, offset: int, value: Register) -> Assembler:
        """The 8 bytes at base + offset += value, whatever other processors do meanwhile."""
        return self._emit(_ATOMIC_ADD_64, base, value, offset)

    def host_order(self, bits: int, target: Register) -> Assembler:
        """The low 16 or 32 bits of target from network to host order, the rest zero."""
        return self._emit(_TO_BIG_ENDIAN, target, immediate=bits)

    def map(self, target: Register, descriptor: int) -> Assembler:
        """Let target = the map behind a file descriptor."""
        self._emit(_LOAD_MAP, target, _PSEUDO_MAP_FD, 0, descriptor)
        return self._emit(0)

    def call(self, helper: int) -> Assembler:
        """r0 = helper(r1, …, r5)."""
        return self._emit(_CALL, immediate=helper)

    def label(self, name: str) -> Assembler:
        """Name the next instruction."""
        if name in self._labels:
            raise ValueError(f"label {name} is there twice")
        self._labels[name] = len(self._instructions)
        return self

    def jump(self, label: str) -> Assembler:
        """Go on at the label, which lies further down."""
        self._jumps.append((len(self._instructions), label))
        return self._emit(_JUMP)

    def jump_if(self, left: Register, condition: str, right: int | Register, label: str) -> Assembler:
        """Go on at the label where ``left CONDITION right``."""
        self._jumps.append((len(self._instructions), label))
        code = _JUMP_64 | _CONDITIONS[condition]
        if isinstance(right, Register):
            return self._emit(code | _FROM_REGISTER, left, right)
        return self._emit(code, left, immediate=right)

    def exit(self, result: int) -> Assembler:
        """Return the result."""
        self.set(R0, result)
        return self._emit(_EXIT)

    def build(self) -> bytes:
        """The program; KeyError where a jump's label is nowhere."""
        code = bytearray()
        targets = {at: self._labels[label] - at - 1 for at, label in self._jumps}
        for at, (opcode, target, source, offset, immediate) in enumerate(self._instructions):
            word = immediate & 0xFFFFFFFF
            code += struct.pack("<BBhI", opcode, source << 4 | target, targets.get(at, offset), word)
        return bytes(code)

    def _emit(self, code: int, target: int = 0, source: int = 0, offset: int = 0, immediate: int = 0) -> Assembler:
        self._instructions.append((code, target, source, offset, immediate))
        return self
