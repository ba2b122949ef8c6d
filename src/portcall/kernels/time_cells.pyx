"""The cells of one flow table: how buckets become wider, and how cells of others are taken in. See ``time_cells.pxd``.

Cells that were counted under a narrower width are folded in one pass and in place: each into the one before it of its owner,
where that is of the same bucket now.
"""

from libc.stdint cimport INT64_MAX, int64_t, uint32_t, uint64_t

from portcall.kernels.records cimport FIRST_FLOW, FIRST_UNMATCHED, NO_TIME, TimeCell

cdef enum:
    NOBODY = 0xFFFFFFFF


cdef void enter_bucket(Cells *store, int64_t ts_ns) noexcept nogil:
    """Go to the bucket of this time, which is cut at both ends of what numbers can say."""
    cdef int64_t offset
    if ts_ns == NO_TIME:
        store.first_ns = store.last_ns = NO_TIME
        return
    offset = ts_ns % store.width_ns
    if offset < 0:
        offset += store.width_ns
    store.first_ns = ts_ns - offset if ts_ns > NO_TIME + offset else NO_TIME + 1
    offset = store.width_ns - 1 - offset
    store.last_ns = ts_ns + offset if ts_ns <= INT64_MAX - offset else INT64_MAX
    if store.eras != NULL:
        _extend(store, &store.eras[2 * ((<uint64_t>ts_ns ^ <uint64_t>NO_TIME) >> ERA_BITS)], bucket_number(ts_ns, store.width_ns))


cdef inline void _extend(Cells *store, int64_t *era, int64_t number) noexcept nogil:
    """Let an era reach to this bucket."""
    if era[0] > era[1]:
        era[0] = era[1] = number
        store.spanned += 1
    elif number < era[0]:
        store.spanned += era[0] - number
        era[0] = number
    elif number > era[1]:
        store.spanned += number - era[1]
        era[1] = number


cdef inline bint _fits(const TimeCell *cell, const TimeCell *other) noexcept nogil:
    return (
        has_room(cell, 0, other.packets[0], other.bytes[0], other.payload[0])
        and has_room(cell, 1, other.packets[1], other.bytes[1], other.payload[1])
    )


cdef inline void _join(TimeCell *cell, const TimeCell *other) noexcept nogil:
    cdef int side
    for side in range(2):
        cell.packets[side] += other.packets[side]
        cell.bytes[side] += other.bytes[side]
        cell.payload[side] += other.payload[side]
    cell.first_ns = min(cell.first_ns, other.first_ns)
    cell.last_ns = max(cell.last_ns, other.last_ns)


cdef inline Py_ssize_t _class(uint32_t owner, Py_ssize_t flows) noexcept nogil:
    """Where an owner stands in order: 0 is no flow, 1 the first flow, and behind all of them unmatched fragments."""
    if owner < FIRST_FLOW:
        return 0
    return 1 + <Py_ssize_t>(owner - FIRST_FLOW) if owner < FIRST_UNMATCHED else 1 + flows


cdef class CellStore:
    """Arrays that ``flows.TimeBuckets`` owns: ``cells``, ``latest`` (zeros, by owner), and ``eras``, the numbers of the first and the
    last bucket in each, the first greater than the last in those without any; no eras where buckets need not be counted.
    """

    def __init__(self, int64_t width_ns):
        if width_ns < 1:
            raise ValueError("a bucket is a nanosecond wide at least")
        self.state.width_ns = width_ns
        self.state.first_ns, self.state.last_ns = 1, 0

    @property
    def count(self):
        """How many cells there are."""
        return self.state.count

    @property
    def spanned(self):
        """How many buckets there are from the first to the last of each era; 0 where nobody counts them."""
        return self.state.spanned

    @property
    def width_ns(self):
        """How wide buckets are."""
        return self.state.width_ns

    cdef Cells *reserved(self, Py_ssize_t packets, Py_ssize_t flows) except NULL:
        """The arrays, with room for so many more packets and for so many flows."""
        if self.state.count + packets > self.cells.shape[0] or FIRST_FLOW + flows > self.latest.shape[0]:
            raise ValueError("cells want room for one more a packet, and for their owners")
        if self.eras.shape[0] and (self.eras.shape[0] != ERAS or self.eras.shape[1] != 2):
            raise ValueError("counting buckets wants the first and the last of each era")
        self.state.cells, self.state.latest = &self.cells[0], &self.latest[0]
        self.state.eras = &self.eras[0, 0] if self.eras.shape[0] else NULL
        return &self.state

    def append(self, const TimeCell[::1] cells):
        """Take in cells of others, whose owners are known here."""
        cdef Py_ssize_t i
        cdef Cells *state = self.reserved(cells.shape[0], 0)
        for i in range(cells.shape[0]):
            if FIRST_FLOW <= cells[i].owner < FIRST_UNMATCHED and cells[i].owner >= self.latest.shape[0]:
                raise ValueError("a cell's owner is none")
        with nogil:
            for i in range(cells.shape[0]):
                if not state.first_ns <= cells[i].first_ns <= state.last_ns:
                    enter_bucket(state, cells[i].first_ns)
                self._put(&cells[i])

    def widen(self, int64_t width_ns):
        """Go on with buckets of a multiple of their width."""
        cdef int64_t times = width_ns // self.state.width_ns
        cdef Py_ssize_t i, count = self.state.count
        cdef Cells *state
        if times < 1 or width_ns % self.state.width_ns:
            raise ValueError("buckets become as wide as several of them")
        state = self.reserved(0, 0)
        state.width_ns, state.first_ns, state.last_ns = width_ns, 1, 0
        with nogil:
            state.spanned = 0
            for i in range(self.eras.shape[0]):
                if self.eras[i, 0] <= self.eras[i, 1]:
                    self.eras[i, 0], self.eras[i, 1] = bucket_number(self.eras[i, 0], times), bucket_number(self.eras[i, 1], times)
                    state.spanned += self.eras[i, 1] - self.eras[i, 0] + 1
            for i in range(count):
                if self.cells[i].owner < FIRST_UNMATCHED:
                    self.latest[self.cells[i].owner] = 0
            state.count = 0
            for i in range(count):
                self._put(&self.cells[i])

    def renumber(self, const uint32_t[::1] owners):
        """Give each cell another owner; those of 0xFFFFFFFF are dropped. Buckets that were met stay counted."""
        cdef Py_ssize_t i, count = self.state.count
        cdef Cells *state = self.reserved(0, 0)
        cdef TimeCell cell
        if owners.shape[0] != count:
            raise ValueError("renumbering wants an owner a cell")
        for i in range(count):
            if FIRST_FLOW <= owners[i] < FIRST_UNMATCHED and owners[i] >= self.latest.shape[0]:
                raise ValueError("a cell's owner is none")
        with nogil:
            for i in range(count):
                if self.cells[i].owner < FIRST_UNMATCHED:
                    self.latest[self.cells[i].owner] = 0
            state.count = 0
            for i in range(count):
                if owners[i] != NOBODY:
                    cell = self.cells[i]
                    cell.owner = owners[i]
                    self._put(&cell)

    def arrange(self, uint32_t[::1] out_starts, uint32_t[::1] places):
        """Bring cells in order of their owners, in place, those of one owner as they were: verdicts and datagrams first, then
        flows, then unmatched fragments.

        ``out_starts`` are zeros, two more than there are flows: where the cells of each flow begin, where those of fragments do,
        and how many there are. ``places`` is room for a number a cell.
        """
        cdef Py_ssize_t i, count = self.state.count, flows = out_starts.shape[0] - 2
        cdef uint32_t here, place, begin = 0
        cdef Cells *state = self.reserved(0, max(flows, 0))
        cdef TimeCell cell
        if flows < 0 or places.shape[0] < count:
            raise ValueError("to bring cells in order wants where those of each flow begin, and room for a number a cell")
        for i in range(count):
            if flows <= self.cells[i].owner - <int64_t>FIRST_FLOW < <int64_t>FIRST_UNMATCHED - FIRST_FLOW:
                raise ValueError("a cell's owner is none")
        with nogil:
            for i in range(count):
                out_starts[_class(self.cells[i].owner, flows)] += 1
            for i in range(flows + 2):
                out_starts[i], begin = begin, begin + out_starts[i]
            for i in range(count):
                here = _class(self.cells[i].owner, flows)
                places[i] = out_starts[here]
                out_starts[here] += 1
            for i in range(count):
                while places[i] != i:
                    place = places[i]
                    cell, self.cells[i] = self.cells[i], self.cells[place]
                    self.cells[place] = cell
                    places[i], places[place] = places[place], place
            for i in range(count):
                if self.cells[i].owner < FIRST_UNMATCHED:
                    state.latest[self.cells[i].owner] = <uint32_t>(i + 1)

    cdef void _put(self, const TimeCell *cell) noexcept nogil:
        """Add a cell to the latest of its owner, or behind all cells: never behind where it is itself."""
        cdef Cells *state = &self.state
        cdef uint32_t latest = self.latest[cell.owner] if cell.owner < FIRST_UNMATCHED else 0
        cdef int64_t number = bucket_number(cell.first_ns, state.width_ns)
        if (
            latest and bucket_number(self.cells[latest - 1].first_ns, state.width_ns) == number
            and _fits(&self.cells[latest - 1], cell)
        ):
            _join(&self.cells[latest - 1], cell)
            return
        self.cells[state.count] = cell[0]
        state.count += 1
        if cell.owner < FIRST_UNMATCHED:
            self.latest[cell.owner] = <uint32_t>state.count
