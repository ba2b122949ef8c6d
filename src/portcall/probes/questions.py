"""UDP questions that a service answers without knowing the asker, and how its answer is told from others.

Each is the smallest that its protocol allows, changes nothing, and carries something random that the answer repeats. To
add one: a function from randomness to (question, is_answer), and its ports in ``_ASKED_BY_PORT``.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

RANDOM_BYTES = 20


@dataclass(frozen=True, slots=True)
class UdpQuestion:
    """What is sent, and what counts as its answer."""

    protocol: str | None
    """The protocol in which it is asked; None for an empty datagram."""
    data: bytes
    is_answer: Callable[[bytes], bool]


def question_for(port: int, randomness: bytes) -> UdpQuestion:
    """What to send to a UDP port; ``randomness`` is RANDOM_BYTES that nobody can guess."""
    if port not in _ASKED_BY_PORT:
        return UdpQuestion(None, b"", lambda _: True)
    protocol, ask = _ASKED_BY_PORT[port]
    return UdpQuestion(protocol, *ask(randomness))


_Asked = tuple[bytes, "Callable[[bytes], bool]"]


def _dns(randomness: bytes) -> _Asked:
    """Who serves the root? Answered, or refused, by servers of every kind (RFC 1035 §4.1).

    0        2       4           6         8         10           12
    │ number │ flags │ questions │ answers │ servers │ additional │ name (root is one 0) │ type NS │ class IN
    """
    return _dns_question(randomness, b"\0", 2, 1)


def _mdns(randomness: bytes) -> _Asked:
    """Which kinds of services are there (RFC 6763 §9)? Answered to our port, as it is not 5353 (RFC 6762 §6.7)."""
    name = b"".join(bytes([len(label)]) + label for label in (b"_services", b"_dns-sd", b"_udp", b"local")) + b"\0"
    return _dns_question(randomness, name, 12, 1)


def _dns_question(randomness: bytes, name: bytes, kind: int, network: int) -> _Asked:
    number = randomness[:2]

    def is_answer(data: bytes) -> bool:
        return len(data) >= 12 and data[:2] == number and bool(data[2] & 0x80)  # noqa: PLR2004 - a header

    return number + struct.pack(">5H", 0, 1, 0, 0, 0) + name + struct.pack(">HH", kind, network), is_answer


def _ntp(randomness: bytes) -> _Asked:
    """What time is it (RFC 5905 §7.3)? The answer, mode 4, repeats our transmit time as its origin time.

    0                          4      24              32             40
    │ leap 0, version 4, mode 3 │ … │ origin time (8) │ receive (8) │ transmit time (8)
    """
    stamp = randomness[:8]

    def is_answer(data: bytes) -> bool:
        return len(data) >= 48 and data[0] & 7 == 4 and data[24:32] == stamp  # noqa: PLR2004 - a whole packet, mode

    return bytes([4 << 3 | 3]) + bytes(39) + stamp, is_answer


def _snmp(randomness: bytes) -> _Asked:
    """Which engine are you (RFC 3414 §4)? SNMPv3 says so without a password, in a report that repeats our number.

    SEQUENCE { version 3, SEQUENCE { number, most bytes, flags: report, model: USM (3) },
               OCTETS { SEQUENCE { engine "", boots 0, time 0, user "", digest "", salt "" } },
               SEQUENCE { engine "", name "", get-request { number, error 0, index 0, SEQUENCE {} } } }
    """
    number = _ber(2, bytes([randomness[0] & 0x7F | 0x40]) + randomness[1:4])
    zero, empty = _ber(2, b"\0"), _ber(4, b"")
    header = _ber(0x30, number + _ber(2, struct.pack(">I", 65507)) + _ber(4, b"\4") + _ber(2, b"\3"))
    security = _ber(4, _ber(0x30, empty + zero + zero + empty * 3))
    scope = _ber(0x30, empty * 2 + _ber(0xA0, number + zero * 2 + _ber(0x30, b"")))

    question = _ber(0x30, _ber(2, b"\3") + header + security + scope)

    def is_answer(data: bytes) -> bool:
        return data[:1] == b"\x30" and number in data[:32] and data != question

    return question, is_answer


def _ber(kind: int, content: bytes) -> bytes:
    """One element of less than 128 bytes (X.690 §8.1)."""
    return bytes([kind, len(content)]) + content


def _stun(randomness: bytes) -> _Asked:
    """Where do I come from (RFC 8489 §5)? A binding request; success is 0x0101, an error 0x0111.

    0      2        4              8
    │ type │ length │ magic cookie │ transaction (12)
    """
    transaction = struct.pack(">I", 0x2112A442) + randomness[:12]

    def is_answer(data: bytes) -> bool:
        return data[:2] in (b"\x01\x01", b"\x01\x11") and data[4:20] == transaction

    return struct.pack(">HH", 1, 0) + transaction, is_answer


def _quic(randomness: bytes) -> _Asked:
    """Which versions do you speak? Asked by one of those reserved for that (RFC 9000 §6.3, §15), in 1200 bytes (§14.1).

    0             1         5   6          14  15       23          24             26
    │ long header │ version │ 8 │ their id │ 8 │ our id │ token: 0 │ length of it │ zeros

    The answer has version 0 and our id where we had theirs (RFC 9000 §17.2.1).
    """
    theirs, ours = b"\x08" + randomness[:8], b"\x08" + randomness[8:16]

    def is_answer(data: bytes) -> bool:
        return data[:1] >= b"\x80" and data[1:5] == bytes(4) and data[5:14] == ours

    head = b"\xc0" + struct.pack(">I", 0x1A2A3A4A) + theirs + ours + b"\0"
    return (head + struct.pack(">H", 0x4000 | 1200 - len(head) - 2)).ljust(1200, b"\0"), is_answer


_ASKED_BY_PORT: dict[int, tuple[str, Callable[[bytes], _Asked]]] = {
    53: ("DNS", _dns),
    123: ("NTP", _ntp),
    161: ("SNMP", _snmp),
    443: ("QUIC", _quic),
    853: ("QUIC", _quic),  # DNS over QUIC, RFC 9250 §4.1.1
    3478: ("STUN", _stun),
    5353: ("mDNS", _mdns),
    8443: ("QUIC", _quic),
}
