"""Secrets of TLS sessions, as a capture or a file beside it brings them: the lines of an SSLKEYLOGFILE (RFC 9850).

    CLIENT_TRAFFIC_SECRET_0 <the client's random, 64 hexadecimal digits> <the secret, in such digits>

What has no line here stays encrypted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

KeyLog = Mapping[tuple[str, bytes], bytes]
"""(label, the client's random) → secret."""

Secret = tuple[tuple[str, bytes], bytes]
"""One item of a KeyLog."""

MOST_SECRETS = 1 << 17
"""That one run keeps."""

MASTER = "CLIENT_RANDOM"
"""Up to TLS 1.2: the master secret."""
CLIENT_SECRETS = ("CLIENT_EARLY_TRAFFIC_SECRET", "CLIENT_HANDSHAKE_TRAFFIC_SECRET", "CLIENT_TRAFFIC_SECRET_0")
"""TLS 1.3: what the secrets of a client's records are called, in the order of their use."""
ECH_SECRET, ECH_CONFIG = "ECH_SECRET", "ECH_CONFIG"
"""What opens an encrypted hello: the secret of its HPKE, and the configuration; both by the outer hello's random."""

_LINE = (
    rb"(?m)^(?:(" + "|".join((MASTER, *CLIENT_SECRETS)).encode() + rb") ([0-9A-Fa-f]{64}) ((?:[0-9A-Fa-f]{2}){32,64})"
    rb"|(ECH_SECRET) ([0-9A-Fa-f]{64}) ((?:[0-9A-Fa-f]{2}){16,64})"
    rb"|(ECH_CONFIG) ([0-9A-Fa-f]{64}) ((?:[0-9A-Fa-f]{2}){8,2048}))\r?$"
)
"""Compiled when it is first needed, by ``re``, which keeps it."""
_ANY_LINE = rb"(?m)^(?:#.*|[A-Z][A-Z0-9_]+ [0-9A-Fa-f]+ [0-9A-Fa-f]+\s*|RSA Session-ID:\S* Master-Key:\S+\s*)$"
"""A comment, what any label says, or how Wireshark's ancestors wrote it."""


def is_key_log(text: bytes) -> bool:
    """Whether a line of it is one of a key log, of use here or not."""
    return re.search(_ANY_LINE, text) is not None


def read_key_log(text: bytes) -> Iterator[Secret]:
    """The secrets that open what clients say, as items of a KeyLog; other lines are passed over."""
    for match in re.finditer(_LINE, text):
        label, random, secret = (part.decode() for part in match.groups() if part is not None)
        yield (label, bytes.fromhex(random)), bytes.fromhex(secret)
