"""What is plain in payloads, as the kernel ``inspect`` has parsed it → detections.

A conversation is numbered in steps, so that each is made once: what a hello says of its program, that with the name of
the server, and that with what the server answered. Dissectors that are given the same bytes say the same.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from portcall.dissectors import rtp, tls
from portcall.dissectors._hello import beside_ech
from portcall.dissectors._text import as_text
from portcall.inspection.candidates import joined
from portcall.inspection.handover import plain_name
from portcall.kernels.deferral import (
    BOTH,
    COVERED,
    DNS_QUESTION,
    HTTP_ANSWER,
    HTTP_REQUEST,
    MEDIA,
    MEDIA_ANSWER,
    SAID,
    TLS_ANSWER,
    TLS_HELLO,
)
from portcall.records.detections import Detection, Name, NameKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from portcall.inspection.detection_table import DetectionTable

_NAMES = {TLS_HELLO: NameKind.TLS_SNI, HTTP_REQUEST: NameKind.HTTP_HOST}
_SAID: dict[int, Callable[[bytes], Detection]] = {
    SAID + TLS_HELLO: tls.offered,
    SAID + TLS_ANSWER: tls.chosen,
    SAID + HTTP_REQUEST: lambda agent: Detection("http", details=(("user_agent", as_text(agent)),)),
    SAID + MEDIA: lambda payload_type: rtp.stream(payload_type[0]),
    SAID + MEDIA_ANSWER: lambda payload_type: rtp.stream(payload_type[0]),
    SAID + HTTP_ANSWER: lambda server: Detection("http", details=(("server", as_text(server)),)),
}


def plain_detection(detections: DetectionTable, kind: int, about: int, content: bytes) -> Detection:
    """What the kernel asked the number of: the detection ``about`` with a name, with the other side's, or a new one."""
    if kind in _SAID:
        return _SAID[kind](content)
    if kind == DNS_QUESTION:
        return Detection("dns", details=(("query", plain_name(content)),))
    known = detections[about]
    if known is None:
        raise ValueError(f"no detection has the number {about}")
    if kind == BOTH:
        return joined(known, detections[int.from_bytes(content, sys.byteorder)] or known)
    if kind == COVERED:
        return known._replace(names=(beside_ech(Name(NameKind.TLS_SNI, content.decode("ascii"))),))
    return known._replace(names=(Name(_NAMES[kind], content.decode("ascii")),))
