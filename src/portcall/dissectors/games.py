r"""Games whose first bytes need counting: Minecraft's handshake, Photon's commands.

::

    Minecraft   length, packet 0, version, n and address of n bytes, port:16, next 1 to 3; numbers by 7 bits (wiki.vg)
    Photon      0 peer:16  2 flags:8  3 commands:8  4 time:32  8 challenge:32  12 commands, each
                0 kind:8  1 channel:8  2 flags:8  3 reserved 4  4 length:32  8 number:32 …  (Exit Games' ENet)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._families import text, wait_for_more
from portcall.dissectors._prefixes import ZERO
from portcall.records.detections import TCP, UDP, Detection, Role

if TYPE_CHECKING:
    from portcall.dissectors._prefixes import Prefix
    from portcall.records.detections import Ends, Payload, Wait

TRANSPORTS = frozenset({TCP, UDP})
CERTAINTY = Certainty.STRUCTURE
PORTS = frozenset({5055, 5056, 5058, 25565})
PREFIXES: dict[int, tuple[Prefix, ...]] = {
    TCP: ({0: range(7, 128), 1: ZERO}, {0: range(128, 256), 1: b"\0\1\2\x80\x81\x82", 2: ZERO}),
    UDP: ({3: range(1, 61), 12: range(1, 16), 16: ZERO, 17: ZERO},),
}

_LONGEST_HANDSHAKE_BYTES = 300
_PHOTON_HEADER_BYTES, _PHOTON_COMMAND_BYTES = 12, 12
_PHOTON_KINDS = range(1, 16)
_MOST_COMMANDS = 60


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """``minecraft`` with the server's name as it was typed, or ``photon``."""
    del answered
    if ends.transport == TCP:
        return _minecraft(sent, ends)
    return Detection("photon") if _is_photon(sent.data) else None


def _minecraft(sent: Payload, ends: Ends) -> Detection | Wait | None:
    data = sent.data
    if data[1:2] not in {b"", b"\0"} and data[2:3] not in {b"", b"\0"}:
        return None  # packet 0 follows a length of one or two bytes
    length, at = _number(data, 0)
    if not 6 < length < _LONGEST_HANDSHAKE_BYTES:  # noqa: PLR2004
        return None
    if len(data) < at + length:
        return wait_for_more(sent, ends) if data[at : at + 1] in {b"", b"\0"} else None
    if data[at]:
        return None
    _, version_end = _number(data, at + 1)
    name_bytes, name_at = _number(data, version_end)
    end = name_at + name_bytes
    name = data[name_at:end]
    is_whole = name_bytes > 0 and end + 3 == at + length and data[end + 2] in {1, 2, 3}
    if not is_whole or not name.split(b"\0")[0].isascii():
        return None
    return Detection("minecraft", Role.CLIENT, details=(("host", text(name.split(b"\0")[0], 253)),))


def _number(data: bytes, at: int) -> tuple[int, int]:
    """(a number in groups of seven bits, the offset behind it); at most five bytes, -1 where it does not end."""
    number = 0
    for i, byte in enumerate(data[at : at + 5]):
        number |= (byte & 0x7F) << 7 * i
        if byte < 0x80:  # noqa: PLR2004
            return number, at + i + 1
    return -1, at


def _is_photon(data: bytes) -> bool:
    """Whether as many commands as it says fill the datagram."""
    if len(data) < _PHOTON_HEADER_BYTES + _PHOTON_COMMAND_BYTES or not 0 < data[3] <= _MOST_COMMANDS:
        return False
    at = _PHOTON_HEADER_BYTES
    for _ in range(data[3]):
        command = data[at : at + _PHOTON_COMMAND_BYTES]
        if len(command) < _PHOTON_COMMAND_BYTES or command[0] not in _PHOTON_KINDS or command[4:6] != b"\0\0":
            return False
        length = command[6] << 8 | command[7]
        if length < _PHOTON_COMMAND_BYTES:
            return False
        at += length
    return at == len(data)
