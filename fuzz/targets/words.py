"""What users write in options besides ``--where`` and ``--filter``: ends, moments, sizes, widths, patterns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from byte_pieces import BytePieces
from portcall.errors import UsageError
from portcall.explanation.flow_selector import parse_choice
from portcall.labels.bucketing import Bucketing
from portcall.queries.bucket_widths import bucketing_of
from portcall.queries.byte_sizes import size_bytes
from portcall.queries.endpoints import parse_endpoints
from portcall.queries.moments import moment_ns

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_BYTES = 300
_TEXTS = (
    "443/udp",
    "tcp:[fe80::1%eth0]:22",
    "192.168.1.5:54823-142.250.80.46:443",
    "[2001:db8::1]:5 <-> *:http/tcp",
    "8000-8010",
    "localhost:http",
    "10.0.0.5→192.0.2.1/icmp",
    "2024-05-01T10:00:00.5+02:00",
    "10:00",
    "-5min",
    "1.5GiB",
    "90s",
    "auto",
)


def seeds() -> Iterator[bytes]:
    """Each text to each of them."""
    for what in range(5):
        for text in _TEXTS:
            yield bytes([what]) + text.encode()


def examine(data: bytes) -> None:
    """What it means, or a usage error that can be written."""
    pieces = BytePieces(data)
    what, text = pieces.number() % 5, pieces.rest().decode("utf-8", "surrogateescape")
    try:
        _read(what, text)
    except UsageError as error:
        str(error).encode("utf-8", "surrogateescape")


def _read(what: int, text: str) -> None:
    if what == 0:
        for end in parse_endpoints(text).ends:
            end.is_at("10.0.0.5"), end.has_port(443, "tcp")
    elif what == 1:
        parse_choice(text)
    elif what == 2:  # noqa: PLR2004 (the third)
        if not -(1 << 63) <= moment_ns(text, "--from") < 1 << 63:
            raise AssertionError("a moment is none that frames can have")
    elif what == 3:  # noqa: PLR2004 (the fourth)
        if not 1000 <= size_bytes(text, "--memory", 1000, 1 << 40) <= 1 << 40:  # noqa: PLR2004 (as it is asked)
            raise AssertionError("a size is out of its bounds")
    else:
        found = bucketing_of(text, "time")
        if found is not None and not isinstance(found, Bucketing):
            raise AssertionError("a width is something else")
