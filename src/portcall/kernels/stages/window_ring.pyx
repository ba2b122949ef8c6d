"""The windows of a plain file on their way, ahead of who takes them in order: what one thread would do with each is done by all that
``work``, without Python's lock.

    read      from its place in the file                          several at once
    walk      over its records, from where the one before ended   one after the other
    decode    its frames                                          several at once
    count     copies, flow table                                  one after the other

Walking pauses where anything but more bytes is asked for, and counting where a table must grow: then who takes the window does
what there is to do, and lets it go on. A thread prefers to walk over what it has read itself: that is in its processor's cache.
"""

from cython cimport final
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

from portcall.kernels.copy_table cimport CopyTable
from portcall.kernels.flow_update cimport FlowStore
from portcall.kernels.headers cimport FrameDecoder
from portcall.kernels.record_walk cimport MORE_BYTES_WANTED, RecordWalk
from portcall.kernels.records cimport Frame, Packet, Payload
from portcall.kernels.stages.slots cimport NOBODY, Slot, fill, free_slot, put_before, take_up
from portcall.kernels.stages.threads cimport *


@final
cdef class WindowRing:
    """As many windows as the arrays have rows; ``windows`` have room for what was left up to ``head_bytes``, and for a window."""

    def __cinit__(self):
        pthread_mutex_init(&self.mutex, NULL)
        pthread_cond_init(&self.changed, NULL)

    def __dealloc__(self):
        pthread_cond_destroy(&self.changed)
        pthread_mutex_destroy(&self.mutex)

    def __init__(
        self, uint8_t[:, ::1] windows, Frame[:, ::1] frames, Packet[:, ::1] packets, Payload[:, ::1] payloads,
        Py_ssize_t head_bytes, *, int descriptor, int64_t offset, FrameDecoder decoder, CopyTable copies
    ):
        """Of a file from that offset on. Without a decoder windows are only walked over."""
        cdef int i
        self.slot_count, self.head_bytes = frames.shape[0], head_bytes
        self.frame_room, self.payload_room, self.window_bytes = frames.shape[1], payloads.shape[1], windows.shape[1] - head_bytes
        if not 2 <= self.slot_count <= MOST_SLOTS or min(head_bytes, self.window_bytes) < 1 or windows.shape[0] <= self.slot_count:
            raise ValueError("a ring has 2 to 64 windows, each behind its head, and one row for what was left")
        if min(packets.shape[0], payloads.shape[0]) < self.slot_count or (decoder and packets.shape[1] < self.frame_room):
            raise ValueError("each window wants its rows, and room for a packet a frame")
        self.windows, self.frames, self.packets, self.payloads = windows, frames, packets, payloads
        for i in range(self.slot_count):
            self.slots[i].bytes, self.slots[i].frames = &windows[i, 0], &frames[i, 0]
            self.slots[i].packets = &packets[i, 0] if packets.shape[1] else NULL
            self.slots[i].payloads = &payloads[i, 0] if payloads.shape[1] else NULL
            self.slots[i].is_free, self.slots[i].reader = True, NOBODY
        self.head = &windows[self.slot_count, 0]
        self.descriptor, self.next_offset, self.current = descriptor, offset, NOBODY
        self.decoder, self.copies, self.decodes = decoder, copies, decoder is not None

    def work(self, int me):
        """Work until it is stopped; each thread that does has a number of its own, from 1 on."""
        with nogil:
            pthread_mutex_lock(&self.mutex)
            while not self.is_stopped:
                if not self._work_once(me):
                    self.waiting += 1
                    pthread_cond_wait(&self.changed, &self.mutex)
                    self.waiting -= 1
            pthread_mutex_unlock(&self.mutex)

    def stop(self):
        """Let all that work end when they have done what they are at."""
        pthread_mutex_lock(&self.mutex)
        self.is_stopped = True
        pthread_cond_broadcast(&self.changed)
        pthread_mutex_unlock(&self.mutex)

    def count_into(
        self, FlowStore store not None, Py_ssize_t flow_room, Py_ssize_t datagram_room, Py_ssize_t most_flows, uint64_t next_number
    ):
        """Count from the window that is taken next on, whose first packet has that number, as long as the table holds no more
        rows than there is room for, and until it has ``most_flows``. When it has grown it must be asked for again. Where
        windows that are not taken yet were counted already, nothing changes.
        """
        pthread_mutex_lock(&self.mutex)
        if self.next_count == self.next_take:
            self.store, self.flow_room, self.datagram_room, self.most_flows = store, flow_room, datagram_room, most_flows
            self.next_number, self.counts = next_number, self.decodes and store.cells is None
        self._tell()
        pthread_mutex_unlock(&self.mutex)

    def take(self, const uint8_t[::1] held, RecordWalk walk):
        """Work until the next window is ready, and take it; its slot, or -1 where that takes long: then ask again.

        Where walking pauses, ``held`` is put before it, and it is walked over from there if there is a ``walk``; elsewhere both are
        as known. OSError where it could not be read.
        """
        cdef int slot
        cdef Py_ssize_t held_bytes = held.shape[0]
        if held_bytes > self.head_bytes or (self.walks and walk is not self.walk):
            raise ValueError("no head has room for what was held, or windows that were walked over wait")
        pthread_mutex_lock(&self.mutex)
        if not self.walks and self.next_walk == self.next_take:
            if held_bytes:
                memcpy(self.head, &held[0], held_bytes)
            self.head_used, self.has_head = held_bytes, True
            if walk is not None:
                self.walk, self.walks = walk, True
        with nogil:
            slot = self._taken()
            pthread_mutex_unlock(&self.mutex)
        if slot >= 0:
            if self.slots[slot].error and not self.slots[slot].filled:
                raise OSError(self.slots[slot].error, "reading failed")
            if self.slots[slot].is_walked:
                walk.note(&self.slots[slot].walked)
        return slot

    def take_counted(self):
        """Once all have ended: the next window that was counted and not taken; -1 where there is none."""
        if self.next_take >= self.next_count:
            return NOBODY
        self.next_take += 1
        return self.order[(self.next_take - 1) % MOST_SLOTS]

    def known_of(self, int slot):
        """Of a window: its begin and end in its row, and its end in the file; how many frames were found, or None; and where it was
        counted, number of its first packet, payloads that are wanted, whether the table is full with it.
        """
        cdef Slot *one
        if not 0 <= slot < self.slot_count:
            raise IndexError("there is no such window")
        one = &self.slots[slot]
        return (
            (one.start, self.head_bytes + one.filled, one.offset + one.filled), one.walked.count if one.is_walked else None,
            (one.first_number, one.payload_count, one.fills) if one.is_counted and one.walked.count else None,
        )

    cdef int _taken(self) noexcept nogil:
        """The slot of the next window once it is ready; -1 where that takes long."""
        while not self._is_ready():
            if self._work_once(0):
                continue
            self.waiting += 1
            wait_for(&self.changed, &self.mutex, PATIENCE_NS)
            self.waiting -= 1
            if not self._is_ready():
                return NOBODY
        if self.has_head:
            self._put_head(&self.slots[self.order[self.next_take % MOST_SLOTS]])
        if self.current >= 0:
            self.slots[self.current].is_free = True
        self.current = self.order[self.next_take % MOST_SLOTS]
        if not self.slots[self.current].is_walked:
            self.counts = False
        self.next_take += 1
        self.next_walk = max(self.next_walk, self.next_take)
        self.next_count = max(self.next_count, self.next_take)
        self._tell()
        return self.current

    cdef bint _is_ready(self) noexcept nogil:
        cdef Slot *slot
        if self.next_take == self.next_read:
            return False
        slot = &self.slots[self.order[self.next_take % MOST_SLOTS]]
        if not slot.is_read:
            return False
        if slot.is_walked:
            return slot.is_decoded and (slot.is_counted or not self.counts)
        return not self.walks

    cdef bint _work_once(self, int me) noexcept nogil:
        """Do what is nearest to the end, and tell the others; whether there was something."""
        cdef Slot *slot
        cdef bint is_of_other = False
        if self.counts and not self.is_counting and self.next_count < self.next_walk:
            slot = &self.slots[self.order[self.next_count % MOST_SLOTS]]
            if slot.is_decoded:
                if self._may_count(slot):
                    self._count(slot)
                else:
                    self.counts = False
                    self._tell()
                return True
        if self.walks and not self.is_walking and self.next_walk < self.next_read:
            slot = &self.slots[self.order[self.next_walk % MOST_SLOTS]]
            if slot.is_read:
                if slot.reader == me:
                    self._walk(slot)
                    return True
                is_of_other = True
        if self._read(me):
            return True
        if is_of_other:
            self._walk(slot)
        return is_of_other

    cdef void _tell(self) noexcept nogil:
        if self.waiting:
            pthread_cond_broadcast(&self.changed)

    cdef bint _read(self, int me) noexcept nogil:
        """Read the next window, if there is room for it and it is not known that there is none."""
        cdef int free
        cdef Slot *slot
        cdef Slot *before
        if self.is_at_end and self.next_read > self.next_take:
            return False
        free = free_slot(self.slots, self.slot_count, me)
        if free == NOBODY:
            return False
        slot = &self.slots[free]
        take_up(slot, me, self.next_offset)
        if self.is_at_end:  # as far as was known: somebody may write on
            before = &self.slots[self.current]
            slot.offset = before.offset + before.filled
        self.order[self.next_read % MOST_SLOTS] = free
        self.next_read += 1
        self.next_offset = slot.offset + self.window_bytes
        pthread_mutex_unlock(&self.mutex)
        fill(slot, self.descriptor, self.head_bytes, self.window_bytes)
        pthread_mutex_lock(&self.mutex)
        slot.is_read = True
        if slot.filled < self.window_bytes:
            self.is_at_end = True
        self._tell()
        return True

    cdef void _put_head(self, Slot *slot) noexcept nogil:
        """Put what was left where walking paused before a window."""
        put_before(slot, self.head_bytes, self.head, self.head_used)
        self.has_head = False
        self._move(slot, self.current)

    cdef void _move(self, Slot *slot, int before) noexcept nogil:
        """Have a window begin in the file where the one before it ended: elsewhere where somebody wrote on meanwhile."""
        cdef int64_t offset = self.slots[before].offset + self.slots[before].filled if before >= 0 else slot.offset
        if slot.offset != offset:
            slot.offset = offset
            fill(slot, self.descriptor, self.head_bytes, self.window_bytes)
            self.is_at_end = slot.filled < self.window_bytes

    cdef void _walk(self, Slot *slot) noexcept nogil:
        """Walk over the next window, and decode it."""
        cdef int before = self.order[(self.next_walk - 1) % MOST_SLOTS] if self.next_walk > 0 else NOBODY
        cdef Slot *former = &self.slots[max(before, 0)]
        cdef Py_ssize_t end
        self.is_walking = True
        if self.has_head or before == NOBODY:
            self._put_head(slot)
        else:
            end = self.head_bytes + former.filled
            put_before(slot, self.head_bytes, former.bytes + former.walked.position, end - former.walked.position)
            self._move(slot, before)
        if slot.filled == 0:
            self.walks = self.is_walking = False
            self._tell()
            return
        pthread_mutex_unlock(&self.mutex)
        end = self.head_bytes + slot.filled
        self.walk.find(slot.bytes, slot.start, end, slot.frames, self.frame_room, False, &slot.walked)
        pthread_mutex_lock(&self.mutex)
        slot.is_pause = slot.walked.stop != MORE_BYTES_WANTED or end - slot.walked.position > self.head_bytes
        slot.is_walked, self.is_walking = True, False
        self.next_walk += 1
        if slot.is_pause:
            self.walks = False
        self._tell()
        if slot.walked.count and self.decodes:
            pthread_mutex_unlock(&self.mutex)
            self.decoder.decode_all(slot.frames, slot.walked.count, slot.bytes, end, slot.packets)
            pthread_mutex_lock(&self.mutex)
        slot.is_decoded = True
        self._tell()

    cdef bint _may_count(self, const Slot *slot) noexcept nogil:
        cdef Py_ssize_t count = slot.walked.count
        return count == 0 or (
            not slot.walked.names_processes and self.store.flow_count + count <= self.flow_room and self.store.datagram_count + count <= self.datagram_room
            and self.store.flow_count < self.most_flows and self.store.has_room(count, self.payload_room)
        )

    cdef void _count(self, Slot *slot) noexcept nogil:
        cdef Py_ssize_t count = slot.walked.count
        self.is_counting = True
        slot.first_number = self.next_number
        pthread_mutex_unlock(&self.mutex)
        if count:
            if self.copies is not None:
                self.copies.find_some(slot.packets, slot.frames, count, slot.bytes, self.head_bytes + slot.filled)
            slot.payload_count = self.store.fold_into(slot.packets, count, slot.first_number, slot.payloads)
        pthread_mutex_lock(&self.mutex)
        slot.fills = self.store.flow_count >= self.most_flows
        slot.is_counted, self.is_counting = True, False
        self.next_number += count
        self.next_count += 1
        if slot.is_pause or slot.fills:
            self.counts = False
        self._tell()
