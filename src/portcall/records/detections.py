"""The nouns of what conversations say: bytes that an end has sent, and findings about them.

Pure data. ``inspection`` collects the payloads of each flow, ``dissectors`` turn them into detections.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from portcall.records.payloads.tls_secrets import KeyLog

TCP, UDP = 6, 17

MOST_STREAM_BYTES = 32 * 1024
"""Of what one end says over TCP no more than this is ever handed to a dissector."""


class Payload(NamedTuple):
    """What one end of a conversation has said so far."""

    data: bytes
    """TCP: the bytes from its first one on, in order and without a gap. UDP: the newest datagram's payload."""
    datagrams: tuple[bytes, ...] = ()
    """UDP only: the first payloads in order of arrival, the newest last; empty for TCP."""
    is_ended: bool = False
    """Nothing will follow ``data``: the capture has a gap there, cut the packet short, or enough was seen."""
    is_from_start: bool = True
    """Whether its first byte is the first that this end said; False where the capture began in mid-conversation."""


NO_PAYLOAD = Payload(b"", is_ended=True)
"""What an end has said that said nothing."""


class Ends(NamedTuple):
    """Between whom it was said: the speaker is the source."""

    transport: int
    """IP protocol number: TCP, UDP …"""
    source_port: int
    target_port: int
    key_log: KeyLog | None = None
    """Secrets of TLS sessions that the capture brings."""

    def has_port(self, *ports: int) -> bool:
        """Whether either end has one of these ports."""
        return self.source_port in ports or self.target_port in ports


class Role(enum.Enum):
    """What a finding shows its speaker to be."""

    CLIENT = "client"
    SERVER = "server"


class NameKind(enum.Enum):
    """Where a host's name stood, the strongest evidence first; the values are those of ``hostname_source``."""

    __hash__ = object.__hash__  # enum's own is Python, and every name that is found is hashed

    TLS_SNI = "tls-sni"
    QUIC_SNI = "quic-sni"
    HTTP_HOST = "http-host"
    CERTIFICATE = "certificate"
    REALM = "stun-realm"
    """The domain that a STUN or TURN server says its users belong to (RFC 8489 §14.9)."""
    TLS_SNI_OUTER = "tls-sni-outer"
    """The name outside an encrypted hello (ECH, RFC 9849), which many servers share: a cover for theirs."""
    QUIC_SNI_OUTER = "quic-sni-outer"
    DNS = "dns"
    CAPTURE = "capture"
    """The name resolution block of a pcapng file."""


class Name(NamedTuple):
    """A host name that a conversation mentioned, as sent."""

    kind: NameKind
    text: str
    """Bytes that are not ASCII as backslash escapes (``\\xff``); at most 1024 characters. Not fit for a terminal."""
    may_be_cover: bool = False
    """Whether an encrypted hello stands beside it, or what looks like one (GREASE): nobody on the way can tell."""


OUTER_KINDS = {NameKind.TLS_SNI: NameKind.TLS_SNI_OUTER, NameKind.QUIC_SNI: NameKind.QUIC_SNI_OUTER}
"""What a name is where it is known to be a cover."""


class DnsAnswer(NamedTuple):
    """A resolver said that a name has an address."""

    name: str
    """What was asked for, lower case, without the last dot: the first name of a chain of aliases."""
    address: bytes
    """4 or 16 bytes."""
    time_to_live_s: int
    """The least of the chain."""


class EchOffer(NamedTuple):
    """A resolver said that a name is reached by ECH, behind a cover (RFC 9848)."""

    name: str
    """As of DnsAnswer."""
    public_name: str
    """The cover, likewise."""


class ExpectedFlow(NamedTuple):
    """Another conversation between the same two hosts that was announced, by the end that is called."""

    protocol: str
    transport: int
    port: int
    address: bytes = b""
    """4 or 16 bytes; empty where it is the speaker's own."""


class Detection(NamedTuple):
    """What a dissector recognised in the payloads of one end."""

    protocol: str
    """Lower case, as output rows say: ``tls``, ``http``, ``dns``, ``ssh`` …"""
    role: Role | None = None
    names: tuple[Name, ...] = ()
    """Of the server, the strongest first."""
    details: tuple[tuple[str, str], ...] = ()
    """What else was said, as (key, text): ("alpn", "h2"), ("user_agent", "curl/8.5"), ("version", "OpenSSH_9.6") …"""
    answers: tuple[DnsAnswer, ...] = ()
    """Addresses of names; DNS and its kin only."""
    is_final: bool = True
    """Whether later bytes of this end can add nothing."""
    expected: tuple[ExpectedFlow, ...] = ()
    """Conversations that it announces."""
    offers: tuple[EchOffer, ...] = ()
    """Names that are reached by ECH; DNS only."""
    asks_again: bool = False
    """Whether it has the other end say anew what it said (HelloRetryRequest)."""


class Wait(enum.Enum):
    """What a dissector answers to payload that may be its protocol, but is too short to decide."""

    FOR_MORE = "more"


WAIT = Wait.FOR_MORE
