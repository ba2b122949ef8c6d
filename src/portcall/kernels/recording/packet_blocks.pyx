"""Frames and what is known of them → Enhanced Packet Blocks (draft-ietf-opsawg-pcapng §4.3), in the host's byte order.

    0 6:32  4 length:32  8 interface:32  12 time, high half:32  16 low half:32  20 captured:32  24 wire:32
    28 bytes of the frame, padded to 4  then options: 2:16 4:16 flags:32, others, 0:16 0:16  then length:32

Which options a frame has is said by its plan: they are bytes of a pool, the same for all frames of one end of a conversation.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from portcall.kernels.records cimport Frame

cdef enum:
    ENHANCED_PACKET = 6
    FIXED_BYTES = 32  # block without frame and options
    FLAGS_BYTES = 8
    END_BYTES = 4
    NO_BLOCK = 0xFFFFFFFF

cdef struct FramePlan:
    uint32_t interface
    uint32_t flags
    uint32_t options_at
    uint32_t options_bytes

LEFT_OUT = 0xFFFFFFFF
"""In place of an interface: no block for this frame."""


cdef inline uint8_t *_put(uint8_t *at, uint32_t value) noexcept nogil:
    memcpy(at, &value, 4)
    return at + 4


cdef inline uint8_t *_put_pair(uint8_t *at, uint16_t first, uint16_t second) noexcept nogil:
    memcpy(at, &first, 2)
    memcpy(at + 2, &second, 2)
    return at + 4


cdef inline uint32_t _padded(uint32_t length) noexcept nogil:
    return length + 3 & ~<uint32_t>3


cdef inline Py_ssize_t _block_bytes(const Frame *frame, const FramePlan *plan, uint32_t snap_length) noexcept nogil:
    return FIXED_BYTES + <Py_ssize_t>_padded(min(frame.captured, snap_length)) + FLAGS_BYTES + plan.options_bytes + END_BYTES


cdef inline void _write(
    const Frame *frame, const uint8_t *frame_bytes, const FramePlan *plan, const uint8_t *options, uint32_t snap_length, uint8_t *out
) noexcept nogil:
    cdef uint32_t captured = min(frame.captured, snap_length)
    cdef uint32_t length = <uint32_t>_block_bytes(frame, plan, snap_length)
    cdef uint64_t ts_ns = <uint64_t>max(frame.ts_ns, <int64_t>0)
    out = _put(_put(_put(out, ENHANCED_PACKET), length), plan.interface)
    out = _put(_put(out, <uint32_t>(ts_ns >> 32)), <uint32_t>ts_ns)
    out = _put(_put(out, captured), frame.wire)
    memcpy(out, frame_bytes, captured)
    memset(out + captured, 0, _padded(captured) - captured)
    out = _put(_put_pair(out + _padded(captured), 2, 4), plan.flags)
    if plan.options_bytes:
        memcpy(out, options, plan.options_bytes)
    _put(_put_pair(out + plan.options_bytes, 0, 0), length)


def write_packet_blocks(
    const Frame[::1] frames, const uint8_t[::1] buffer, const FramePlan[::1] plans, const uint8_t[::1] pool, uint32_t snap_length,
    uint8_t[::1] out_blocks
):
    """Write a block for each of FRAME[n] whose bytes lie in the buffer; gives how many bytes were written.

    FRAME_PLAN[n] says which of the pool's bytes are a frame's options; LEFT_OUT as its interface: it has no block. ValueError
    where something lies outside what it is part of, or there is no room: nothing of that frame is written.
    """
    cdef Py_ssize_t i, count = frames.shape[0], written = 0, needed
    cdef size_t size = buffer.shape[0], pool_bytes = pool.shape[0]
    cdef bint fits = True
    cdef const Frame *frame
    cdef const FramePlan *plan
    if plans.shape[0] != count or not size or not pool_bytes:
        raise ValueError("packet blocks want a plan for each frame, a buffer and a pool")
    with nogil:
        for i in range(count):
            frame, plan = &frames[i], &plans[i]
            if plan.interface == NO_BLOCK:
                continue
            needed = _block_bytes(frame, plan, snap_length)
            if (frame.captured > size or frame.offset > size - frame.captured or plan.options_bytes > pool_bytes
                    or plan.options_at > pool_bytes - plan.options_bytes or needed > out_blocks.shape[0] - written):
                fits = False
                break
            _write(
                frame, &buffer[0] + frame.offset, plan, &pool[0] + plan.options_at, snap_length, &out_blocks[0] + written
            )
            written += needed
    if not fits:
        raise ValueError("a frame or its options lie outside what they are part of, or there is no room")
    return written
