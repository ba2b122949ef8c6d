"""Which name resolvers gave a client for an address, and when: a ring of the latest DNS answers, found by client and server.

An answer is an interval: the same answer while it holds lengthens it, and later too where its pair has as many as are
looked at; so a conversation of days keeps its name, however often somebody asks again. Those of one pair are chained from the newest to
the oldest by ``earlier``. References, in slots and chains, are 1 + the running number of an answer, so it shows where the
ring has passed over one; what its slot then holds is a pair that is gone. As in ``flow_update``, rows go in strides. Most servers
were never told to anybody: one bit, which stays in the cache, spares the search.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from portcall.kernels.prefetching cimport portcall_prefetch
from portcall.kernels.records cimport NEVER, NO_TIME, Flow, CachedAnswer

cdef enum:
    STRIDE = 32
    MOST_STEPS = 64  # along the chain of one pair
    MOST_STEPS_BACK = 8  # to one that may be lengthened
    _SEVERAL = 0xFFFFFFFF
    _GRACE_S = 60

SEVERAL = <uint32_t>_SEVERAL
"""Stands for a name where there are several."""

GRACE_S = _GRACE_S
"""Programs go on with an address for a while after its time to live."""

cdef int64_t NANOSECONDS = 1000000000
cdef uint64_t[2] EVERYBODY = [0, 0]


cdef inline bint _is_multicast(const uint8_t *address) noexcept nogil:
    """224.0.0.0/4 (RFC 5771), ff00::/8 (RFC 4291 §2.7)."""
    cdef uint32_t i
    for i in range(12):
        if address[i]:
            return address[0] == 0xFF
    return address[12] & 0xF0 == 0xE0


cdef inline uint64_t _hash(const uint64_t *client, const uint64_t *server, uint64_t seed) noexcept nogil:
    cdef uint64_t value = (client[0] ^ seed) * <uint64_t>0x9E3779B97F4A7C15
    value = ((value ^ (value >> 29)) + client[1]) * <uint64_t>0xBF58476D1CE4E5B9  # of splitmix64, as the next
    value = ((value ^ (value >> 32)) + server[0]) * <uint64_t>0x94D049BB133111EB
    value = (value ^ (value >> 29)) + server[1]
    value = (value ^ (value >> 32)) * <uint64_t>0xBF58476D1CE4E5B9  # the last bytes of an address lie in the highest bits
    return value ^ (value >> 32)


cdef inline uint64_t _hash_server(const uint64_t *server, uint64_t seed) noexcept nogil:
    cdef uint64_t value = (server[0] ^ seed) * <uint64_t>0x9E3779B97F4A7C15
    value = ((value ^ (value >> 29)) + server[1]) * <uint64_t>0xBF58476D1CE4E5B9
    return value >> (64 - SERVER_BITS)


cdef inline bint _is_of(const CachedAnswer *told, const uint64_t *client, const uint64_t *server) noexcept nogil:
    return (told.client[0] == client[0] and told.client[1] == client[1] and told.server[0] == server[0]
            and told.server[1] == server[1])


cdef inline bint _is_before(const CachedAnswer *told, int64_t first_ns) noexcept nogil:
    return told.first_ns <= first_ns or first_ns == NO_TIME


cdef class DnsAnswerStore:
    """Holds the latest answers: as many as the ring has room for, a power of two, with twice as many slots, all zeros.

    ``seed`` keeps those who choose the addresses from choosing the slots. Addresses are two words of 8 bytes each as they
    are in memory; names are numbers from 1 on, below SEVERAL.
    """

    def __init__(self, CachedAnswer[::1] ring, uint64_t[::1] slots, uint64_t seed):
        if slots.shape[0] != 2 * ring.shape[0] or ring.shape[0] & (ring.shape[0] - 1) or not ring.shape[0]:
            raise ValueError("answers want a ring of a power of two, and twice as many slots")
        self.ring, self.slots, self.seed = ring, slots, seed

    def __len__(self):
        return min(self.count, <uint64_t>self.ring.shape[0])

    @property
    def forgotten(self):
        """How many answers gave way to later ones."""
        return self.count - min(self.count, <uint64_t>self.ring.shape[0])

    def note(self, bytes client, bytes server, int64_t time_ns, uint32_t seconds, uint32_t name):
        """A client was told a name for a server (16 bytes each), for so many seconds; a multicast group is everybody."""
        if len(client) != 16 or len(server) != 16:
            raise ValueError("addresses have 16 bytes")
        self.note_bytes(client, server, time_ns, seconds, name)

    def find(
        self, const Flow[:] flows, const uint8_t[::1] clients_are_low, const uint8_t[::1] wanted, uint32_t[::1] out_names
    ):
        """Fill ``out_names[n]`` with the name that the client of each of FLOW[n] knew its server by when it first spoke; 0 for
        none, or SEVERAL. Rows that are not ``wanted`` keep what they have.

        Names of which the time is over count only where no other is left: then it is the last one told.
        """
        cdef Py_ssize_t row, start = 0, stop, rows = flows.shape[0]
        cdef uint64_t mask = self.slots.shape[0] - 1
        cdef uint64_t ends[STRIDE][4]  # client and server of each row of the stride
        cdef uint64_t *client
        cdef bint is_sought[STRIDE]
        if min(clients_are_low.shape[0], wanted.shape[0], out_names.shape[0]) < rows:
            raise ValueError("answers want to know the client of each row and whether it is wanted, and room for a name")
        with nogil:
            while start < rows:
                stop = min(start + STRIDE, rows)
                for row in range(start, stop):
                    is_sought[row - start] = False
                    if wanted[row]:
                        client = &ends[row - start][0]
                        memcpy(client if clients_are_low[row] else client + 2, flows[row].low, 16)
                        memcpy(client + 2 if clients_are_low[row] else client, flows[row].high, 16)
                        is_sought[row - start] = self._may_know(client + 2)
                        out_names[row] = 0
                    if is_sought[row - start]:
                        portcall_prefetch(&self.slots[_hash(client, client + 2, self.seed) & mask])
                        portcall_prefetch(&self.slots[_hash(EVERYBODY, client + 2, self.seed) & mask])
                for row in range(start, stop):
                    if is_sought[row - start]:
                        client = &ends[row - start][0]
                        out_names[row] = self._name(client, client + 2, flows[row].first_ns)
                start = stop

    def told(self, bytes client, bytes server):
        """(first, last, until, name) of what a client was told of a server (16 bytes each), the oldest first."""
        cdef uint64_t of_client[2]
        cdef uint64_t of_server[2]
        cdef uint64_t reference
        cdef const CachedAnswer *cached_answer
        if len(client) != 16 or len(server) != 16:
            raise ValueError("addresses have 16 bytes")
        memcpy(of_client, <const uint8_t *>client, 16)
        memcpy(of_server, <const uint8_t *>server, 16)
        found = []
        reference = self.slots[self._find(of_client, of_server)]
        while self._is_held(reference) and len(found) < MOST_STEPS:
            cached_answer = &self.ring[(reference - 1) & <uint64_t>(self.ring.shape[0] - 1)]
            found.append((cached_answer.first_ns, cached_answer.last_ns, cached_answer.until_ns, cached_answer.name))
            reference = cached_answer.earlier
        return found[::-1]

    def answers(self, CachedAnswer[::1] out_answers):
        """Fill ``out_answers``, which has room for all that are held, from the oldest to the newest."""
        cdef uint64_t size = self.ring.shape[0], held = min(self.count, size), i
        if <uint64_t>out_answers.shape[0] < held:
            raise ValueError("there is no room for the answers")
        for i in range(held):
            out_answers[i] = self.ring[(self.count - held + i) & (size - 1)]

    def absorb(self, const CachedAnswer[::1] answers, const uint32_t[::1] names):
        """Note what others were told later, from the oldest to the newest; ``names`` are the numbers here of their names."""
        cdef Py_ssize_t i
        cdef CachedAnswer told
        for i in range(answers.shape[0]):
            if answers[i].name >= <uint32_t>min(names.shape[0], <Py_ssize_t>_SEVERAL):
                raise ValueError("an answer's name has no number")
        with nogil:
            for i in range(answers.shape[0]):
                told = answers[i]
                told.name, told.earlier, told.in_chain = names[answers[i].name], 0, 0
                self._note(&told)

    cdef void note_bytes(
        self, const uint8_t *client, const uint8_t *server, int64_t time_ns, uint32_t seconds, uint32_t name
    ) noexcept nogil:
        cdef CachedAnswer told
        cdef int64_t lasts_ns = (<int64_t>seconds + _GRACE_S) * NANOSECONDS
        memcpy(told.client, client, 16)
        memcpy(told.server, server, 16)
        if _is_multicast(client):
            told.client[0] = told.client[1] = 0
        told.first_ns = told.last_ns = time_ns
        told.until_ns = time_ns + lasts_ns if time_ns < NEVER - lasts_ns else NEVER
        told.name, told.in_chain, told.earlier = name, 0, 0
        self._note(&told)

    cdef void _note(self, CachedAnswer *told) noexcept nogil:
        """Lengthen the answer of its pair that says the same, or keep it as the newest."""
        cdef uint64_t slot
        self._note_server(told.server)
        slot = self._find(told.client, told.server)
        if self._is_held(self.slots[slot]):
            told.earlier = self.slots[slot]
            told.in_chain = self.ring[(told.earlier - 1) & <uint64_t>(self.ring.shape[0] - 1)].in_chain + 1
            if self._extend(told.earlier, told):
                return
        elif not self.slots[slot]:
            self.used_slots += 1
        self.ring[self.count & <uint64_t>(self.ring.shape[0] - 1)] = told[0]
        self.count += 1
        self.slots[slot] = self.count
        if self.used_slots > <uint64_t>self.slots.shape[0] // 4 * 3:
            self._rehash()

    cdef inline void _note_server(self, const uint64_t *server) noexcept nogil:
        cdef uint64_t bit = _hash_server(server, self.seed)
        self.servers[bit >> 6] |= <uint64_t>1 << (bit & 63)

    cdef inline bint _may_know(self, const uint64_t *server) noexcept nogil:
        cdef uint64_t bit = _hash_server(server, self.seed)
        return self.servers[bit >> 6] >> (bit & 63) & 1

    cdef bint _is_held(self, uint64_t reference) noexcept nogil:
        return reference != 0 and reference + <uint64_t>self.ring.shape[0] > self.count

    cdef uint64_t _find(self, const uint64_t *client, const uint64_t *server) noexcept nogil:
        """The pair's slot; else one for it: the first of a pair that is gone, or the empty one that ends the search."""
        cdef uint64_t mask = self.slots.shape[0] - 1, slot = _hash(client, server, self.seed) & mask, gone = mask + 1
        while self.slots[slot]:
            if not self._is_held(self.slots[slot]):
                gone = slot if gone > mask else gone
            elif _is_of(&self.ring[(self.slots[slot] - 1) & <uint64_t>(self.ring.shape[0] - 1)], client, server):
                return slot
            slot = (slot + 1) & mask
        return slot if gone > mask else gone

    cdef bint _extend(self, uint64_t reference, const CachedAnswer *told) noexcept nogil:
        """Lengthen an answer of the pair that says the same and holds at the time; whether there is one.

        Where one more would hide the oldest, the newest that says the same need not hold any more.
        """
        cdef CachedAnswer *earlier
        cdef int step
        cdef bint is_full = told.in_chain >= MOST_STEPS
        if told.first_ns == NO_TIME:
            return False  # the order alone tells what is new
        for step in range(MOST_STEPS if is_full else MOST_STEPS_BACK):
            if not self._is_held(reference):
                break
            earlier = &self.ring[(reference - 1) & <uint64_t>(self.ring.shape[0] - 1)]
            if earlier.name == told.name and (
                is_full or earlier.first_ns <= told.until_ns and told.first_ns <= earlier.until_ns
            ):
                earlier.first_ns = min(earlier.first_ns, told.first_ns)
                earlier.last_ns = max(earlier.last_ns, told.last_ns)
                earlier.until_ns = max(earlier.until_ns, told.until_ns)
                return True
            reference = earlier.earlier
        return False

    cdef void _rehash(self) noexcept nogil:
        """Free the slots of pairs that are gone."""
        cdef uint64_t size = self.ring.shape[0], number = self.count - min(self.count, size), slot
        cdef CachedAnswer *told
        memset(&self.slots[0], 0, self.slots.shape[0] * sizeof(uint64_t))
        memset(self.servers, 0, sizeof(self.servers))
        self.used_slots = 0
        while number < self.count:
            told = &self.ring[number & (size - 1)]
            self._note_server(told.server)
            slot = self._find(told.client, told.server)
            self.used_slots += not self.slots[slot]
            number += 1
            self.slots[slot] = number

    cdef uint32_t _name(self, const uint64_t *client, const uint64_t *server, int64_t first_ns) noexcept nogil:
        cdef const uint64_t *clients[2]
        cdef uint32_t name = 0, latest_name = 0
        cdef int64_t latest_ns = NO_TIME
        cdef uint64_t reference
        cdef const CachedAnswer *told
        cdef int i, step
        clients[0], clients[1] = EVERYBODY, client
        for i in range(2):
            reference = self.slots[self._find(clients[i], server)]
            for step in range(MOST_STEPS):
                if not self._is_held(reference):
                    break
                told = &self.ring[(reference - 1) & <uint64_t>(self.ring.shape[0] - 1)]
                reference = told.earlier
                if not _is_before(told, first_ns):
                    continue
                if first_ns <= told.until_ns:
                    name = told.name if not name or name == told.name else <uint32_t>_SEVERAL
                if not latest_name or told.last_ns > latest_ns:
                    latest_name, latest_ns = told.name, told.last_ns
        return name or latest_name
