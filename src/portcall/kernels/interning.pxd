from libc.stdint cimport int32_t, uint8_t, uint16_t, uint64_t


cdef class NameNumbers:
    cdef uint64_t[::1] tags  # the high half of the name's hash, and its place in the text
    cdef uint64_t[::1] values  # size:16, kind:16, number:32; 0 where the entry is empty
    cdef uint8_t[::1] text
    cdef uint64_t seed
    cdef Py_ssize_t count, text_used

    cdef int32_t find(self, uint16_t kind, int32_t about, const uint8_t *name, Py_ssize_t size) noexcept nogil
    cdef Py_ssize_t _entry(self, uint64_t hash, uint16_t kind, int32_t about, const uint8_t *name, Py_ssize_t size) noexcept nogil
