"""What the kernel runs on each frame before it copies it into a ring: which interfaces, which copies, which frames.

Classic BPF, as SO_ATTACH_FILTER takes it: it gives how many bytes of a frame to keep, 0 for none. One ring listens to
all interfaces of a namespace, so it asks the frame for its interface; then it drops the copy that a sender makes of a
frame that comes back as a received one; and it leaves the rest to libpcap's program for the frame's link type.

    interface?  ─none of ours→ drop
    sent on loopback or CAN? ─→ drop        libpcap's rule (pcap-linux.c, linux_check_direction)
    hardware A? ─→ program for A's link ─→ keep or drop
    hardware B? ─→ program for B's link ─→ keep or drop
    otherwise   ─→ keep
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from portcall.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST_INSTRUCTIONS = 4096  # BPF_MAXINSNS
INSTRUCTION = struct.Struct("=HBBI")  # code, if true, if not, operand: struct sock_filter

_LOAD, _JUMP, _IF_EQUAL, _RETURN = 0x20, 0x05, 0x15, 0x06  # ld [k] · ja k · jeq #k · ret #k
_ANCILLARY = 0xFFFFF000  # SKF_AD_OFF: below, what the kernel knows of a frame besides its bytes
_WAY, _INTERFACE, _HARDWARE = _ANCILLARY + 4, _ANCILLARY + 8, _ANCILLARY + 28
_OUTGOING = 4
_LOOPBACK, _CAN = 772, 280


def build(interfaces: Sequence[int] | None, programs: Mapping[tuple[int, ...], bytes], snap_length: int) -> bytes:
    """The whole program, struct sock_filter[n].

    ``interfaces``: indices, None for all; ``programs``: libpcap's program by the ARPHRD_ numbers it is for; frames of
    other hardware are kept for somebody else to judge. UsageError where it is longer than the kernel takes.
    """
    kept = {numbers: _cut(program, snap_length) for numbers, program in programs.items()}
    program = b"".join([_only(interfaces), _once(), _dispatch(kept), _one(_RETURN, snap_length), *kept.values()])
    if len(program) > MOST_INSTRUCTIONS * INSTRUCTION.size:
        raise UsageError("the filter and the interfaces are too much for the kernel; shorten it, or take '-i any'")
    return program


def _one(code: int, operand: int, if_true: int = 0, if_not: int = 0) -> bytes:
    return INSTRUCTION.pack(code, if_true, if_not, operand)


def _only(interfaces: Sequence[int] | None) -> bytes:
    if interfaces is None:
        return b""
    return _one(_LOAD, _INTERFACE) + _jumps([(index, 0) for index in interfaces], ahead=1) + _one(_RETURN, 0)


def _jumps(targets: Sequence[tuple[int, int]], ahead: int) -> bytes:
    """Where the loaded number is one of these, go to its target, counted from ``ahead`` after the last test.

    A conditional jump reaches 255 instructions, an unconditional one all.
    """
    last = len(targets) - 1
    return b"".join(
        _one(_IF_EQUAL, number, 0, 1) + _one(_JUMP, 2 * (last - i) + ahead + target)
        for i, (number, target) in enumerate(targets)
    )


def _once() -> bytes:
    return b"".join(
        [
            _one(_LOAD, _HARDWARE),
            _one(_IF_EQUAL, _LOOPBACK, 1, 0),
            _one(_IF_EQUAL, _CAN, 0, 3),
            _one(_LOAD, _WAY),
            _one(_IF_EQUAL, _OUTGOING, 0, 1),
            _one(_RETURN, 0),
        ]
    )


def _dispatch(programs: Mapping[tuple[int, ...], bytes]) -> bytes:
    """Where none of the numbers is the frame's, it goes on behind."""
    if not programs:
        return b""
    targets: list[tuple[int, int]] = []
    start = 0
    for numbers, program in programs.items():
        targets.extend((number, start) for number in numbers)
        start += len(program) // INSTRUCTION.size
    return _one(_LOAD, _HARDWARE) + _jumps(targets, ahead=1)


def _cut(program: bytes, snap_length: int) -> bytes:
    """The same program, keeping ``snap_length`` bytes where it keeps any."""
    return b"".join(
        INSTRUCTION.pack(code, if_true, if_not, snap_length if code == _RETURN and operand else operand)
        for code, if_true, if_not, operand in INSTRUCTION.iter_unpack(program)
    )
