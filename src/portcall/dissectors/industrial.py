r"""Works, grids and buildings: protocols of machines whose lengths or checksums have to agree.

Sources: IEC 60870-5-104 §5, IEEE 1815 (DNP3) §9.2, ODVA EtherNet/IP §2-3.1, OPC 10000-6 §7.1.2, ISO 22510 §2.3
(KNXnet/IP), ASHRAE 135 annex J, IEEE C37.118.2 §6.2, IEC 62056-46 §6.4 (HDLC), Beckhoff's AMS/TCP.
Those that say too little for any port (Modbus, FINS, SOME/IP …) are in ``port_guarded``.
"""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING

from portcall.dissectors import Certainty
from portcall.dissectors._families import first_found, wait_for_more
from portcall.dissectors._prefixes import ZERO, together
from portcall.records.detections import TCP, UDP, Detection, Role

if TYPE_CHECKING:
    from portcall.dissectors._families import Recogniser
    from portcall.dissectors._prefixes import Prefix
    from portcall.records.detections import Ends, Payload, Wait

TRANSPORTS = frozenset({TCP, UDP})
CERTAINTY = Certainty.STRUCTURE
PORTS = frozenset({2404, 3671, 4059, 4712, 4713, 4840, 20000, 44818, 47808, 48898})
PREFIXES: dict[int, tuple[Prefix, ...]] = {
    TCP: (
        {0: b"\x68", 1: b"\4"},  # IEC 60870-5-104: a control, a telegram
        {0: b"\x68", 1: range(10, 254), 2: range(0, 256, 2), 4: range(0, 256, 2), 6: range(1, 128)},
        {0: b"\x05", 1: b"\x64"},  # DNP3
        {0: b"\x04\x63\x64\x65\x66\x6f\x70\x72\x73", 1: ZERO, 9: ZERO, 10: ZERO, 11: ZERO},  # EtherNet/IP
        together(b"HELF", b"ACKF", b"RHEF", b"ERRF", b"OPNF"),  # OPC UA
        {0: b"\6", 1: b"\x10", 2: range(2, 10)},  # KNX
        {0: b"\xaa", 1: [kind << 4 | version for kind in range(6) for version in range(1, 16)]},  # synchrophasors
        {0: b"\x7e", 1: range(0xA0, 0xB0)},  # DLMS
    ),
    UDP: (
        {0: b"\x05", 1: b"\x64"},
        {0: b"\x04\x63\x64\x65\x66\x6f\x70\x72\x73", 1: ZERO, 9: ZERO, 10: ZERO, 11: ZERO},
        together(b"HELF", b"ACKF", b"RHEF", b"ERRF", b"OPNF"),
        {0: b"\6", 1: b"\x10", 2: range(2, 10)},
        {0: b"\x81", 1: range(13)},  # BACnet
        {0: b"\xaa", 1: [kind << 4 | version for kind in range(6) for version in range(1, 16)]},
        {0: b"\x7e", 1: range(0xA0, 0xB0)},
    ),
}


LENGTH_PREFIXES: dict[int, tuple[Prefix, ...]] = {TCP: ({0: ZERO, 1: ZERO, 22: range(1, 10), 23: ZERO},)}  # AMS


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """The protocol whose lengths and checks agree."""
    return first_found(_BY_FIRST_BYTE.get(sent.data[:1], ()), sent, answered, ends)


def _iec104(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """0 0x68  1 length:8, 4 to 253  2 control, 4 bytes: its last bits say numbered, supervisory 1, unnumbered 3."""
    del answered
    data = sent.data
    if len(data) < 6:  # noqa: PLR2004
        return wait_for_more(sent, ends)
    length, control = data[1], data[2:6]
    if ends.transport != TCP or not 4 <= length <= 253 or len(data) < 2 + length:  # noqa: PLR2004
        return None
    if length == 4:  # noqa: PLR2004
        # Unnumbered frames have one of six bits; supervisory ones a number alone.
        is_control = control in _U_FRAMES or (control[:2] == b"\1\0" and not control[2] & 1)
    else:
        is_control = not control[0] & 1 and not control[2] & 1 and length >= 10 and 1 <= data[6] <= 127  # noqa: PLR2004
    is_followed = len(data) == 2 + length or data[2 + length] == 0x68  # noqa: PLR2004
    role = _IEC_104_ROLES.get(control[0]) if length == 4 else None  # noqa: PLR2004
    return Detection("iec-104", role) if is_control and is_followed else None


_IEC_104_ROLES = {0x07: Role.CLIENT, 0x0B: Role.SERVER, 0x13: Role.CLIENT, 0x23: Role.SERVER}
"""Who wants data to start or stop controls the station, which confirms."""
_U_FRAMES = {bytes([bit | 3, 0, 0, 0]) for bit in (0x04, 0x08, 0x10, 0x20, 0x40, 0x80)}


def _dnp3(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """0 0x0564  2 length:8  3 control:8  4 target:16  6 source:16  8 checksum:16, little endian."""
    del answered
    if len(sent.data) < 10:  # noqa: PLR2004
        return wait_for_more(sent, ends)
    is_whole = sent.data[1] == 0x64 and _dnp3_checksum(sent.data[:8]) == sent.data[8] | sent.data[9] << 8  # noqa: PLR2004
    # Bit 0x80 of the control marks what a master says.
    return Detection("dnp3", Role.CLIENT if sent.data[3] & 0x80 else Role.SERVER) if is_whole else None


def _dnp3_checksum(data: bytes) -> int:
    """CRC-16 with the polynomial 0x3d65, bits reversed, inverted at the end."""
    checksum = 0
    for byte in data:
        checksum ^= byte
        for _ in range(8):
            checksum = checksum >> 1 ^ (0xA6BC if checksum & 1 else 0)
    return checksum ^ 0xFFFF


_ENIP_COMMANDS = frozenset({0x04, 0x63, 0x64, 0x65, 0x66, 0x6F, 0x70, 0x72, 0x73})


def _ethernet_ip(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """0 command:16  2 length:16  4 session:32  8 status:32  12 context, 8 bytes  20 options 0:32, all little endian."""
    del answered
    data = sent.data
    if len(data) < 24:  # noqa: PLR2004
        return wait_for_more(sent, ends) if ends.has_port(44818) else None
    length = data[2] | data[3] << 8
    is_whole = length + 24 == len(data) or (length and length + 24 < len(data) and data[24 + length] in _ENIP_COMMANDS)
    if data[1] or data[0] not in _ENIP_COMMANDS or any(data[20:24]) or data[9:12] != b"\0\0\0" or not is_whole:
        return None
    return Detection("ethernet-ip") if ends.has_port(44818) or data[0] in {0x65, 0x6F, 0x70} else None


_OPC_UA = {b"HELF": Role.CLIENT, b"ACKF": Role.SERVER, b"RHEF": Role.SERVER, b"ERRF": None, b"OPNF": None}


def _opc_ua(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """0 kind and F, 4 letters  4 length:32, little endian."""
    del answered
    data = sent.data
    if len(data) < 8:  # noqa: PLR2004
        return wait_for_more(sent, ends)
    length = int.from_bytes(data[4:8], "little")
    return Detection("opc-ua", _OPC_UA[data[:4]]) if data[:4] in _OPC_UA and 16 <= length <= 1 << 16 else None  # noqa: PLR2004


def _knx(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """0 header 6  1 version 0x10  2 service:16  4 length:16."""
    del answered
    data = sent.data
    if len(data) < 6:  # noqa: PLR2004
        return wait_for_more(sent, ends) if data[1:2] == b"\x10" else None
    length = data[4] << 8 | data[5]
    is_length = length == len(data) if ends.transport == UDP else 6 <= length <= len(data)  # noqa: PLR2004
    role = (Role.CLIENT if data[3] & 1 else Role.SERVER) if data[2] == 2 else None  # noqa: PLR2004 - requests are odd
    return Detection("knx", role) if data[1] == 0x10 and 2 <= data[2] <= 9 and is_length else None  # noqa: PLR2004


def _bacnet(sent: Payload, answered: Payload, ends: Ends) -> Detection | None:
    """0 0x81  1 function:8, up to 12  2 length:16  4 (of most functions) version 1 of the network layer."""
    del answered
    data = sent.data
    if ends.transport != UDP or len(data) < 4 or data[1] > 12 or data[2] << 8 | data[3] != len(data):  # noqa: PLR2004
        return None
    network_at = {0x04: 10, 0x09: 4, 0x0A: 4, 0x0B: 4}.get(data[1])
    is_network = network_at is not None and data[network_at : network_at + 1] == b"\1"
    role = _bacnet_role(data, network_at) if is_network and network_at else None
    return Detection("bacnet", role) if is_network or ends.has_port(47808) else None


def _bacnet_role(data: bytes, at: int) -> Role | None:
    """By the kind of the message within: 0 a request that is confirmed, 2 and 3 do, 5 to 7 refuse (ASHRAE 135 §20.1.2).

    0 version  1 control  2 (control & 0x20) target: network:16 length:8 …, (& 8) source alike, (& 0x20) hops:8
    """
    control = data[at + 1] if at + 1 < len(data) else 0x80
    at += 2
    for bit in (0x20, 0x08):
        if control & bit:
            at += 3 + (data[at + 2] if at + 2 < len(data) else 0)
    at += control >> 5 & 1
    if control & 0x80 or at >= len(data):  # the network layer's own
        return None
    return {0: Role.CLIENT, 2: Role.SERVER, 3: Role.SERVER, 5: Role.SERVER, 6: Role.SERVER, 7: Role.SERVER}.get(
        data[at] >> 4
    )


def _synchrophasor(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """0 0xaa  1 kind:4, up to 5, version:4  2 length:16 … the checksum (CRC-CCITT) last."""
    del answered
    data = sent.data
    if len(data) < 16:  # noqa: PLR2004
        return wait_for_more(sent, ends)
    length = data[2] << 8 | data[3]
    if data[1] >> 4 > 5 or not data[1] & 0x0F or not 16 <= length <= len(data):  # noqa: PLR2004
        return None
    checksum = data[length - 2] << 8 | data[length - 1]
    return Detection("synchrophasor") if binascii.crc_hqx(data[: length - 2], 0xFFFF) == checksum else None


def _dlms(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """0 0x7e  1 format 10:4 segmented:1 length:11 … checksum  0x7e; the checksums are X.25's."""
    del answered
    data = sent.data
    if len(data) < 9:  # noqa: PLR2004
        return wait_for_more(sent, ends)
    length = (data[1] & 7) << 8 | data[2]
    if data[1] & 0xF0 != 0xA0 or length < 7 or len(data) < length + 2 or data[length + 1] != 0x7E:  # noqa: PLR2004
        return None
    return Detection("dlms")


def _ams(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """0 zero:16  2 length:32  6 target:64  14 source:64  22 command:16  24 flags:16  26 length:32, 32 less."""
    del answered
    data = sent.data
    if len(data) < 38 or ends.transport != TCP:  # noqa: PLR2004
        return wait_for_more(sent, ends) if ends.has_port(48898) else None
    length, inner = int.from_bytes(data[2:6], "little"), int.from_bytes(data[26:30], "little")
    is_ams = data[1] == 0 and length == inner + 32 and 1 <= data[22] <= 9 and not data[23]  # noqa: PLR2004
    return Detection("beckhoff-ads", Role.SERVER if data[24] & 1 else Role.CLIENT) if is_ams else None


_LISTS: dict[bytes, tuple[Recogniser, ...]] = {
    b"\x68": (_iec104,),
    b"\x05": (_dnp3,),
    bytes(_ENIP_COMMANDS): (_ethernet_ip,),
    b"HARO": (_opc_ua,),
    b"\x06": (_knx,),
    b"\x81": (_bacnet,),
    b"\xaa": (_synchrophasor,),
    b"\x7e": (_dlms,),
    b"\x00": (_ams,),
}
_BY_FIRST_BYTE = {bytes([first]): recognisers for firsts, recognisers in _LISTS.items() for first in firsts}
