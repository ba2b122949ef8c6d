"""Ways to put bytes before a dissector."""

from __future__ import annotations

from portcall.records.detections import SILENCE, TCP, UDP, Ends, Speech

FOREIGN = 40000


def stream(data, *, is_ended=False):
    """What an end has said over TCP."""
    return Speech(data, is_ended=is_ended) if data else SILENCE


def datagrams(*payloads):
    """What an end has said over UDP, the newest last."""
    return Speech(payloads[-1], payloads) if payloads else SILENCE


def hear(dissector, transport, data, other=b"", *, source_port=50000, target_port=FOREIGN):
    """What it says to one message, between foreign ports."""
    say = stream if transport == TCP else lambda payload: datagrams(*([payload] if payload else []))
    return dissector.listen(say(data), say(other), Ends(transport, source_port, target_port))


__all__ = ["FOREIGN", "SILENCE", "TCP", "UDP", "datagrams", "hear", "stream"]
