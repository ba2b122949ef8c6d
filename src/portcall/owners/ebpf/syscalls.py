"""bpf(2) through ctypes: maps, programs, links; each result is a file descriptor, and dies with it.

The structures passed are the members of ``union bpf_attr`` in the kernel's include/uapi/linux/bpf.h, packed by hand and
padded with zeros, which the kernel takes for "not given".
"""

from __future__ import annotations

import ctypes
import enum
import os
import struct

from portcall.system.kernel_calls import call

_MAP_CREATE, _MAP_UPDATE, _PROGRAM_LOAD, _RAW_TRACEPOINT_OPEN, _LINK_CREATE = 0, 2, 5, 17, 28
_ATTRIBUTE_BYTES = 144
_LOG_BYTES = 1 << 18
_LOG_SHOWN = 1500

MAP_IS_MAPPABLE = 1 << 10


class MapKind(enum.IntEnum):
    """Kinds of maps that the programs use."""

    ARRAY = 2
    LRU_HASH = 9
    RING_BUFFER = 27


class ProgramKind(enum.IntEnum):
    """Kinds of programs: what their context is, and which helpers they may call."""

    CGROUP_SKB = 8
    CGROUP_SOCK = 9
    SOCK_OPS = 13
    CGROUP_SOCK_ADDR = 18
    TRACING = 26


class AttachPoint(enum.IntEnum):
    """Where a program runs."""

    CGROUP_INET_INGRESS = 0
    CGROUP_INET_EGRESS = 1
    CGROUP_INET_SOCK_CREATE = 2
    CGROUP_SOCK_OPS = 3
    CGROUP_INET4_POST_BIND = 12
    CGROUP_INET6_POST_BIND = 13
    CGROUP_UDP4_SENDMSG = 14
    CGROUP_UDP6_SENDMSG = 15
    CGROUP_UDP4_RECVMSG = 19
    CGROUP_UDP6_RECVMSG = 20
    TRACE_RAW_TP = 23
    CGROUP_INET4_GETPEERNAME = 29
    CGROUP_INET6_GETPEERNAME = 30
    CGROUP_INET_SOCK_RELEASE = 34


class BpfError(OSError):
    """The kernel refuses; its verifier's words are in the message where it has any."""


def create_map(kind: MapKind, key_bytes: int, value_bytes: int, entries: int, *, name: str, flags: int = 0) -> int:
    """A new map's file descriptor."""
    attribute = struct.pack("=7I16s", kind, key_bytes, value_bytes, entries, flags, 0, 0, name.encode()[:15])
    return _bpf(_MAP_CREATE, attribute, f"map {name}")


def update_map(descriptor: int, key: bytes, value: bytes) -> None:
    """Set one entry."""
    kept = ctypes.create_string_buffer(key, len(key)), ctypes.create_string_buffer(value, len(value))
    _bpf(_MAP_UPDATE, struct.pack("=I4xQQQ", descriptor, *map(ctypes.addressof, kept), 0), "map entry")


def load_program(kind: ProgramKind, code: bytes, *, name: str, attach_point: AttachPoint, type_number: int = 0) -> int:
    """A verified program's file descriptor; on refusal the verifier's last words are in the error."""
    try:
        return _load_program(kind, code, name, attach_point, type_number, None)
    except BpfError:
        log = ctypes.create_string_buffer(_LOG_BYTES)
        try:
            return _load_program(kind, code, name, attach_point, type_number, log)
        except BpfError as refusal:
            words = log.value.decode(errors="replace")[-_LOG_SHOWN:].strip()
            raise BpfError(refusal.errno, f"{refusal.strerror} {words}".strip()) from None


def attach_to_cgroup(program: int, cgroup: int, attach_point: AttachPoint) -> int:
    """A link: the program runs for all processes below the cgroup until the descriptor is closed. Linux 5.7."""
    return _bpf(_LINK_CREATE, struct.pack("=4I", program, cgroup, attach_point, 0), "cgroup link")


def attach_to_tracepoint(program: int) -> int:
    """A link of a tp_btf program, whose tracepoint was named when it was loaded."""
    return _bpf(_RAW_TRACEPOINT_OPEN, struct.pack("=QI4xQ", 0, program, 0), "tracepoint link")


def _load_program(
    kind: ProgramKind,
    code: bytes,
    name: str,
    attach_point: AttachPoint,
    type_number: int,
    log: ctypes.Array[ctypes.c_char] | None,
) -> int:
    instructions = ctypes.create_string_buffer(code, len(code))
    license_name = ctypes.create_string_buffer(b"GPL")
    attribute = struct.pack(
        "=IIQQIIQII16s4IQIIQII",
        kind,
        len(code) // 8,
        ctypes.addressof(instructions),
        ctypes.addressof(license_name),
        1 if log else 0,
        len(log) if log else 0,
        ctypes.addressof(log) if log else 0,
        0,  # kernel version, once needed by kprobes
        0,  # flags
        name.encode()[:15],
        0,  # network interface to offload to
        attach_point,
        *(0, 0, 0, 0, 0, 0, 0),  # types of the program itself, and where its functions and lines are
        type_number,
    )
    return _bpf(_PROGRAM_LOAD, attribute, f"program {name}")


def _bpf(command: int, attribute: bytes, what: str) -> int:
    buffer = ctypes.create_string_buffer(attribute, max(len(attribute), _ATTRIBUTE_BYTES))
    try:
        return call("bpf", command, buffer, len(buffer))
    except OSError as error:
        raise BpfError(error.errno, f"{what}: {os.strerror(error.errno or 0)}") from None
