"""QUIC: versions 1 and 2, the IETF's drafts from 22 on, Google's and Facebook's.

The client's first packets are opened with the keys that anyone can make (see ``_quic_packets``); their CRYPTO frames,
over as many packets as it takes and in any order, are a TLS ClientHello.
"""

from __future__ import annotations

from itertools import dropwhile, islice
from typing import TYPE_CHECKING

from portcall.dissectors import Certainty, _google_quic
from portcall.dissectors._encrypted_hello import inner_hello
from portcall.dissectors._hello import CLIENT_HELLO, client_hello_of, covers
from portcall.dissectors._pieces import joined
from portcall.dissectors._prefixes import DIGITS
from portcall.dissectors._quic_packets import (
    NEGOTIATION,
    VERSION_1,
    VERSION_2,
    VERSION_2_DRAFT,
    LongPacket,
    QuicPacketKind,
    crypto_pieces,
    is_reserved,
    long_packets,
    opened,
    salts_of,
)
from portcall.records.detections import UDP, WAIT, Detection, NameKind, Role, Wait

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from portcall.dissectors._hello import ClientHello
    from portcall.dissectors._prefixes import Prefix
    from portcall.records.detections import Ends, Name, Payload

TRANSPORTS = frozenset({UDP})
CERTAINTY = Certainty.MAGIC
PORTS = frozenset({80, 443, 784, 853, 4433, 8443})
_RESERVED = [high << 4 | 0x0A for high in range(16)]
PREFIXES: dict[int, tuple[Prefix, ...]] = {
    UDP: (
        {
            0: range(0x80, 0x100),  # a long header: versions as ``_quic_packets`` knows them
            1: b"\0\x6b\x70\xff\xfaQT" + bytes(_RESERVED),
            2: b"\0\x33\x9a\xce0" + bytes(_RESERVED),
            3: b"\0\x43\x50\xb0" + DIGITS + bytes(_RESERVED),
        },
        {0: [byte for byte in range(0x40) if byte & 9 == 9], 9: b"QT", 10: b"0", 11: DIGITS, 12: DIGITS},  # noqa: PLR2004
    )
}

PREFIXES_ON_PORTS: dict[int, tuple[tuple[Prefix, frozenset[int]], ...]] = {UDP: (({0: range(0x40, 0x80)}, PORTS),)}
"""Short headers, of which nothing else shows."""

_MOST_DATAGRAMS = 8
_MOST_IDS = 3  # a client's own, that of a server's Retry, that of the server
_LEAST_FIRST_DATAGRAM_BYTES = 1200  # RFC 9000 §14.1
_MESSAGE_HEADER_BYTES = 4
_ENOUGH_SHORT_PACKETS, _USUAL_ID_BYTES = 3, 8
_LEAST_SHORT_BYTES = 21  # RFC 9000 §10.3: shorter ones could be told from a stateless reset
_VERSIONS = {VERSION_1: "v1", VERSION_2: "v2", VERSION_2_DRAFT: "v2 draft"}


def inspect(sent: Payload, answered: Payload, ends: Ends) -> Detection | Wait | None:
    """What the first datagrams of one end show."""
    datagrams = sent.datagrams[:_MOST_DATAGRAMS]
    refused = next(long_packets(answered.data), None)
    if refused and refused.version == NEGOTIATION:  # the client begins anew, with a version that the server has
        datagrams = tuple(dropwhile(_has_odd_version, datagrams))
    if not datagrams:
        return None
    first = next(long_packets(datagrams[0]), None)
    if first is None:
        return _from_google(datagrams[0], answered) or _from_the_middle(sent, ends)
    if first.version == NEGOTIATION:
        return Detection("quic", Role.SERVER) if _lists_versions(first) else None
    if not _is_known(first, len(datagrams[0]), answered):
        return None
    packets = [packet for datagram in datagrams for packet in long_packets(datagram)]
    is_last = sent.is_ended or len(datagrams) == _MOST_DATAGRAMS
    return (
        _from_client(packets, ends, is_last=is_last)
        or _from_server(packets, answered)
        or Detection("quic", details=(_version_detail(first.version),), is_final=is_last)
    )


def _from_client(packets: list[LongPacket], ends: Ends, *, is_last: bool) -> Detection | None:
    """What Initial packets say that open with a client's keys; None where none does."""
    best = None
    for version, stream in _client_streams(packets):
        if stream.startswith(_google_quic.CLIENT_HELLO):
            return _google_quic.detection_of(stream, _version_text(version))
        size = _MESSAGE_HEADER_BYTES + int.from_bytes(stream[1:_MESSAGE_HEADER_BYTES], "big")
        is_whole = _MESSAGE_HEADER_BYTES < size <= len(stream)
        is_hello = stream[:1] == bytes((CLIENT_HELLO,))
        hello = client_hello_of(stream[_MESSAGE_HEADER_BYTES:size], is_whole=is_whole) if is_hello else None
        best = Detection(
            "quic",
            Role.CLIENT,
            _names(hello, stream[_MESSAGE_HEADER_BYTES:size], ends) if hello else (),
            (_version_detail(version), *(hello.details("q") if hello and (is_whole or is_last) else ())),
            is_final=is_whole or is_last,
        )
        if is_whole:
            break
    return best


def _names(hello: ClientHello, body: bytes, ends: Ends) -> tuple[Name, ...]:
    """The server's name, and the one inside an encrypted hello where keys open it."""
    names = hello.names(NameKind.QUIC_SNI)
    inner = inner_hello(body, hello, ends.key_log) if ends.key_log and hello.is_whole else None
    return (*inner.hello.names(NameKind.QUIC_SNI), *covers(names)) if inner else names


def _client_streams(packets: Iterable[LongPacket]) -> Iterator[tuple[int, bytes]]:
    """Version and beginning of what a client says in CRYPTO frames, for each connection that it begins.

    The keys come from the target id of its very first packet; later ones have an id that the server chose, and so has
    the new beginning after a Retry.
    """
    pieces: dict[bytes, dict[int, bytes]] = {}
    versions: dict[bytes, int] = {}
    for packet in packets:
        if packet.kind is not QuicPacketKind.INITIAL:
            continue
        for first_id in dict.fromkeys((packet.target_id, *islice(pieces, _MOST_IDS))):
            payload = opened(packet, first_id, from_client=True)
            if payload is not None:
                pieces.setdefault(first_id, {}).update(crypto_pieces(payload))
                versions.setdefault(first_id, packet.version)
                break
    for first_id, of_connection in pieces.items():
        yield versions[first_id], joined(of_connection)


def _from_server(packets: Iterable[LongPacket], answered: Payload) -> Detection | None:
    """A server, known by its Retry, or by an Initial packet that opens with the id that the client began with."""
    asked = (packet for datagram in answered.datagrams[:_MOST_DATAGRAMS] for packet in long_packets(datagram))
    first_ids = dict.fromkeys(packet.target_id for packet in asked if packet.kind is QuicPacketKind.INITIAL)
    for packet in packets:
        is_server = packet.kind is QuicPacketKind.RETRY or (
            packet.kind is QuicPacketKind.INITIAL
            and any(
                opened(packet, first_id, from_client=False) is not None for first_id in islice(first_ids, _MOST_IDS)
            )
        )
        if is_server:
            return Detection("quic", Role.SERVER, details=(_version_detail(packet.version),))
    return None


def _from_google(datagram: bytes, answered: Payload) -> Detection | None:
    """What a datagram with Google's own header shows."""
    version = _google_quic.plain_version(datagram)
    if version is None:
        sent_id = _google_quic.connection_id(datagram)
        asked = answered.datagrams[0] if answered.datagrams else b""
        is_answer = sent_id is not None and _google_quic.plain_version(asked) is not None
        is_server = is_answer and sent_id == _google_quic.connection_id(asked)
        return Detection("quic", Role.SERVER) if is_server else None
    if _google_quic.lists_versions(datagram):
        return Detection("quic", Role.SERVER)
    at = datagram.find(_google_quic.CLIENT_HELLO)
    if at < 0:
        return Detection("quic", Role.CLIENT, details=(("version", version),), is_final=False)
    return _google_quic.detection_of(datagram[at:], version)


def _from_the_middle(sent: Payload, ends: Ends) -> Detection | Wait | None:
    """Packets of a conversation that began before the capture, on QUIC's own ports.

    Their short header (RFC 9000 §17.3.1) shows no more than the fixed bit, and the connection id that the other end
    chose, mostly of 8 bytes or more; the rest of the first byte is encrypted, so it changes.
    """
    shown = sent.datagrams[:_ENOUGH_SHORT_PACKETS]
    ids = {datagram[1 : 1 + _USUAL_ID_BYTES] for datagram in shown}
    first_bytes = {datagram[:1] for datagram in shown}
    is_short = all(len(datagram) >= _LEAST_SHORT_BYTES and datagram[0] & 0xC0 == 0x40 for datagram in shown)  # noqa: PLR2004 - form, fixed bit
    if not is_short or len(ids) > 1 or not ends.has_port(*PORTS):
        return None
    if len(shown) < _ENOUGH_SHORT_PACKETS:
        return None if sent.is_ended else WAIT
    return Detection("quic") if len(first_bytes) > 1 else None


def _is_known(packet: LongPacket, datagram_bytes: int, answered: Payload) -> bool:
    """Whether a packet is sure to be QUIC: by its version, or by the length of those that may have an odd one.

    Without its fixed bit (RFC 9287) also by a length that fits, or by what it answers.
    """
    if is_reserved(packet.version):
        return packet.is_fixed and datagram_bytes >= _LEAST_FIRST_DATAGRAM_BYTES
    if not salts_of(packet.version) and not _google_quic.is_google(packet.version):
        return False
    return packet.is_fixed or bool(packet.number_at) or _answers(packet, answered)


def _has_odd_version(datagram: bytes) -> bool:
    """Whether a datagram begins with a version that nobody knows."""
    packet = next(long_packets(datagram), None)
    return packet is None or not (salts_of(packet.version) or _google_quic.is_google(packet.version))


def _answers(packet: LongPacket, answered: Payload) -> bool:
    """Whether the other end began with this version."""
    asked = next(long_packets(answered.data), None)
    return asked is not None and asked.version == packet.version


def _lists_versions(packet: LongPacket) -> bool:
    """Whether a packet of no version is a server's list of those it speaks (RFC 9000 §17.2.1)."""
    listed = packet.data[7 + len(packet.target_id) + len(packet.source_id) :]
    versions = [int.from_bytes(listed[at : at + 4], "big") for at in range(0, min(len(listed), 256), 4)]
    is_listed = any(salts_of(version) or _google_quic.is_google(version) for version in versions)
    return not len(listed) % 4 and is_listed


def _version_detail(version: int) -> tuple[str, str]:
    return "version", _version_text(version)


def _version_text(version: int) -> str:
    if _google_quic.is_google(version):
        return version.to_bytes(4, "big").decode()
    if version >> 8 == 0xFF0000:  # noqa: PLR2004 - the IETF's drafts
        return f"draft {version & 0xFF}"
    return _VERSIONS.get(version) or f"{version:#010x}"
