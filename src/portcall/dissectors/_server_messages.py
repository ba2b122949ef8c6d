"""What a server of TLS or DTLS says in its first handshake messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.dissectors._certificate import certificate_names
from portcall.dissectors._hello import (
    CERTIFICATE,
    DTLS_1_3,
    SERVER_HELLO,
    SERVER_HELLO_DONE,
    TLS_1_3,
    server_hello_of,
)
from portcall.records.detections import Detection, Role

if TYPE_CHECKING:
    from collections.abc import Iterable

    from portcall.records.detections import Name


def server_detection(protocol: str, messages: Iterable[tuple[int, bytes, bool]], *, is_over: bool) -> Detection:
    """What kind, body and wholeness of each message show; ``is_over`` where no further one can come in clear.

    The version and protocol that the server chose and, until TLS 1.3 hid it, whom its certificate is for.
    """
    details: tuple[tuple[str, str], ...] = ()
    names: tuple[Name, ...] = ()
    asks_again = False
    for kind, body, is_whole in messages:
        if kind == SERVER_HELLO and is_whole:
            hello = server_hello_of(body)
            details = hello.details() if hello else ()
            asks_again = hello is not None and hello.asks_again
            is_over = is_over or hello is None or hello.version in (TLS_1_3, DTLS_1_3)
        elif kind == CERTIFICATE:
            certified = certificate_names(body)
            names, is_over = certified or (), is_over or certified is not None
        elif kind == SERVER_HELLO_DONE:
            is_over = True
    return Detection(protocol, Role.SERVER, names, details, is_final=is_over, asks_again=asks_again)
