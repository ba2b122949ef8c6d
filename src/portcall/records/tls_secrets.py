"""Secrets of TLS sessions that a capture brings along: the lines of an SSLKEYLOGFILE (draft-ietf-tls-keylogfile).

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

MASTER = "CLIENT_RANDOM"
"""Up to TLS 1.2: the master secret."""
CLIENT_SECRETS = ("CLIENT_EARLY_TRAFFIC_SECRET", "CLIENT_HANDSHAKE_TRAFFIC_SECRET", "CLIENT_TRAFFIC_SECRET_0")
"""TLS 1.3: what the secrets of a client's records are called, in the order of their use."""

_LINE = (
    rb"(?m)^(" + "|".join((MASTER, *CLIENT_SECRETS)).encode() + rb") ([0-9A-Fa-f]{64}) ((?:[0-9A-Fa-f]{2}){32,64})\r?$"
)
"""Compiled when it is first needed, by ``re``, which keeps it."""


def read_key_log(text: bytes) -> Iterator[tuple[tuple[str, bytes], bytes]]:
    """The secrets that open what clients say, as items of a KeyLog; other lines are passed over."""
    for match in re.finditer(_LINE, text):
        label, random, secret = (part.decode() for part in match.groups())
        yield (label, bytes.fromhex(random)), bytes.fromhex(secret)
