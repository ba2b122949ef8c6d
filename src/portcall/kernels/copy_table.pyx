"""Packets that are copies of others: the same at the network layer, a moment later.

What may differ on the way from one capture point to the next is left out: everything before the IP header; the hops that are left,
the IPv4 header's checksum with them; the class of service. A table by hash holds the latest packets, two a place, so its size
bounds how many frames back a copy is found, and the window how long. The hash is secret: nobody can make two packets alike.
What may be sent several times alike, such as acknowledgements in IPv6, is a copy only within a second after one that is sure.
"""

from cpython.buffer cimport PyBuffer_Release
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy, memset

from portcall.kernels.borrowing cimport borrow
from portcall.kernels.hashing cimport Keys, folded_product, keys_of, word
from portcall.kernels.records cimport DUPLICATE, LATER_FRAGMENT, NO_TIME, TCP_FIN, TCP_SYN, Frame, Packet

cdef enum:
    COMPANY_NS = 1000000000  # how long after a sure copy others are believed
    ALL_UP_TO = 32768  # packets that are looked at first; then runs of so many, one of so many of all
    RUN = 256
    ONE_OF = 16

cdef extern from *:
    """
    /* Of a word of the header as it lies in memory: bytes 2 to 9 of IPv4 without its hops, 0 to 7 of IPv6 without class, flow label and
       hops. */
    static const unsigned char portcall_ipv4_kept[8] = {255, 255, 255, 255, 255, 255, 0, 255};
    static const unsigned char portcall_ipv6_kept[8] = {0, 0, 0, 0, 255, 255, 255, 0};
    """
    const uint8_t *IPV4_KEPT "portcall_ipv4_kept"
    const uint8_t *IPV6_KEPT "portcall_ipv6_kept"


cdef inline uint64_t _digest(const uint8_t *header, size_t size, uint8_t version, size_t most, const Keys *keys) noexcept nogil:
    """Of header[:size], of which the IP header, whole as it was decoded, and up to ``most`` bytes behind it count."""
    cdef uint64_t state, tail[2]
    cdef size_t at, length
    if version == 4:
        length = <size_t>header[2] << 8 | header[3]
        state, at = word(header + 2) & word(IPV4_KEPT), 12
        if length >= 20:
            size = min(size, length)
        size = min(size, 20 + most)
    else:
        length = 40 + (<size_t>header[4] << 8 | header[5])
        state, at = word(header) & word(IPV6_KEPT), 8
        if length > 40:
            size = min(size, length)
        size = min(size, 40 + most)
    state = folded_product(state ^ keys.first, keys.second)
    while size - at >= 16:
        state = folded_product(state ^ word(header + at), keys.second ^ word(header + at + 8))
        at += 16
    tail[0], tail[1] = size, 0
    if size > at:
        memcpy(tail, header + at, size - at)
    return folded_product(state ^ tail[0] ^ size, keys.first ^ tail[1])


cdef inline bint _is_numbered(const Packet *packet, const uint8_t *header, size_t size) noexcept nogil:
    """Whether it is a copy if it is seen again at once: IPv4 numbers it, or what it carries does.

    Acknowledgements and resets of TCP are sent several times alike (RFC 5681 §3.2), and so are reports of groups (RFC 3810 §6.1, with
    IGMP and ICMP) and errors. An echo has a sequence.
    """
    cdef size_t at = 40 if packet.ip_version == 6 else 4 * <size_t>(header[0] & 0x0F)
    if packet.ip_version == 4 and (header[4] | header[5]):
        return True
    if packet.protocol == 6:
        return packet.payload != 0 or (packet.tcp_flags & (TCP_SYN | TCP_FIN)) != 0
    if packet.protocol == 1:
        return size > at and (header[at] == 0 or header[at] == 8)
    if packet.protocol == 58:
        return size > at and header[6] == 58 and (header[at] == 128 or header[at] == 129)
    return packet.protocol != 2


cdef inline Seen *_slot(Seen *pair, uint64_t digest) noexcept nogil:
    """The one of two that has the digest; else one that is free, else the one whose packet came earlier."""
    if pair[0].digest == digest or pair[0].digest == 0:
        return pair
    if pair[1].digest == digest or pair[1].digest == 0 or pair[1].ts_ns < pair[0].ts_ns:
        return pair + 1
    return pair


cdef class CopyTable:
    """The latest packets, by their digests. ``window_ns`` is how much later, or earlier, a copy may come.

    ``displaced`` are packets that others with the same place drove out before that: their copies are not found. Which packets
    share a place depends on the seed. Where copies are removed, all packets are looked at. Where they are noticed, all of the first
    are, then short runs, for copies are neighbours: ``frames`` counts those there were, ``looked_at`` those looked at, ``all`` and
    ``found_in_all`` those before.
    """

    def __init__(self, Seen[::1] seen, *, int64_t window_ns, uint64_t seed, size_t most_bytes, bint removes):
        """``seen`` are digest and time, a power of two of them, 2 at least, zeros; ``most_bytes`` behind the IP header are compared; ``removes``
        makes the verdict of a copy DUPLICATE.
        """
        if seen.shape[0] < 2 or seen.shape[0] & (seen.shape[0] - 1):
            raise ValueError("finding copies wants a power of two of slots, two at least")
        self.seen, self.window_ns, self.removes, self.most_bytes = seen, window_ns, removes, most_bytes
        self.keys, self.sure_ns = keys_of(seed), NO_TIME

    def find(self, object packets, object frames, const uint8_t[::1] buffer):
        """Find the copies among PACKET[n], decoded from FRAME[n] in the buffer; ``found`` counts them."""
        cdef Py_buffer views[2]
        cdef Py_ssize_t count
        if packets.dtype is not self.packet_dtype or frames.dtype is not self.frame_dtype:
            self._compare(packets, frames)
        count = borrow(packets, sizeof(Packet), &views[0])
        try:
            if borrow(frames, sizeof(Frame), &views[1]) != count:
                PyBuffer_Release(&views[1])
                raise ValueError("finding copies wants the frames that the packets were decoded from")
            try:
                with nogil:
                    self.find_some(
                        <Packet *>views[0].buf, <const Frame *>views[1].buf, count,
                        &buffer[0] if buffer.shape[0] else NULL, buffer.shape[0]
                    )
            finally:
                PyBuffer_Release(&views[1])
        finally:
            PyBuffer_Release(&views[0])

    cdef void find_some(
        self, Packet *packets, const Frame *frames, Py_ssize_t count, const uint8_t *bytes, uint64_t room
    ) noexcept nogil:
        """Find them among those of a batch that are looked at."""
        cdef Py_ssize_t some = count
        if not self.removes and self.frames >= ALL_UP_TO:
            if self.frames == self.looked_at:
                self.all, self.found_in_all = self.frames, self.found
            some = min(count, RUN) if (self.looked_at - self.all) * ONE_OF <= self.frames - self.all else 0
        self.frames += count
        self.looked_at += some
        self._find_among(packets, frames, some, bytes, room)

    cdef int _compare(self, Packet[::1] packets, const Frame[::1] frames) except -1:
        self.packet_dtype, self.frame_dtype = packets.base.dtype, frames.base.dtype
        return 0

    cdef void _find_among(
        self, Packet *packets, const Frame *frames, Py_ssize_t count, const uint8_t *bytes, uint64_t room
    ) noexcept nogil:
        cdef Py_ssize_t i
        cdef uint64_t mask = self.seen.shape[0] - 2, digest  # of pairs
        cdef Packet *packet
        cdef Seen *seen
        cdef Seen *table = &self.seen[0]
        cdef size_t size
        for i in range(count):
            packet = &packets[i]
            if (packet.verdict > LATER_FRAGMENT or packet.ip_version == 0 or packet.ts_ns == NO_TIME
                    or frames[i].captured > room or frames[i].offset > room - frames[i].captured
                    or frames[i].captured < <uint64_t>packet.network_offset + (20 if packet.ip_version == 4 else 40)):
                continue
            size = frames[i].captured - packet.network_offset
            digest = _digest(
                bytes + frames[i].offset + packet.network_offset, size, packet.ip_version, self.most_bytes, &self.keys
            )
            seen = _slot(&table[digest & mask], digest)
            if seen.digest == digest and -self.window_ns <= packet.ts_ns - seen.ts_ns <= self.window_ns:
                if not _is_numbered(packet, bytes + frames[i].offset + packet.network_offset, size):
                    if not self.sure_ns <= packet.ts_ns <= self.sure_ns + COMPANY_NS:
                        continue
                else:
                    self.sure_ns = packet.ts_ns
                self.found += 1
                if self.removes:
                    packet.verdict = DUPLICATE
            else:
                self.displaced += (
                    seen.digest != 0 and seen.digest != digest and -self.window_ns <= packet.ts_ns - seen.ts_ns <= self.window_ns
                )
                seen.digest, seen.ts_ns = digest, packet.ts_ns
