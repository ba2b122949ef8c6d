"""Key logs, and conversations that they may open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.dissectors import tls
from portcall.records.detections import NO_PAYLOAD, TCP, Ends, Payload
from portcall.records.payloads.tls_secrets import read_key_log

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_BYTES = 8192


def seeds() -> Iterator[bytes]:
    """Lines of each kind, and a hello behind them."""
    from capture_seeds import payloads

    line = b"CLIENT_TRAFFIC_SECRET_0 " + b"0a" * 32 + b" " + b"0b" * 48 + b"\n"
    yield line
    yield b"CLIENT_RANDOM " + b"0A" * 32 + b" " + b"0B" * 48 + b"\r\n# comment\n" + line
    yield b"CLIENT_RANDOM " + b"0A" * 31
    for sent in payloads():
        if sent.content.startswith(b"\x16\x03"):
            yield b"CLIENT_RANDOM " + sent.content[11:43].hex().encode() + b" " + b"0B" * 48 + b"\n\0" + sent.content


def examine(data: bytes) -> None:
    """Secrets have a length that ciphers take, and what they open breaks nothing."""
    text, _, stream = data.partition(b"\0")
    secrets = dict(read_key_log(text))
    if any(len(random) != 32 or not 32 <= len(secret) <= 64 for (_, random), secret in secrets.items()):  # noqa: PLR2004
        raise AssertionError("a secret has another length than secrets have")
    tls.inspect(Payload(stream[:32768]), NO_PAYLOAD, Ends(TCP, 50_000, 443, secrets))
