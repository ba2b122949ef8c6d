# Where the search for a flow begins, by a hash that those who send packets cannot foresee.
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from portcall.kernels.records cimport Packet


cdef inline uint64_t mix(uint64_t value) noexcept nogil:
    value ^= value >> 32
    value *= <uint64_t>0x9E3779B97F4A7C15
    value ^= value >> 29
    value *= <uint64_t>0xBF58476D1CE4E5B9
    return value ^ (value >> 32)


cdef inline uint64_t word(const uint8_t *address) noexcept nogil:
    cdef uint64_t word
    memcpy(&word, address, 8)
    return word


cdef inline uint64_t hash_end(const uint8_t *address, uint64_t port, uint64_t seed) noexcept nogil:
    cdef uint64_t value = ((word(address) ^ seed) * <uint64_t>0xD6E8FEB86659FD93
                           + (word(address + 8) ^ (port << 8) ^ (seed >> 7)) * <uint64_t>0x9E3779B97F4A7C15)
    return (value ^ (value >> 32)) * <uint64_t>0xBF58476D1CE4E5B9


cdef inline uint32_t hash_flow(const Packet *packet, uint64_t seed) noexcept nogil:
    # Both directions must meet, so the two ends are added.
    return <uint32_t>mix(
        hash_end(packet.source, packet.source_port, seed)
        + hash_end(packet.target, packet.target_port, seed)
        + (<uint64_t>packet.protocol << 40 | <uint64_t>packet.ip_version << 32 | packet.namespace)
    )


cdef inline bint same_address(const uint8_t *one, const uint8_t *other) noexcept nogil:
    return word(one) == word(other) and word(one + 8) == word(other + 8)
