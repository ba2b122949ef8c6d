"""Bytes → frames: find the records of a capture in a buffer.

Both walkers go from record to record over whole records only, and stop where they need somebody else: more bytes, a
larger frame array, or (pcapng) a block that says more than a packet. ``position`` is where they stopped, ``stop``
why. They copy nothing: a frame is an offset into the buffer. On the wire it had no fewer bytes than were captured:
some writers put 0 there. pcap by draft-ietf-opsawg-pcap, libpcap and Wireshark; pcapng by draft-ietf-opsawg-pcapng.
"""

from cpython.buffer cimport PyBuffer_Release
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from portcall.kernels.borrowing cimport borrow_writable
from portcall.kernels.capture_starts cimport (
    PAGE_BYTES, ZERO_PADDING, ZERO_RECORDS, are_zeros, begins_capture, count_zeros, number_at, short_at, what_zeros_are
)
from portcall.kernels.pcapng_fields cimport direction_of, list_options, time_of
from portcall.kernels.records cimport NO_TIME, UNKNOWN_DIRECTION, Frame, Interface

MORE_BYTES = 0
FULL = 1
OTHER_BLOCK = 2
DAMAGED = 3
OTHER_CAPTURE = 4
ZEROS = 5

cdef enum:
    _MORE_BYTES = 0
    _FULL = 1
    _OTHER_BLOCK = 2
    _DAMAGED = 3
    _OTHER_CAPTURE = 4
    _ZEROS = 5
    _HEADER_BYTES = 28  # of a packet block that may have options
    MAX_FRAME_BYTES = 262144  # more than any link carries; libpcap's and Wireshark's limit too
    MAX_BLOCK_BYTES = 16777216

cdef enum:
    INTERFACE_DESCRIPTION = 1
    OBSOLETE_PACKET = 2
    SIMPLE_PACKET = 3
    NAME_RESOLUTION = 4
    ENHANCED_PACKET = 6
    DECRYPTION_SECRETS = 10
    CUSTOM = 0x00000BAD  # 0x40000BAD where it should not be copied
    DARWIN_PROCESS_BLOCK = 0x80000001
    SECTION_HEADER = 0x0A0D0D0A


cdef class RecordWalk:
    """What both walks have in common: frames are put into an array whose dtype is compared when it is new."""

    def walk(self, const uint8_t[::1] buffer, Py_ssize_t at, Py_ssize_t end, object out_frames, *, bint is_end=False):
        """Fill ``out_frames`` from buffer[at:end], behind which nothing comes if it ``is_end``; gives how many."""
        cdef Py_buffer view
        cdef Py_ssize_t room
        cdef Walked walked
        if out_frames.dtype is not self.frame_dtype:
            self._compare(out_frames)
        if not 0 <= at <= end <= buffer.shape[0]:
            raise ValueError("walking wants a part of the buffer")
        room = borrow_writable(out_frames, sizeof(Frame), &view)
        try:
            with nogil:
                self.find(&buffer[0] if end else NULL, at, end, <Frame *>view.buf, room, is_end, &walked)
        finally:
            PyBuffer_Release(&view)
        self.note(&walked)
        return walked.count

    cdef int note(self, const Walked *walked) except -1:
        """Remember what came of a walk, perhaps one that was ahead of this."""
        self.position, self.stop, self.records_of_zeros = walked.position, walked.stop, walked.records_of_zeros
        self.names_processes = walked.names_processes
        if walked.problem != NULL:
            self.reason = walked.problem.decode()
        elif walked.stop == _DAMAGED:
            self.reason = f"a record claims {walked.claimed} captured bytes, more than any link carries"
        return 0

    cdef void find(
        self, const uint8_t *bytes, Py_ssize_t at, Py_ssize_t end, Frame *frames, Py_ssize_t room, bint is_end, Walked *out
    ) noexcept nogil:
        """Find the records in bytes[at:end]."""
        out.count = out.records_of_zeros = out.stop = out.claimed = 0
        out.position, out.problem, out.names_processes = at, NULL, False

    cdef int _compare(self, Frame[::1] frames) except -1:
        self.frame_dtype = frames.base.dtype
        return 0


cdef class PcapWalk(RecordWalk):
    """Records of a pcap file, one link type.

      0       4       8       12      16                16 + captured
      +-------+-------+-------+-------+-------- ... ----+
      |seconds|fraction|captured| wire | frame          |   ``header_bytes`` may be larger than 16: what follows the
      +-------+-------+-------+-------+-------- ... ----+   four numbers is skipped

    It stops with ZEROS at padding: zeros to the end of the file or to where another capture begins, however few, and
    elsewhere a page of them. Fewer are records of frames without bytes, as other readers have them, and say no time.
    """

    def __init__(self, *, bint big, int64_t fraction_ns, Py_ssize_t header_bytes, uint16_t link, int swapped_lengths):
        """``swapped_lengths``: 0 never, 1 where the first is the larger (version 2.3), 2 always (before 2.3)."""
        self.big = big
        self.fraction_ns = fraction_ns
        self.header_bytes = header_bytes
        self.link = link
        self.swapped_lengths = swapped_lengths
        self.reason = ""
        if header_bytes < 16:
            raise ValueError("walking wants headers that hold four numbers")

    cdef void find(
        self, const uint8_t *bytes, Py_ssize_t at, Py_ssize_t end, Frame *frames, Py_ssize_t room, bint is_end, Walked *out
    ) noexcept nogil:
        cdef Py_ssize_t count = 0, header_bytes = self.header_bytes
        cdef Py_ssize_t written_at = 0  # padding does not begin before it
        cdef bint says_time
        cdef int zeros = ZERO_RECORDS
        cdef uint32_t captured, wire
        cdef const uint8_t *record
        cdef Frame *frame
        cdef bint big = self.big  # the loop's own, which nothing that it writes can be taken for
        cdef int stop = _MORE_BYTES, swapped_lengths = self.swapped_lengths
        cdef int64_t fraction_ns = self.fraction_ns
        out.records_of_zeros = out.claimed = 0
        out.problem, out.names_processes = NULL, False
        while True:
            if count == room:
                stop = _FULL
                break
            if end - at < header_bytes:
                break
            record = bytes + at
            captured = number_at(record + 8, big)
            wire = number_at(record + 12, big)
            says_time = True
            if wire == 0 or captured > MAX_FRAME_BYTES:
                if begins_capture(record):
                    stop = _OTHER_CAPTURE
                    break
                if are_zeros(record, header_bytes):
                    if at >= written_at:
                        written_at = at + count_zeros(record, min(end - at, PAGE_BYTES))
                        zeros = what_zeros_are(bytes + written_at, written_at - at, end - written_at, is_end)
                        if zeros != ZERO_RECORDS:
                            break
                    says_time = False
                    out.records_of_zeros += 1
            if swapped_lengths == 2 or (swapped_lengths == 1 and captured > wire):
                captured, wire = wire, captured
            if captured > MAX_FRAME_BYTES:
                stop, out.claimed = _DAMAGED, captured
                break
            if end - at < header_bytes + <Py_ssize_t>captured:
                break
            frame = frames + count
            frame.ts_ns = (<int64_t>number_at(record, big) * 1000000000
                           + <int64_t>number_at(record + 4, big) * fraction_ns) if says_time else NO_TIME
            frame.offset = at + header_bytes
            frame.captured, frame.wire, frame.interface = captured, max(wire, captured), 0
            frame.link, frame.direction, frame.reserved = self.link, UNKNOWN_DIRECTION, 0
            at += header_bytes + captured
            count += 1
        if zeros != ZERO_RECORDS and count and frames[count - 1].wire == 0 == frames[count - 1].captured:
            count -= 1  # if these are padding, its header was still being written
            at -= 0 if zeros == ZERO_PADDING else header_bytes
        if zeros == ZERO_PADDING:
            stop = _ZEROS
        out.count, out.position, out.stop = count, at, stop


cdef class PcapngWalk(RecordWalk):
    """Blocks of a pcapng section; packet blocks become frames, others are passed over.

      0      4      8                    length - 4   length
      +------+------+-------- ... -------+------------+
      | type |length| body               | length     |   padded to 4 bytes
      +------+------+-------- ... -------+------------+

    It stops with OTHER_BLOCK for its caller to read: at a section header, and at a whole interface description, name
    resolution or decryption secrets. Where it ``lists_options`` also at custom blocks and those of Darwin's processes;
    and it marks packets that may name processes, for ``list_packet_options``.
    """

    def __init__(self, *, bint lists_options=False):
        self.lists_options = lists_options
        self.reason = ""

    def describe(self, const Interface[::1] interfaces, Py_ssize_t count, uint32_t first_interface):
        """The section's interfaces[:count]; ``first_interface`` is the index of its first within the source."""
        self.interfaces = interfaces
        self.interface_count = count
        self.first_interface = first_interface

    cdef void find(
        self, const uint8_t *bytes, Py_ssize_t at, Py_ssize_t end, Frame *frames, Py_ssize_t room, bint is_end, Walked *out
    ) noexcept nogil:
        cdef Py_ssize_t count = 0, length
        cdef uint32_t kind
        cdef const uint8_t *block
        cdef const char *problem = NULL
        cdef bint big = self.big
        cdef int stop = _MORE_BYTES
        out.names_processes = False
        while True:
            if count == room:
                stop = _FULL
                break
            if end - at < 12:
                break
            block = bytes + at
            kind = number_at(block, big)
            if kind == SECTION_HEADER:
                stop = _OTHER_BLOCK
                break
            length = number_at(block + 4, big)
            if length < 12 or length > MAX_BLOCK_BYTES or kind >> 31:
                if end - at < 16 and length != 12:
                    break
                if end - at >= 16 and begins_capture(block):
                    stop = _OTHER_CAPTURE
                    break
            if kind == 0 and length == 0:
                stop = _ZEROS
                break
            if length < 12 or length > MAX_BLOCK_BYTES:
                problem = b"a block's length is impossible"
                break
            length = (length + 3) & ~3
            if end - at < length:
                break
            if number_at(block + length - 4, big) != number_at(block + 4, big):
                problem = b"a block's two lengths differ"
                break
            if kind == INTERFACE_DESCRIPTION or kind == NAME_RESOLUTION or kind == DECRYPTION_SECRETS:
                stop = _OTHER_BLOCK
                break
            if self.lists_options and (kind == DARWIN_PROCESS_BLOCK or kind & ~<uint32_t>0x40000000 == CUSTOM):
                stop = _OTHER_BLOCK
                break
            if kind == ENHANCED_PACKET or kind == OBSOLETE_PACKET or kind == SIMPLE_PACKET:
                problem = self._frame(block, length, kind, at, frames + count)
                if problem != NULL:
                    break
                out.names_processes = out.names_processes or frames[count].reserved
                count += 1
            at += length
        if problem != NULL:
            stop = _DAMAGED
        out.count, out.position, out.stop, out.problem = count, at, stop, problem
        out.records_of_zeros = out.claimed = 0

    cdef const char *_frame(
        self, const uint8_t *block, Py_ssize_t length, uint32_t kind, Py_ssize_t at, Frame *out_frame
    ) noexcept nogil:
        """Read block[:length], a packet (draft-ietf-opsawg-pcapng §4.3, §4.4, appendix A); NULL, or what is wrong with it.

        enhanced  8 interface:32  12 time:64  20 captured:32  24 wire:32  28 frame, options
        obsolete  8 interface:16  10 drops:16  then as enhanced
        simple    8 wire:32  12 frame, cut to the snap length of interface 0
        """
        cdef Py_ssize_t header = _HEADER_BYTES, room
        cdef uint32_t index = 0
        cdef bint big = self.big
        if length < (16 if kind == SIMPLE_PACKET else 32):
            return b"a packet block is too short for its header"
        if kind == ENHANCED_PACKET:
            index = number_at(block + 8, big)
        elif kind == OBSOLETE_PACKET:
            index = short_at(block + 8, big)
        if <Py_ssize_t>index >= self.interface_count:
            return b"a packet names an interface that the section does not describe"
        out_frame.direction, out_frame.reserved = UNKNOWN_DIRECTION, 0
        out_frame.link, out_frame.interface = self.interfaces[index].link, self.first_interface + index
        if kind == SIMPLE_PACKET:
            header = 12
            out_frame.ts_ns = NO_TIME
            out_frame.wire = out_frame.captured = number_at(block + 8, big)
            if self.interfaces[0].snap_length and out_frame.captured > self.interfaces[0].snap_length:
                out_frame.captured = self.interfaces[0].snap_length
        else:
            out_frame.ts_ns = time_of(
                &self.interfaces[index], <uint64_t>number_at(block + 12, big) << 32 | number_at(block + 16, big)
            )
            out_frame.captured = number_at(block + 20, big)
            out_frame.wire = number_at(block + 24, big)
        room = length - header - 4
        if out_frame.captured > MAX_FRAME_BYTES or <Py_ssize_t>out_frame.captured > room:
            return b"a packet claims more captured bytes than its block holds"
        out_frame.wire, out_frame.offset = max(out_frame.wire, out_frame.captured), at + header
        if kind != SIMPLE_PACKET:
            header += (<Py_ssize_t>out_frame.captured + 3) & ~3
            if header < length - 4:
                out_frame.direction = direction_of(block + header, length - 4 - header, big)
                if self.lists_options and list_options(block + header, length - 4 - header, big, NULL, 0):
                    out_frame.reserved = 1
        return NULL
