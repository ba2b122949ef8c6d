# Where the search for a flow begins, by a hash that those who send packets cannot foresee.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from portcall.kernels.records cimport Packet

cdef extern from *:
    """
    /* The two halves of a product of 64-bit numbers, put upon each other: every bit of both numbers reaches every other. */
    static inline uint64_t portcall_folded_product(uint64_t one, uint64_t other) {
    #if defined(__SIZEOF_INT128__)
        __extension__ unsigned __int128 product = (unsigned __int128)one * other;
        return (uint64_t)product ^ (uint64_t)(product >> 64);
    #else
        uint64_t low = (one & 0xFFFFFFFF) * (other & 0xFFFFFFFF), high = (one >> 32) * (other >> 32);
        uint64_t cross = (one >> 32) * (other & 0xFFFFFFFF), crossed = (one & 0xFFFFFFFF) * (other >> 32);
        uint64_t middle = (low >> 32) + (cross & 0xFFFFFFFF) + (crossed & 0xFFFFFFFF);
        return (low & 0xFFFFFFFF | middle << 32) ^ (high + (cross >> 32) + (crossed >> 32) + (middle >> 32));
    #endif
    }
    """
    uint64_t folded_product "portcall_folded_product"(uint64_t one, uint64_t other) noexcept nogil


cdef struct Keys:
    uint64_t first
    uint64_t second


cdef inline uint64_t mix(uint64_t value) noexcept nogil:
    value ^= value >> 32
    value *= <uint64_t>0x9E3779B97F4A7C15
    value ^= value >> 29
    value *= <uint64_t>0xBF58476D1CE4E5B9
    return value ^ (value >> 32)


cdef inline Keys keys_of(uint64_t seed) noexcept nogil:
    cdef Keys keys
    keys.first = mix(seed + <uint64_t>0x9E3779B97F4A7C15)
    keys.second = mix(seed + <uint64_t>0x3C6EF372FE94F82A)
    return keys


cdef inline uint64_t word(const uint8_t *address) noexcept nogil:
    cdef uint64_t eight
    memcpy(&eight, address, 8)
    return eight


cdef inline uint64_t _hash_address(const uint8_t *address, const Keys *keys) noexcept nogil:
    return folded_product(word(address) ^ keys.first, word(address + 8) ^ keys.second)


cdef inline uint32_t hash_flow(const Packet *packet, const Keys *keys) noexcept nogil:
    """The same for both directions, as a product does not ask which factor comes first.

    What ports and protocols add changes a factor that is secret already, so nobody can choose them for a collision.
    """
    cdef uint16_t kind = <uint16_t>(packet.protocol | packet.ip_version << 8)
    cdef uint64_t rest = <uint64_t>packet.namespace << 32 | <uint64_t>kind << 16
    return <uint32_t>folded_product(
        _hash_address(packet.source, keys) ^ (rest | packet.source_port),
        _hash_address(packet.target, keys) ^ (rest | packet.target_port),
    )


cdef inline bint same_address(const uint8_t *one, const uint8_t *other) noexcept nogil:
    return word(one) == word(other) and word(one + 8) == word(other + 8)
