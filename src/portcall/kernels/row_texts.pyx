"""Rows as text: numbers, words of a dictionary, addresses, times and identifiers, with what stands between them, row after row.

Formats differ in what stands between values and in how words are escaped, which is done once a word, before. Here they
are put together.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, strlen

cdef extern from "sys/socket.h" nogil:
    enum: AF_INET6
    ctypedef uint32_t socklen_t

cdef extern from "arpa/inet.h" nogil:
    const char *inet_ntop(int family, const void *address, char *text, socklen_t size)

cdef enum:
    _NUMBER = 0  # values[column]
    _WORD = 1  # values[column] is its index in the dictionary
    _ADDRESS = 2  # values[column] and values[column + 1] are its halves, IPv4 in the low 32 bits of the second one
    _SECONDS = 3  # values[column] is microseconds
    _IDENTIFIER = 4  # of values[column] and values[column + 1]
    _DIGITS = 20
    _ADDRESS_CHARACTERS = 45
    _IDENTIFIER_CHARACTERS = 18
    _OF_FIRST_HALF = 10  # digits of an identifier
    _AT_ONCE = 32  # bytes that are copied for less

NUMBER, WORD, ADDRESS, SECONDS, IDENTIFIER = _NUMBER, _WORD, _ADDRESS, _SECONDS, _IDENTIFIER
"""Kinds of values."""
MOST_CHARACTERS = {
    _NUMBER: _DIGITS, _WORD: 0, _ADDRESS: _ADDRESS_CHARACTERS, _SECONDS: _DIGITS + 1, _IDENTIFIER: _IDENTIFIER_CHARACTERS,
}
"""What a value takes at the most, by kind; a word is as long as it is."""


cdef const uint8_t *_BASE_62 = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
cdef uint8_t[200] _PAIRS  # the digits of 0 to 99
cdef uint8_t[256][4] _OCTETS  # those of each octet, and how many
for _pair in range(100):
    _PAIRS[2 * _pair], _PAIRS[2 * _pair + 1] = c'0' + _pair // 10, c'0' + _pair % 10
for _octet in range(256):
    for _place, _digit in enumerate(b"%d" % _octet):
        _OCTETS[_octet][_place] = _digit
    _OCTETS[_octet][3] = len(b"%d" % _octet)


cdef inline void _copy(uint8_t *target, const uint8_t *source, Py_ssize_t size, Py_ssize_t there) noexcept nogil:
    """Copy so many bytes, of which ``there`` are in the source, and some behind may be written: what is short at once."""
    if size <= 16 and there >= 16:
        memcpy(target, source, 16)
    elif size <= _AT_ONCE and there >= _AT_ONCE:
        memcpy(target, source, _AT_ONCE)
    else:
        memcpy(target, source, size)


cdef inline Py_ssize_t _write_number(uint8_t *out, int64_t number) noexcept nogil:
    cdef uint8_t digits[20]
    cdef Py_ssize_t at = 20, sign = 0
    cdef uint64_t rest = <uint64_t>number, pair
    if number < 0:
        out[0] = c'-'
        sign, rest = 1, 0 - rest
    elif number < 10:
        out[0] = <uint8_t>(c'0' + number)
        return 1
    while rest >= 10:
        pair = rest % 100
        rest //= 100
        at -= 2
        memcpy(&digits[at], &_PAIRS[2 * pair], 2)
    if rest or at == 20:
        at -= 1
        digits[at] = <uint8_t>(c'0' + rest)
    memcpy(out + sign, &digits[at], 20 - at)
    return sign + 20 - at


cdef inline Py_ssize_t _write_address(uint8_t *out, uint64_t high, uint64_t low, bint is_ipv6) noexcept nogil:
    cdef uint8_t packed[16]
    cdef char text[46]
    cdef Py_ssize_t size = 0, i
    cdef const uint8_t *octet
    if not is_ipv6:
        for i in range(4):
            octet = _OCTETS[low >> (24 - 8 * i) & 0xFF]
            memcpy(out + size, octet, 4)
            out[size + octet[3]] = c'.'
            size += octet[3] + 1
        return size - 1
    for i in range(8):
        packed[i], packed[8 + i] = <uint8_t>(high >> (56 - 8 * i)), <uint8_t>(low >> (56 - 8 * i))
    if inet_ntop(AF_INET6, packed, text, sizeof(text)) == NULL:
        return 0  # only where there is no room, and there is
    size = strlen(text)
    memcpy(out, text, size)
    return size


cdef inline Py_ssize_t _write_seconds(uint8_t *out, int64_t microseconds) noexcept nogil:
    """With six digits behind the point, as Zeek writes times."""
    cdef uint64_t rest = <uint64_t>microseconds
    cdef Py_ssize_t at = 0, place
    if microseconds < 0:
        out[0] = c'-'
        at, rest = 1, 0 - rest
    at += _write_number(out + at, <int64_t>(rest // 1000000))
    rest %= 1000000
    out[at] = c'.'
    for place in range(3):
        memcpy(out + at + 5 - 2 * place, &_PAIRS[2 * (rest % 100)], 2)
        rest //= 100
    return at + 7


cdef inline Py_ssize_t _write_identifier(uint8_t *out, uint64_t first, uint64_t second) noexcept nogil:
    """C and 17 digits of base 62, as Zeek's are."""
    cdef Py_ssize_t place
    cdef uint64_t rest = first
    out[0] = c'C'
    for place in range(1, _IDENTIFIER_CHARACTERS):
        if place == _OF_FIRST_HALF + 1:
            rest = second
        out[place] = _BASE_62[rest % 62]
        rest //= 62
    return _IDENTIFIER_CHARACTERS


def identifier_text(uint64_t first, uint64_t second):
    """What ``write_rows`` writes of an identifier."""
    cdef uint8_t text[18]
    _write_identifier(text, first, second)
    return (<const char *>text)[:_IDENTIFIER_CHARACTERS].decode("ascii")


def write_rows(
    const uint8_t[::1] kinds,
    const uint32_t[::1] columns,
    const int64_t[:, ::1] values,
    const uint8_t[:, ::1] marks,
    Py_ssize_t first,
    Py_ssize_t end,
    const uint8_t[::1] words,
    const int64_t[::1] word_ends,
    const uint8_t[::1] between,
    const int64_t[::1] between_ends,
    const uint8_t[::1] null,
    uint8_t[::1] out,
    bint leaves_out=False,
    int64_t[::1] out_ends=None,
):
    """Write the rows from ``first`` to before ``end`` into ``out``, and give how many bytes that are.

    A row is between[0], the value of kinds[0], between[1], …, and one more of ``between`` at its end. Value i is of
    column columns[i] of ``values``, int64[column, row]. ``marks``, of the same shape, say of a number whether it is known,
    ``null`` standing for others, and of an address whether it is IPv6.
    Where it ``leaves_out`` what is null, that is no number that is not known and no word without a character, nor what stands
    before it.
    Texts of ``words`` and ``between`` follow one another, and end where ``…_ends`` say, which begin with a 0.
    ``out_ends``, where it is given, gets where each row ends in ``out``.
    ValueError where there is no room: beside the texts and numbers, some for the longest address is wanted.
    """
    cdef Py_ssize_t row, i, column, start, size, at = 0, room = out.shape[0]
    cdef int64_t word
    cdef uint8_t kind
    cdef bint is_full = False
    if between_ends.shape[0] != kinds.shape[0] + 2 or columns.shape[0] != kinds.shape[0]:
        raise ValueError("kinds, columns and what stands between them do not fit")
    if out_ends is not None and out_ends.shape[0] < end - first:
        raise ValueError("there is no room for where all rows end")
    if word_ends.shape[0] < 1 or not _are_ends(word_ends, words.shape[0]) or not _are_ends(between_ends, between.shape[0]):
        raise ValueError("ends of texts must rise within the text")
    with nogil:
        for row in range(first, end):
            for i in range(kinds.shape[0] + 1):
                start = between_ends[i]
                size = between_ends[i + 1] - start
                if at + size + _ADDRESS_CHARACTERS > room:
                    is_full = True
                    break
                if leaves_out and i < kinds.shape[0] and not _is_there(kinds[i], columns[i], values, marks, word_ends, row):
                    continue
                if size:
                    _copy(&out[at], &between[start], size, between.shape[0] - start)
                    at += size
                if i == kinds.shape[0]:
                    break
                column, kind = columns[i], kinds[i]
                if kind == _NUMBER or kind == _SECONDS:
                    if marks[column, row]:
                        if kind == _NUMBER:
                            at += _write_number(&out[at], values[column, row])
                        else:
                            at += _write_seconds(&out[at], values[column, row])
                        continue
                    start, size = 0, null.shape[0]
                    if at + size > room:
                        is_full = True
                        break
                    if size:
                        memcpy(&out[at], &null[0], size)
                elif kind == _ADDRESS:
                    size = _write_address(
                        &out[at], <uint64_t>values[column, row], <uint64_t>values[column + 1, row], marks[column, row]
                    )
                elif kind == _IDENTIFIER:
                    size = _write_identifier(&out[at], <uint64_t>values[column, row], <uint64_t>values[column + 1, row])
                else:
                    word = values[column, row]
                    if word < 0 or word + 1 >= word_ends.shape[0]:
                        with gil:
                            raise IndexError(f"no word has the number {word}")
                    start = word_ends[word]
                    size = word_ends[word + 1] - start
                    if at + size + _ADDRESS_CHARACTERS > room:
                        is_full = True
                        break
                    if size:
                        _copy(&out[at], &words[start], size, words.shape[0] - start)
                at += size
            if is_full:
                break
            if out_ends is not None:
                out_ends[row - first] = at
    if is_full:
        raise ValueError("no room for all rows")
    return at


cdef inline bint _is_there(
    uint8_t kind, uint32_t column, const int64_t[:, ::1] values, const uint8_t[:, ::1] marks, const int64_t[::1] word_ends,
    Py_ssize_t row
) noexcept nogil:
    """Whether a value is not null; a word without a place is, so that somebody says so."""
    cdef int64_t word
    if kind == _NUMBER or kind == _SECONDS:
        return marks[column, row] != 0
    word = values[column, row]
    return kind != _WORD or not 0 <= word < word_ends.shape[0] - 1 or word_ends[word] < word_ends[word + 1]


cdef bint _are_ends(const int64_t[::1] ends, Py_ssize_t size) noexcept nogil:
    """Whether these rise from 0 to at most ``size``."""
    cdef Py_ssize_t i
    cdef int64_t last = 0
    for i in range(ends.shape[0]):
        if ends[i] < last or ends[i] > size or (i == 0 and ends[i] != 0):
            return False
        last = ends[i]
    return True
