from libc.stdint cimport uint32_t, uint64_t


cdef struct Layout:
    # Where the words of each kind end in a row: its key, what is added, what is kept where least, and where greatest.
    Py_ssize_t key
    Py_ssize_t added
    Py_ssize_t least
    Py_ssize_t greatest


cdef class SumTable:
    cdef uint64_t[:, ::1] sums
    cdef uint32_t[::1] slots
    cdef readonly Py_ssize_t count
    cdef readonly Py_ssize_t room
    cdef uint64_t seed
    cdef Layout ends

    cdef void add_stride(self, const uint64_t *rows, Py_ssize_t count) noexcept nogil
