# Keys of several words, for hash tables that compare whole keys. The seed keeps those who choose keys from choosing slots.
from libc.stdint cimport uint64_t


cdef inline uint64_t hash_of(const uint64_t *key, Py_ssize_t width, uint64_t seed) noexcept nogil:
    cdef uint64_t value = seed
    cdef Py_ssize_t column
    for column in range(width):
        value = (value ^ key[column]) * <uint64_t>0xBF58476D1CE4E5B9  # of splitmix64, as the next
        value ^= value >> 29
    value *= <uint64_t>0x94D049BB133111EB
    return value ^ (value >> 32)


cdef inline bint are_same(const uint64_t *one, const uint64_t *other, Py_ssize_t width) noexcept nogil:
    cdef uint64_t differs = 0
    cdef Py_ssize_t column
    for column in range(width):
        differs |= one[column] ^ other[column]
    return differs == 0
