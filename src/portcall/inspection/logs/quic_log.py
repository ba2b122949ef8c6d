"""quic.log, and the ssl.log of QUIC: its first packets, as far as anybody may open them (RFC 9000, RFC 9001)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.dissectors._hello import CLIENT_HELLO, SERVER_HELLO, client_hello_of
from portcall.dissectors._pieces import joined
from portcall.dissectors._quic_packets import (
    VERSION_2,
    VERSION_2_DRAFT,
    QuicPacketKind,
    crypto_pieces,
    long_packets,
    opened,
)
from portcall.inspection.logs.tls_log import Handshakes
from portcall.records.payloads.log_entries import LogEntry

if TYPE_CHECKING:
    from portcall.dissectors._quic_packets import LongPacket
    from portcall.records.payloads.log_entries import LogValue

    Fields = dict[str, LogValue]

_MOST_HISTORY = 100
_MOST_SHORT_PACKETS = 1 << 12  # that are counted
_MOST_CRYPTO_BYTES = 32 << 10
_LETTERS = {
    QuicPacketKind.INITIAL: "i",
    QuicPacketKind.ZERO_ROUND_TRIP: "z",
    QuicPacketKind.HANDSHAKE: "h",
    QuicPacketKind.RETRY: "r",
}
_MESSAGE_HEADER_BYTES = 4


class QuicLog:
    """The datagrams of one connection."""

    def __init__(self) -> None:
        self._fields: Fields = {}
        self._history = ""
        self._client: int | None = None
        self._first_id = b""
        self._pieces: tuple[dict[int, bytes], dict[int, bytes]] = ({}, {})
        self._said = Handshakes()
        self._has_said = [False, False]
        self._short_packets = [0, 0]
        self._began_ns = 0

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be learnt."""
        return len(self._history) >= _MOST_HISTORY or sum(self._short_packets) >= _MOST_SHORT_PACKETS

    @property
    def held_bytes(self) -> int:
        """What waits for more."""
        return sum(len(piece) for side in self._pieces for piece in side.values())

    def feed(self, side: int, data: bytes, ts_ns: int) -> list[LogEntry]:
        """Take in one datagram; what it completes comes at the end."""
        size, has_initial = 0, False
        for packet in long_packets(data):
            size += len(packet.data)
            has_initial |= packet.kind is QuicPacketKind.INITIAL
            if packet.version:  # else it only lists versions
                self._long_packet(side, packet, ts_ns)
        if has_initial and size < len(data) and not data[size] & 0x40 and any(self._has_said):
            self._note("x", side)  # bytes behind it that are none
        if self._client is not None and size < len(data) and data[size] & 0xC0 == 0x40:  # noqa: PLR2004 - form, fixed bit
            self._short_packets[side] += 1
            if self._short_packets[side].bit_count() == 1:  # the 1st, 2nd, 4th, 8th …
                self._note("o", side)
        return []

    def finish(self) -> list[LogEntry]:
        """The lines of both logs."""
        if self._client is None:
            return []
        found = [LogEntry("quic", self._began_ns, {**self._fields, "history": self._history})]
        return [*found, self._said.entry(self._began_ns)] if self._said.history else found

    def _note(self, letter: str, side: int) -> None:
        if len(self._history) < _MOST_HISTORY:
            self._history += letter.upper() if side == self._client else letter

    def _long_packet(self, side: int, packet: LongPacket, ts_ns: int) -> None:
        if self._client is None:
            if packet.kind is not QuicPacketKind.INITIAL:
                return
            self._client = self._said.client = side
            self._first_id, self._began_ns = packet.target_id, ts_ns
            self._fields |= {
                "version": _version_text(packet.version),
                "client_initial_dcid": packet.target_id.hex(),
                "client_scid": packet.source_id.hex(),
            }
        elif side != self._client:
            self._fields["server_scid"] = packet.source_id.hex()
            if packet.kind is QuicPacketKind.RETRY:
                self._first_id = packet.source_id
        self._note(_LETTERS[packet.kind], side)
        if packet.kind is QuicPacketKind.INITIAL and not self._has_said[side]:
            self._initial(side, packet)

    def _initial(self, side: int, packet: LongPacket) -> None:
        payload = opened(packet, self._first_id, from_client=side == self._client)
        if payload is None or self.held_bytes > _MOST_CRYPTO_BYTES:
            return
        self._pieces[side].update(crypto_pieces(payload))
        stream = joined(self._pieces[side])
        end = _MESSAGE_HEADER_BYTES + int.from_bytes(stream[1:_MESSAGE_HEADER_BYTES], "big")
        expected = CLIENT_HELLO if side == self._client else SERVER_HELLO
        if not stream or stream[0] != expected or not _MESSAGE_HEADER_BYTES < end <= len(stream):
            return
        self._has_said[side] = True
        self._note("s", side)
        body = stream[_MESSAGE_HEADER_BYTES:end]
        self._said.message(side, expected, body)
        hello = client_hello_of(body) if side == self._client else None
        if hello:
            if "server_name" in self._said.fields:
                self._fields["server_name"] = self._said.fields["server_name"]
            if hello.protocols:
                self._fields["client_protocol"] = hello.protocols[0]


def _version_text(version: int) -> str:
    if version in (VERSION_2, VERSION_2_DRAFT):
        return "quicv2"
    if version >> 8 == 0xFF0000:  # noqa: PLR2004 - the IETF's drafts
        return f"draft-{version & 0xFF}"
    return str(version) if version < 1 << 8 else f"{version:#x}"
