"""Files in which others say whose connections are whose: what ``live --owners-only`` wrote, and RustNet's."""

from __future__ import annotations

import io
import json
from contextlib import suppress
from typing import TYPE_CHECKING

from portcall.owners.recorded.rustnet import read_sidecar
from portcall.records.recorded.owner_lines import lines_of
from portcall.records.recorded.process_blocks import own_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

_LINES = (
    {"is": "owners", "version": 1, "source": "ebpf", "began_ns": 5, "tells_closes": True},
    {"is": "addresses", "addresses": ["192.0.2.7", "::1"]},
    {"is": "users", "names": {"1000": "alice"}},
    {
        "is": "sighting",
        "time_ns": 5,
        "socket": 7,
        "evidence": "USED",
        "protocol": 6,
        "local": "10.0.0.1",
        "local_port": 5,
    },
    {"is": "process", "change": "executed", "time_ns": 5, "pid": 7, "name": "curl", "arguments": ["a"]},
    {"is": "until", "time_ns": 9, "lost": 0},
    {"protocol": "TCP", "local_addr": "10.0.0.1:5", "remote_addr": "[::1]:443", "pid": 7, "process_name": "curl"},
    {"timestamp": "2024-05-01T10:00:00Z", "event": "connection_closed", "pid": 1, "local_addr": "1.1.1.1:1"},
)


def seeds() -> Iterator[bytes]:
    """Lines of each kind, alone and together."""
    written = [json.dumps(line).encode() + b"\n" for line in _LINES]
    for what in range(3):
        yield bytes([what]) + b"".join(written)
        for line in written:
            yield bytes([what]) + line


def examine(data: bytes) -> None:
    """Lines are read, passed over, or refused as the ValueError that says which."""
    what, content = data[:1], data[1:]
    if what == b"\0":
        with suppress(ValueError):
            list(lines_of(io.BytesIO(content)))
    elif what == b"\1":
        list(read_sidecar(io.BytesIO(content)))
    else:
        with suppress(ValueError):
            list(own_lines(content))
