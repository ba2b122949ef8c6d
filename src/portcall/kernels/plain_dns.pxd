# DNS messages in their plainest form: a query, or addresses of the very name that was asked for. Where the capture has cut one
# (``is_cut``), it is read as far as it goes. Whatever is odd in any way is not plain, and left to the dissector.
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy, memset

from portcall.kernels.payload_bytes cimport PayloadBytes, u8, u16
from portcall.kernels.plain_parsers cimport DNS_ANSWER, DNS_QUESTION, MOST_ANSWERS, is_plain
from portcall.kernels.records cimport Hello

cdef enum:  # types of records besides A, CNAME and AAAA; parameters of the last (IANA, DNS Service Bindings)
    NAME_SERVER_RECORD = 2
    MAIL_SERVER_RECORD = 15
    SERVICE_HOST_RECORD = 33
    SERVICE_RECORD = 64
    HTTPS_RECORD = 65
    IPV4_HINT = 4
    ECH_PARAMETER = 5
    IPV6_HINT = 6
    MOST_PARAMETERS = 64


cdef inline Py_ssize_t _question_end(const PayloadBytes *sent) noexcept nogil:
    """Where the one question of a DNS message ends (RFC 1035 §4.1.2), if its name is plain and its class IN; else -1."""
    cdef Py_ssize_t at = 12, label, i
    while u8(sent, at):
        label = u8(sent, at)
        if label > 63 or at + label >= 12 + 255 or not is_plain(sent, at + 1, at + 1 + label):
            return -1
        for i in range(at + 1, at + 1 + label):
            if sent.bytes[i] == 0x2E:  # a dot within a label is written in another way
                return -1
        at += 1 + label
    if at + 5 > sent.size or at == 12 or u16(sent, at + 3) != 1:
        return -1
    return at + 5


cdef inline bint is_cut_within_question(const PayloadBytes *sent) noexcept nogil:
    """Whether a message with one question, which the capture has cut, ends before that does. No name is known then."""
    cdef Py_ssize_t at = 12
    if sent.size < 12 or u16(sent, 4) != 1 or sent.bytes[2] & 0x78:
        return False
    while at < sent.size and sent.bytes[at]:
        if sent.bytes[at] > 63:
            return False
        at += 1 + sent.bytes[at]
    return at + 5 > sent.size


cdef inline bint _is_name(const PayloadBytes *sent, Py_ssize_t at) noexcept nogil:
    """Whether labels and pointers to earlier ones end in the root (RFC 1035 §4.1.4)."""
    cdef Py_ssize_t target
    cdef int step
    for step in range(128):
        if at >= sent.size or (0x40 <= sent.bytes[at] < 0xC0):
            return False
        if sent.bytes[at] == 0:
            return True
        if sent.bytes[at] >= 0xC0:
            target = u16(sent, at) & 0x3FFF
            if at + 2 > sent.size or target >= at:
                return False
            at = target
        else:
            at += 1 + sent.bytes[at]
    return False


cdef inline void _put_answer(Hello *out, uint32_t seconds, Py_ssize_t question_end) noexcept nogil:
    out.kind, out.seconds = DNS_ANSWER, seconds
    out.name_at, out.name_length = 12, <uint32_t>(question_end - 5 - 12)


cdef inline int _put_hints(
    const PayloadBytes *sent, Py_ssize_t at, Py_ssize_t end, Hello *out, Py_ssize_t count
) noexcept nogil:
    """Put the addresses that an HTTPS record hints at (RFC 9460 §2.2) as of ``out[count]`` on, without time and name; gives how many
    there are then. -1 for not plain, as of one that offers ECH.

    0 priority:16  2 target, a name without pointers  parameters: key:16  length:16  value, in the order of their keys
    """
    cdef Py_ssize_t size, i
    cdef int last_key = -1, key, width, parameters = 0
    if at + 3 > end or not u16(sent, at):  # an alias
        return -1
    at += 2
    while at < end and sent.bytes[at]:
        if sent.bytes[at] > 63:
            return -1
        at += 1 + sent.bytes[at]
    at += 1
    while at + 4 <= end and parameters < MOST_PARAMETERS:
        parameters += 1
        key, size = u16(sent, at), u16(sent, at + 2)
        at += 4
        if key <= last_key or at + size > end or key == ECH_PARAMETER:
            return -1
        last_key = key
        if key == IPV4_HINT or key == IPV6_HINT:
            width = 4 if key == IPV4_HINT else 16
            if not size or size % width or count + size // width > MOST_ANSWERS:
                return -1
            for i in range(size // width):
                memset(out[count].address, 0, 16)
                memcpy(&out[count].address[16 - width], &sent.bytes[at + i * width], width)  # it is there: checked above
                count += 1
        at += size
    return <int>count if at == end else -1


cdef inline int parse_dns(const PayloadBytes *sent, bint is_cut, Hello *out) noexcept nogil:
    """A query, or a response whose answers are of the very name or a chain of its aliases; gives how many addresses they have,
    -1 for not plain. Of one that is cut, those that are there. ``out`` is these, and then the question. No more is looked at: where
    answers lead on to others, only a message without what may be their addresses is plain.

    0 id:16  2 flags:16  4 questions:16  6 answers:16  8 authorities:16  10 additional:16  12 question
    answer: pointer=0xc000 + offset  type:16 (1 A, 5 CNAME, 28 AAAA, 65 HTTPS)  class:16  time to live:32  length:16  data
    """
    cdef Py_ssize_t question_end, at, data, i, answers = u16(sent, 6), owner_at = 12, count = 0, hint
    cdef uint16_t flags = u16(sent, 2), kind, size
    cdef uint32_t seconds, least_seconds = 0xFFFFFFFF
    cdef bint leads_on = False  # to others, whose addresses may follow
    if sent.size < 17 or u16(sent, 4) != 1 or answers > MOST_ANSWERS or flags & 0x7840:
        return -1
    at = question_end = _question_end(sent)
    if at < 0 or (not flags & 0x8000 and answers):
        return -1
    for i in range(answers):
        data, kind, size = at + 12, u16(sent, at + 2), u16(sent, at + 10)
        if is_cut and at + 2 > sent.size:
            break
        if u16(sent, at) != 0xC000 + owner_at:
            return -1
        if is_cut and data + size > sent.size:
            break
        if data + size > sent.size or u16(sent, at + 4) != 1:
            return -1
        seconds = <uint32_t>u16(sent, at + 6) << 16 | u16(sent, at + 8)
        seconds = min(seconds, least_seconds)
        if kind == 5:
            if not _is_name(sent, data):
                return -1
            owner_at, least_seconds = data, seconds
        elif kind == 1 or kind == 28:
            if size != (4 if kind == 1 else 16) or count == MOST_ANSWERS:
                return -1
            memset(out[count].address, 0, 16)
            memcpy(&out[count].address[16 - size], &sent.bytes[data], size)  # it is within the payload: checked above
            _put_answer(&out[count], seconds, question_end)
            count += 1
        elif kind == NAME_SERVER_RECORD or kind == MAIL_SERVER_RECORD or kind == SERVICE_HOST_RECORD:
            leads_on = True
        elif kind == SERVICE_RECORD:
            return -1
        elif kind == HTTPS_RECORD:
            hint, count = count, _put_hints(sent, data, data + size, out, count)
            if count < 0 or sent.bytes[13] == 0x5F:  # a name with a port before it
                return -1
            for hint in range(hint, count):
                _put_answer(&out[hint], seconds, question_end)
            leads_on = True
        at = data + size
    if leads_on and (u16(sent, 8) or u16(sent, 10) > 1 or (u16(sent, 10) and u8(sent, at))):  # the root has options (OPT)
        return -1
    out[count].kind, out[count].name_at, out[count].name_length = DNS_QUESTION, 12, <uint32_t>(question_end - 5 - 12)
    return <int>count
