"""What one end sends, to each dissector: any bytes, as a stream or as datagrams, at its ports or at others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from byte_pieces import BytePieces, written
from capture_seeds import payloads
from portcall.dissectors import find_dissectors
from portcall.records.detections import MOST_STREAM_BYTES, NO_PAYLOAD, TCP, UDP, Detection, Ends, Name, Payload, Wait

if TYPE_CHECKING:
    from collections.abc import Iterator

    from portcall.dissectors import Dissector

_IS_UDP, _IS_ENDED, _IS_MIDWAY, _IS_ANSWERED, _AT_HOME, _HAS_SECRETS = 1, 2, 4, 8, 16, 32
_DATAGRAMS = 8
_MOST_CHARACTERS = 1024
MOST_BYTES = 8192
_SECRETS = {(label, bytes(32)): bytes(32) for label in ("CLIENT_RANDOM", "CLIENT_TRAFFIC_SECRET_0")}


def MEMBERS() -> list[str]:  # noqa: N802 (a name of the family's)
    """The dissectors."""
    return sorted(_by_name())


def seeds() -> Iterator[bytes]:
    """What packets of the captures carry; the fuzzer keeps for each dissector what it has a use for."""
    for sent in payloads():
        flags = _AT_HOME | (_IS_UDP if sent.protocol == UDP else 0)
        yield bytes([flags]) + written(0, sent.content)


def examine(member: str, data: bytes) -> None:
    """It gives a finding that keeps its promises, waits, or gives up; and the same for the same bytes."""
    dissector = _by_name()[member]
    pieces = BytePieces(data)
    flags, port = pieces.number(), pieces.number()
    transport = UDP if flags & _IS_UDP else TCP
    if transport not in dissector.TRANSPORTS:
        transport = min(dissector.TRANSPORTS)
    homes = sorted(dissector.PORTS)
    target = homes[port % len(homes)] if homes and flags & _AT_HOME else 40_000 + port
    ends = Ends(transport, 50_000, target, _SECRETS if flags & _HAS_SECRETS else None)
    if port & 1:
        ends = ends._replace(source_port=ends.target_port, target_port=ends.source_port)
    answered = _payload(transport, flags, pieces) if flags & _IS_ANSWERED else NO_PAYLOAD
    sent = _payload(transport, flags, pieces)
    found = dissector.inspect(sent, answered, ends)
    _check(found)
    if found != dissector.inspect(sent, answered, ends):
        raise AssertionError("a dissector says something else of the same bytes")


def _payload(transport: int, flags: int, pieces: BytePieces) -> Payload:
    is_ended = bool(flags & _IS_ENDED)
    if transport == UDP:
        datagrams = [pieces.piece()]
        while pieces and len(datagrams) < _DATAGRAMS and not flags & _IS_ANSWERED:
            datagrams.append(pieces.piece())
        return Payload(datagrams[-1], tuple(datagrams), is_ended=is_ended)
    return Payload(pieces.piece()[:MOST_STREAM_BYTES], is_ended=is_ended, is_from_start=not flags & _IS_MIDWAY)


def _check(found: Detection | Wait | None) -> None:
    if not isinstance(found, Detection):
        if found is not None and not isinstance(found, Wait):
            raise AssertionError(f"{found!r} is nothing that a dissector gives")
        return
    if not found.protocol or found.protocol != found.protocol.lower():
        raise AssertionError(f"a protocol is called {found.protocol!r}")
    for name in found.names:
        if not isinstance(name, Name) or len(name.text) > _MOST_CHARACTERS or not name.text.isascii():
            raise AssertionError(f"a name is {name!r}")
    for key, text in found.details:
        key.encode(), text.encode()  # no text that cannot be written
    _check_for_others(found)


def _check_for_others(found: Detection) -> None:
    for answer in found.answers:
        if len(answer.address) not in (4, 16) or answer.time_to_live_s < 0:
            raise AssertionError(f"an answer is {answer!r}")
    for expected in found.expected:
        if len(expected.address) not in (0, 4, 16) or not 0 <= expected.port < 1 << 16:
            raise AssertionError(f"a flow that is expected is {expected!r}")


def _by_name() -> dict[str, Dissector]:
    return {dissector.__name__.rpartition(".")[2]: dissector for dissector in find_dissectors()}
