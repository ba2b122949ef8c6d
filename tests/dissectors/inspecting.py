"""Ways to put bytes before a dissector."""

from __future__ import annotations

from portcall.records.detections import NO_PAYLOAD, TCP, UDP, Ends, Payload

FOREIGN = 40000


def stream(data, *, is_ended=False):
    """What an end has said over TCP."""
    return Payload(data, is_ended=is_ended) if data else NO_PAYLOAD


def datagrams(*payloads):
    """What an end has said over UDP, the newest last."""
    return Payload(payloads[-1], payloads) if payloads else NO_PAYLOAD


def inspect(dissector, transport, data, other=b"", *, source_port=50000, target_port=FOREIGN):
    """What it says to one message, between foreign ports."""
    say = stream if transport == TCP else lambda payload: datagrams(*([payload] if payload else []))
    return dissector.inspect(say(data), say(other), Ends(transport, source_port, target_port))


__all__ = ["FOREIGN", "NO_PAYLOAD", "TCP", "UDP", "datagrams", "inspect", "stream"]
