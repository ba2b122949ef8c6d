"""Packets → flow rows: one hash table of connections, one of fragmented datagrams.

The table is dense rows (FLOW, ``flow_row``) plus slots (``flow_slots``), and rows of datagrams (``datagrams``). A batch is folded
in strides of 8: while one is counted, the rows of the next and the slots of the one after it are on their way.

Every SYN with a new sequence number starts a row of its own, chained to the previous one of the key by ``earlier``.
FlowTable joins some with their successor when it reports (``flows.continuations``). Only so do shards merge in
any grouping: what a row means never depends on what came before the shard. Rows that silence parts are not joined.
"""

from cpython.buffer cimport PyBuffer_Release
from cython cimport final
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from portcall.kernels.borrowing cimport borrow
from portcall.kernels.datagrams cimport datagram_of, join_waiting, note_first, note_waiting, place_datagram
from portcall.kernels.flow_row cimport (
    begin, count_packet, count_tally, is_later, is_silent, is_wanted, join, join_tally, local_ends, note_tcp, opens, same_key, settle,
    side_of,
)
from portcall.kernels.flow_slots cimport STAGES, STRIDE, Stage, Table, find_stride, hash_row, hash_stride, move_slots
from portcall.kernels.hashing cimport Keys, keys_of
from portcall.kernels.records cimport (
    DUPLICATE, FIRST_DATAGRAM, FIRST_FLOW, FRAGMENT_FIRST, LATER_FRAGMENT, NO_PORTS, Datagram, Flow, Packet, Payload, VerdictTally,
)
from portcall.kernels.time_cells cimport CellStore, note_cell


@final
cdef class FlowStore:
    """The arrays of one flow table, and the loops over them. ``flows.FlowTable`` owns and grows them."""

    def __init__(self, uint64_t seed):
        self.seed = seed

    def fold(self, object packets, uint64_t first_number):
        """Count a batch; gives how many of its payloads are wanted, which are the first of ``out_payloads``.

        The arrays must have room for one more flow, one more datagram and one more payload a packet.
        """
        cdef Py_buffer view
        cdef Py_ssize_t count
        if packets.dtype is not self.packet_dtype:
            self._compare(packets)
        count = borrow(packets, sizeof(Packet), &view)
        try:
            self._fold(<const Packet *>view.buf, count, first_number)
        finally:
            PyBuffer_Release(&view)
        return self.payload_count

    cdef int _compare(self, const Packet[::1] packets) except -1:
        self.packet_dtype = packets.base.dtype
        return 0

    cdef int _fold(self, const Packet *packets, Py_ssize_t count, uint64_t first_number) except -1:
        cdef Table table
        self.payload_count = 0
        if count == 0:
            return 0
        if not self.has_room(count, self.out_payloads.shape[0]) or 0 < self.out_rows.shape[0] < count:
            raise ValueError("folding wants room for a flow, a payload and a told row more a packet, and a power of two of slots")
        self._set(&table, &self.out_payloads[0] if self.out_payloads.shape[0] else NULL)
        table.rows = &self.out_rows[0] if self.out_rows.shape[0] else NULL
        table.cells = NULL if self.cells is None else self.cells.reserved(count, self.flows.shape[0])
        with nogil:
            self._fold_all(&table, packets, count, first_number)
        return 0

    cdef bint has_room(self, Py_ssize_t count, Py_ssize_t payloads) noexcept nogil:
        """Whether the arrays are large enough for so many more packets."""
        cdef Py_ssize_t slots = self.flow_slots.shape[0]
        cdef bint fit = self.flow_count + count <= min(self.flows.shape[0], slots - 1) and not slots & (slots - 1)
        return fit and (self.inspected.shape[0] == 0 or (self.inspected.shape[0] >= self.flows.shape[0] and payloads >= count))

    cdef Py_ssize_t fold_into(self, const Packet *packets, Py_ssize_t count, uint64_t number, Payload *payloads) noexcept nogil:
        """Count a batch for which there ``has_room``, where nobody asked for cells; gives how many payloads are wanted."""
        cdef Table table
        self.payload_count = 0
        self._set(&table, payloads)
        self._fold_all(&table, packets, count, number)
        return self.payload_count

    cdef void _set(self, Table *table, Payload *payloads) noexcept nogil:
        table.flows, table.slots, table.payloads = &self.flows[0], &self.flow_slots[0], payloads
        table.inspected = &self.inspected[0] if self.inspected.shape[0] else NULL
        table.mask, table.keys = self.flow_slots.shape[0] - 1, keys_of(self.seed)
        table.rows, table.cells = NULL, NULL

    cdef void _fold_all(
        self, const Table *table, const Packet *packets, Py_ssize_t count, uint64_t first_number
    ) noexcept nogil:
        cdef Stage stages[STAGES]
        cdef Py_ssize_t start = 0, i
        while start < count + 2 * STRIDE:
            hash_stride(table, packets, start, min(start + STRIDE, count), stages)
            find_stride(table, packets, max(start - STRIDE, 0), min(start, count), stages)
            for i in range(max(start - 2 * STRIDE, 0), min(start - STRIDE, count)):
                self._fold_packet(table, &packets[i], &stages[i & (STAGES - 1)], i, first_number)
            start += STRIDE

    cdef inline void _fold_packet(
        self, const Table *table, const Packet *packet, const Stage *stage, Py_ssize_t index, uint64_t first_number
    ) noexcept nogil:
        cdef uint32_t row_and_side
        count_tally(&self.tallies[packet.verdict], packet)
        if packet.verdict <= NO_PORTS:
            row_and_side = self._fold_whole(table, packet, stage, first_number + index)
            if table.rows != NULL:
                table.rows[index] = 2 + row_and_side
            if table.cells != NULL:
                note_cell(table.cells, FIRST_FLOW + (row_and_side >> 1), packet, row_and_side & 1)
            if table.inspected != NULL and is_wanted(packet, table.inspected[row_and_side >> 1] >> (row_and_side & 1)):
                self._want(table, packet, row_and_side, index)
        elif packet.verdict == LATER_FRAGMENT:
            self._fold_fragment(table, packet, first_number + index)
        else:
            if packet.verdict == DUPLICATE:
                self._note_copy(table, packet, stage)
            if table.cells != NULL:
                note_cell(table.cells, packet.verdict, packet, 0)

    cdef inline void _want(self, const Table *table, const Packet *packet, uint32_t row_and_side, Py_ssize_t index) noexcept nogil:
        cdef Payload *payload = table.payloads + self.payload_count
        payload.packet, payload.row, payload.side = <uint32_t>index, row_and_side >> 1, row_and_side & 1
        payload.is_later = is_later(packet, &self.flows[row_and_side >> 1], row_and_side & 1)
        self.payload_count += 1

    cdef inline uint32_t _fold_whole(
        self, const Table *table, const Packet *packet, const Stage *stage, uint64_t number
    ) noexcept nogil:
        """Count it in its row; gives twice the row's index, plus the side that sent it."""
        # Since the stage was set, others of the stride may have filled slots, but no slot empties or moves.
        cdef uint64_t slot = stage.slot
        cdef uint32_t hash = stage.hash, row
        cdef int side
        cdef Flow *flow
        while table.slots[slot]:
            if table.slots[slot] >> 32 == hash:
                row = <uint32_t>table.slots[slot]
                flow = &table.flows[row - 1]
                side = side_of(flow, packet)
                if side >= 0:
                    if ((not opens(packet) or (flow.has_syn and flow.syn_sequence == packet.tcp_sequence))
                            and not is_silent(flow, packet.ts_ns, self.idle_ns)):
                        self._update(flow, row, packet, side)
                        return (row - 1) << 1 | side
                    return self._append(table, packet, slot, hash, number, row)
            slot = (slot + 1) & table.mask
        return self._append(table, packet, slot, hash, number, 0)

    cdef void _note_copy(self, const Table *table, const Packet *packet, const Stage *stage) noexcept nogil:
        # It is not counted, but the way it went belongs to its flow.
        cdef uint64_t slot = stage.slot
        cdef Flow *flow
        cdef int side
        while packet.direction and table.slots[slot]:
            flow = &table.flows[<uint32_t>table.slots[slot] - 1]
            side = side_of(flow, packet)
            if side >= 0:
                flow.local |= local_ends(packet, side)
                return
            slot = (slot + 1) & table.mask

    cdef uint32_t _append(
        self, const Table *table, const Packet *packet, uint64_t slot, uint32_t hash, uint64_t number, uint32_t earlier
    ) noexcept nogil:
        cdef uint32_t row = self.flow_count + 1
        cdef Flow *flow = &table.flows[row - 1]
        begin(flow, packet, number)
        flow.earlier = earlier
        if opens(packet):
            flow.has_syn, flow.syn_sequence = 1, packet.tcp_sequence
        table.slots[slot] = <uint64_t>hash << 32 | row
        self.flow_count = row
        self._update(flow, row, packet, flow.first_sender)
        return (row - 1) << 1 | flow.first_sender

    cdef inline void _update(self, Flow *flow, uint32_t row, const Packet *packet, int side) noexcept nogil:
        count_packet(flow, packet, side)
        note_tcp(flow, packet, side)  # other packets have no flags
        if packet.fragmentation == FRAGMENT_FIRST:
            self._note_first_fragment(packet, row, side)

    cdef inline Py_ssize_t _datagram(self, const Datagram *datagram) noexcept nogil:
        # The index of this datagram's row, which is made where it is new.
        return place_datagram(self.datagrams, self.datagram_slots, self.seed, datagram, &self.datagram_count)

    cdef void _note_first_fragment(self, const Packet *packet, uint32_t row, int side) noexcept nogil:
        cdef Datagram datagram = datagram_of(packet)
        note_first(&self.datagrams[self._datagram(&datagram)], row, side)

    cdef void _fold_fragment(self, const Table *table, const Packet *packet, uint64_t number) noexcept nogil:
        cdef Datagram beginning = datagram_of(packet)
        cdef Py_ssize_t row = self._datagram(&beginning)
        cdef Datagram *datagram = &self.datagrams[row]
        cdef uint32_t owner = FIRST_DATAGRAM + <uint32_t>row
        if datagram.latest_flow:
            count_packet(&self.flows[datagram.latest_flow - 1], packet, datagram.latest_side)
            owner = FIRST_FLOW - 1 + datagram.latest_flow
        else:
            note_waiting(datagram, packet, number)
        if table.cells != NULL:
            note_cell(table.cells, owner, packet, datagram.latest_side if datagram.latest_flow else 0)

    def rehash_flows(self, const uint64_t[::1] former not None, const uint32_t[::1] numbers not None):
        """Fill ``flow_slots``, given empty, from the former ones, which know every hash; ``numbers`` as ``move_slots`` has them."""
        cdef bint has_room = False
        if 0 < numbers.shape[0] < self.flow_count or self.flow_slots.shape[0] & (self.flow_slots.shape[0] - 1):
            raise ValueError("rehashing wants a number a row, and a power of two of slots")
        with nogil:
            has_room = move_slots(former, numbers, self.flow_slots)
        if not has_room:
            raise ValueError("rehashing wants more slots than rows")

    def rehash_datagrams(self):
        """Fill ``datagram_slots``, given empty and larger, from the rows."""
        cdef Py_ssize_t row, count = self.datagram_count
        self.datagram_count = 0
        with nogil:
            for row in range(count):
                self._datagram(&self.datagrams[row])

    cdef uint32_t _link(self, Py_ssize_t row) noexcept nogil:
        """Point the key's slot at this row; gives 1 + the row that it pointed at before, 0 for none."""
        cdef uint64_t mask = self.flow_slots.shape[0] - 1
        cdef Keys keys = keys_of(self.seed)
        cdef uint32_t hash = hash_row(&self.flows[row], &keys), before = 0
        cdef uint64_t slot = hash & mask
        while self.flow_slots[slot]:
            before = <uint32_t>self.flow_slots[slot]
            if self.flow_slots[slot] >> 32 == hash and same_key(&self.flows[before - 1], &self.flows[row]):
                break
            before = 0
            slot = (slot + 1) & mask
        self.flow_slots[slot] = <uint64_t>hash << 32 | <uint64_t>(row + 1)
        return before

    def link_flows(self):
        """Fill ``flow_slots``, given empty, from rows that were written by others: each key's slot points to its last row."""
        cdef Py_ssize_t row
        with nogil:
            for row in range(self.flow_count):
                self._link(row)

    def absorb(self, FlowStore later, uint32_t[::1] out_rows, uint64_t[::1] out_datagrams, uint64_t frames_before):
        """Join the later shard, whose frame 1 comes after ``frames_before``. ``out_rows[i]`` becomes 1 + the row here of its row i,
        ``out_datagrams[i]`` twice the owner of cells that its datagram i had, plus their side now."""
        cdef Py_ssize_t i
        with nogil:
            for i in range(later.flow_count):
                out_rows[i] = self._absorb_flow(&later.flows[i], frames_before)
            for i in range(later.datagram_count):
                out_datagrams[i] = self._absorb_datagram(&later.datagrams[i], out_rows, frames_before)
            for i in range(later.tallies.shape[0]):
                join_tally(&self.tallies[i], &later.tallies[i])

    cdef uint32_t _absorb_flow(self, const Flow *later, uint64_t frames_before) noexcept nogil:
        cdef Py_ssize_t row = self.flow_count
        cdef uint32_t before
        cdef Flow *flow
        self.flows[row] = later[0]
        before = self._link(row)
        if before:
            # A shard's first row of a key goes on with ours unless a SYN began it; and a SYN seen again goes on with the
            # row that it began, also where the shard put a row without a SYN before it.
            flow = &self.flows[before - 1]
            if not is_silent(flow, later.first_ns, self.idle_ns) and ((not later.has_syn and not later.earlier) or (
                later.has_syn and flow.has_syn and flow.syn_sequence == later.syn_sequence
            )):
                join(flow, later)
                self._link(before - 1)
                return before
        self.flows[row].earlier = before
        self.flows[row].first_frame += frames_before
        self.flow_count = row + 1
        return row + 1

    cdef uint64_t _absorb_datagram(self, const Datagram *later, uint32_t[::1] out_rows, uint64_t frames_before) noexcept nogil:
        cdef Datagram moved = later[0]
        cdef uint64_t owner
        cdef Datagram *datagram
        cdef Py_ssize_t row, before = self.datagram_count
        moved.first_frame += frames_before
        if later.first_flow:
            moved.first_flow = out_rows[later.first_flow - 1]
            moved.latest_flow = out_rows[later.latest_flow - 1]
        row = self._datagram(&moved)
        owner = <uint64_t>(FIRST_DATAGRAM + row) << 1
        if row == before:
            return owner
        datagram = &self.datagrams[row]
        if datagram.latest_flow:
            settle(&self.flows[datagram.latest_flow - 1], &moved, datagram.latest_side)
            owner = <uint64_t>(FIRST_FLOW - 1 + datagram.latest_flow) << 1 | datagram.latest_side
        else:
            join_waiting(datagram, &moved)
        if moved.latest_flow:
            datagram.latest_flow, datagram.latest_side = moved.latest_flow, moved.latest_side
        return owner
