"""Bytes → frames: find the frames in a block of Linux's packet ring (TPACKET_V3), and hand blocks back and forth.

A block belongs to the kernel or to us, by one word. While it is ours, its frames are offsets into the mapping, as those
of a file are offsets into its window; nothing is copied. Each frame says where the next one is, so a walk waits for memory at each:
several blocks are walked at a time, and what one waits for is fetched while the others go on. Two things the kernel keeps beside a frame are put back into it,
in the room before it, as libpcap does, so that frames and lengths equal tcpdump's: a VLAN tag, and for an interface whose
link header nobody can tell a cooked one. Numbers are in the host's order. Layouts: linux/if_packet.h and Documentation/networking/packet_mmap.rst.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy, memmove

from portcall.kernels.prefetching cimport portcall_prefetch
from portcall.kernels.records cimport INBOUND, INTERNAL, OUTBOUND, UNKNOWN_DIRECTION, Frame

MOST_BLOCKS = 8
"""That are walked at a time: more than memory answers at once are of no use."""
LEAST_FRAME_BYTES = 96
"""A frame takes at least this much of a block: 48 + 20 bytes of headers and 16 for a link header, to the next 16."""

cdef extern from *:
    """
    #if defined(__GNUC__) || defined(__clang__)
    #define PORTCALL_LOAD(address) __atomic_load_n((address), __ATOMIC_ACQUIRE)
    #define PORTCALL_STORE(address, value) __atomic_store_n((address), (value), __ATOMIC_RELEASE)
    #else /* there is no such ring, only a compiler that wants to be pleased */
    #define PORTCALL_LOAD(address) (*(volatile uint32_t *)(address))
    #define PORTCALL_STORE(address, value) (*(volatile uint32_t *)(address) = (value))
    #endif
    """
    uint32_t PORTCALL_LOAD(const uint32_t *) noexcept nogil
    void PORTCALL_STORE(uint32_t *, uint32_t) noexcept nogil

cdef enum:
    LOOPBACK = 772  # ARPHRD_LOOPBACK
    STATUS_KERNEL = 0
    STATUS_USER = 1
    STATUS_VLAN_VALID = 1 << 4
    STATUS_VLAN_TYPE_VALID = 1 << 6

cdef enum:
    CHAINS = 8
    LINE_BYTES = 64
    BLOCK_HEADER_BYTES = 48
    FRAME_HEADER_BYTES = 68
    TAG_BYTES = 4
    COOKED_BYTES = 16

cdef enum:
    ETHERNET = 1
    COOKED = 113
    VLAN_TYPE = 0x8100

cdef enum:
    OUTGOING = 4
    OTHER_HOST = 3


cdef inline uint32_t _u32(const uint8_t *at) noexcept nogil:
    cdef uint32_t value
    memcpy(&value, at, 4)
    return value


cdef inline uint16_t _u16(const uint8_t *at) noexcept nogil:
    cdef uint16_t value
    memcpy(&value, at, 2)
    return value


cdef inline void _write_u16(uint8_t *at, uint16_t value) noexcept nogil:
    """In network byte order."""
    at[0], at[1] = value >> 8, value & 0xFF


cdef struct Chain:
    Py_ssize_t at
    Py_ssize_t end
    Py_ssize_t left
    Frame *out_frame


def ready(const uint8_t[::1] ring, Py_ssize_t block_bytes, Py_ssize_t first, Py_ssize_t most_frames):
    """How many blocks from number ``first`` on, up to the ring's end, the kernel has handed over; at most MOST_BLOCKS.

    Those behind the first only as far as all have no more than ``most_frames`` together.
    """
    cdef Py_ssize_t blocks, at, frames = 0
    if block_bytes < BLOCK_HEADER_BYTES or first < 0 or first > ring.shape[0] // block_bytes:
        raise ValueError("a block inside the ring is wanted")
    for blocks in range(min(CHAINS, ring.shape[0] // block_bytes - first)):
        at = (first + blocks) * block_bytes
        if not PORTCALL_LOAD(<const uint32_t *>&ring[at + 8]) & STATUS_USER:
            return blocks
        frames += _u32(&ring[at + 12])
        if blocks and frames > most_frames:
            return blocks
    return min(CHAINS, ring.shape[0] // block_bytes - first)


def release(uint8_t[::1] ring, Py_ssize_t block_bytes, Py_ssize_t first, Py_ssize_t blocks):
    """Give blocks back to the kernel, which may write over their frames at once."""
    cdef Py_ssize_t block
    for block in range(first, first + blocks):
        PORTCALL_STORE(<uint32_t *>&ring[block * block_bytes + 8], STATUS_KERNEL)


def walk(
    uint8_t[::1] ring,
    Py_ssize_t block_bytes,
    Py_ssize_t first,
    Py_ssize_t blocks,
    const uint16_t[::1] link_by_hardware,
    Frame[::1] out_frames,
):
    """Fill ``out_frames`` from so many blocks that are ``ready``, once, block after block; gives how many.

    ``link_by_hardware[65536]``: the link type by ARPHRD_ number, 113 where a cooked header stands for what it has.
    ValueError where a block is not what the kernel makes: then our idea of its layout is wrong, and no frame counts.

      block  0 version:32  4 private:32  8 status:32  12 frames:32  16 offset of the first:32  20 bytes:32  24 number:64
      frame  0 offset of the next:32  4 seconds:32  8 nanoseconds:32  12 captured:32  16 wire:32  20 status:32  24 link header:16
             26 network header:16  28 hash:32  32 VLAN tag:32  36 VLAN type:16   then, at 48, the address: 48 family:16
             50 protocol:16 (network order)  52 interface:32  56 hardware:16  58 way:8  59 address length:8  60 address:64
    """
    cdef Chain chains[CHAINS]
    cdef Chain *chain
    cdef Py_ssize_t i, start, count = 0, broken = -1
    if block_bytes < BLOCK_HEADER_BYTES or link_by_hardware.shape[0] != 65536 or not 0 <= blocks <= CHAINS:
        raise ValueError("walk wants a few blocks, and a link type by hardware type")
    if first < 0 or first + blocks > ring.shape[0] // block_bytes:
        raise ValueError("walk wants blocks inside the ring")
    for i in range(blocks):
        start = (first + i) * block_bytes
        chain = &chains[i]
        chain.at, chain.end = start + _u32(&ring[start + 16]), start + block_bytes
        chain.left = _u32(&ring[start + 12])
        if chain.left > out_frames.shape[0] - count:
            raise ValueError(f"a block of the ring claims {chain.left} frames, more than fit into it")
        chain.out_frame = &out_frames[0] + count
        count += chain.left
    with nogil:
        broken = _walk(ring, chains, blocks, link_by_hardware)
    if broken >= 0:
        raise ValueError(f"a frame of block {first + broken} of the ring does not lie in its block")
    return count


cdef Py_ssize_t _walk(
    uint8_t[::1] ring, Chain *chains, Py_ssize_t blocks, const uint16_t[::1] link_by_hardware
) noexcept nogil:
    """A frame of each block in turn; gives the first block that is broken, or -1."""
    cdef Py_ssize_t i
    cdef Chain *chain
    cdef bint goes_on = True
    while goes_on:
        goes_on = False
        for i in range(blocks):
            chain = &chains[i]
            if chain.left == 0:
                continue
            if not _read(ring, chain.at, chain.end, link_by_hardware, chain.out_frame):
                return i
            chain.at += _u32(&ring[chain.at])
            if chain.at < chain.end:
                portcall_prefetch(&ring[0] + chain.at)
                portcall_prefetch(&ring[0] + chain.at + LINE_BYTES)
            chain.left, chain.out_frame = chain.left - 1, chain.out_frame + 1
            goes_on = goes_on or chain.left > 0
    return -1


cdef inline bint _read(
    uint8_t[::1] ring, Py_ssize_t at, Py_ssize_t end, const uint16_t[::1] link_by_hardware, Frame *out_frame
) noexcept nogil:
    cdef uint8_t *header
    cdef Py_ssize_t start
    if at < 0 or end - at < FRAME_HEADER_BYTES:
        return False
    header = &ring[at]
    start = at + _u16(header + 24)
    out_frame.captured, out_frame.wire = _u32(header + 12), _u32(header + 16)
    if start + <Py_ssize_t>out_frame.captured > end:
        return False
    out_frame.ts_ns = <int64_t>_u32(header + 4) * 1000000000 + _u32(header + 8)
    out_frame.interface = _u32(header + 52)
    out_frame.link = link_by_hardware[_u16(header + 56)]
    out_frame.direction = INTERNAL if _u16(header + 56) == LOOPBACK else _direction(header[58])
    out_frame.reserved = 0
    if out_frame.link == COOKED:
        start = _cook(header, start - at, out_frame) + at
    if _u32(header + 32) != 0 or _u32(header + 20) & STATUS_VLAN_VALID:
        start = _put_tag_back(header, start - at, out_frame) + at
    out_frame.offset = start
    return True


cdef inline uint8_t _direction(uint8_t way) noexcept nogil:
    """To us, to all or to a group is inbound; to someone else is neither."""
    return OUTBOUND if way == OUTGOING else INBOUND if way < OTHER_HOST else UNKNOWN_DIRECTION


cdef inline Py_ssize_t _cook(uint8_t *header, Py_ssize_t start, Frame *out_frame) noexcept nogil:
    """Write a LINKTYPE_LINUX_SLL header over the end of the link header; gives where it starts.

    0 way:16  2 hardware:16  4 address length:16  6 address:64  14 protocol:16
    """
    cdef Py_ssize_t network = _u16(header + 26), length = network - start
    cdef uint8_t *cooked
    if length < 0 or length > <Py_ssize_t>out_frame.captured or network - COOKED_BYTES < FRAME_HEADER_BYTES:
        out_frame.captured = 0  # cut inside a link header that nobody can read: truncated
        return start
    cooked = header + network - COOKED_BYTES
    _write_u16(cooked, header[58])
    _write_u16(cooked + 2, _u16(header + 56))
    _write_u16(cooked + 4, header[59])
    memcpy(cooked + 6, header + 60, 8)
    memcpy(cooked + 14, header + 50, 2)
    out_frame.captured += <uint32_t>(COOKED_BYTES - length)
    out_frame.wire += <uint32_t>(COOKED_BYTES - length)
    return network - COOKED_BYTES


cdef inline Py_ssize_t _put_tag_back(uint8_t *header, Py_ssize_t start, Frame *out_frame) noexcept nogil:
    """Move what comes before the tag towards the front, and write the tag; gives where the frame starts now."""
    cdef Py_ssize_t tag = 12 if out_frame.link == ETHERNET else 14
    cdef uint8_t *moved = header + start - TAG_BYTES
    cdef uint16_t kind = _u16(header + 36)
    if out_frame.link != ETHERNET and out_frame.link != COOKED:
        return start
    if <Py_ssize_t>out_frame.captured < tag or start - TAG_BYTES < FRAME_HEADER_BYTES:
        return start
    memmove(moved, moved + TAG_BYTES, tag)
    _write_u16(moved + tag, kind if kind != 0 or _u32(header + 20) & STATUS_VLAN_TYPE_VALID else VLAN_TYPE)
    _write_u16(moved + tag + 2, <uint16_t>_u32(header + 32))
    out_frame.captured += TAG_BYTES
    out_frame.wire += TAG_BYTES
    return start - TAG_BYTES
