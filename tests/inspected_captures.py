"""What the ends of a capture's conversations said, put together naively: all at once, bounded by its length alone."""

from __future__ import annotations

from dataclasses import dataclass, field

from portcall.decoding.decoder import Decoder
from portcall.dissectors import find_dissectors
from portcall.errors import CaptureError
from portcall.records.detections import MOST_STREAM_BYTES, NO_PAYLOAD, TCP, UDP, WAIT, Ends, Payload
from portcall.records.packets import Verdict
from portcall.sources.captures import open_capture

MOST_DATAGRAMS = 8
"""Of each end; a dissector is shown no more than the first few."""
SYN = 2


@dataclass
class Conversation:
    """One flow by its five-tuple: ``flow_ends`` as the first packet had them, and the payloads of either side."""

    ends: Ends
    addresses: tuple[bytes, bytes]
    sent: tuple[list, list] = field(default_factory=lambda: ([], []))
    """(sequence number, payload) of the first packet's sender, and of the other end."""
    starts: list = field(default_factory=lambda: [None, None])
    """The sequence number of each end's first byte, where its SYN was seen."""

    def payloads(self):
        """(speech, ends) of either side, with all that it said."""
        return [self.payload(side) for side in (0, 1)]

    def payload(self, side, datagrams=MOST_DATAGRAMS):
        """(speech, ends) of one side, after so many datagrams."""
        return self._payload(side, datagrams), self._ends(side)

    def _ends(self, side):
        ports = (self.ends.source_port, self.ends.target_port)
        return Ends(self.ends.transport, *(ports if side == 0 else ports[::-1]))

    def _payload(self, side, most_datagrams):
        sent = self.sent[side]
        if not sent:
            return NO_PAYLOAD
        if self.ends.transport == UDP:
            datagrams = tuple(payload for _, payload in sent[:most_datagrams])
            return Payload(datagrams[-1], datagrams)
        start = self.starts[side]
        data = _in_order(sent, sent[0][0] if start is None else start)
        return Payload(data[:MOST_STREAM_BYTES], is_ended=True, is_from_start=start is not None) if data else NO_PAYLOAD


def conversations(path, layer="inner"):
    """The TCP and UDP conversations of a capture, as far as it can be read."""
    found = {}
    decoder = Decoder(layer)
    try:
        for batch in open_capture(str(path)).source.batches():
            buffer = batch.buffer.tobytes()
            for frame, packet in zip(batch.frames.tolist(), decoder.decode(batch), strict=True):
                if packet["verdict"] == Verdict.OK and packet["protocol"] in {TCP, UDP}:
                    _note(found, packet, buffer[frame[1] : frame[1] + frame[2]])
    except CaptureError:
        pass  # what could be read counts
    return list(found.values())


def inspected(conversation):
    """(dissector, finding) of the first final finding, by speech as it grows, the surest asked first; else None."""
    deaf, loose = set(), None
    for count in range(1, MOST_DATAGRAMS + 1 if conversation.ends.transport == UDP else 2):
        for side in (0, 1):
            if 1 < count > len(conversation.sent[side]):
                continue
            sent, ends = conversation.payload(side, count)
            answered, _ = conversation.payload(1 - side, count)
            for dissector in _asked(ends) if sent.data else ():
                if (side, dissector) in deaf:
                    continue
                found = dissector.inspect(sent, answered, ends)
                if found is None:
                    deaf.add((side, dissector))
                elif found is not WAIT and found.is_final:
                    return dissector, found
                elif found is not WAIT:
                    loose = loose or (dissector, found)
    return loose


def _asked(ends):
    asked = [dissector for dissector in find_dissectors() if ends.transport in dissector.TRANSPORTS]
    return sorted(asked, key=lambda dissector: (dissector.CERTAINTY, not ends.has_port(*dissector.PORTS)))


def _note(found, packet, content):
    offset, payload = int(packet["payload_offset"]), int(packet["payload"])
    source = (packet["source"].tobytes(), int(packet["source_port"]))
    target = (packet["target"].tobytes(), int(packet["target_port"]))
    protocol = int(packet["protocol"])
    key = (protocol, *sorted([source, target]))
    if key not in found:
        found[key] = Conversation(Ends(protocol, source[1], target[1]), (source[0], target[0]))
    conversation = found[key]
    side = 0 if (source[0], source[1]) == (conversation.addresses[0], conversation.ends.source_port) else 1
    sequence = int(packet["tcp_sequence"])
    if packet["tcp_flags"] & SYN and protocol == TCP:
        if conversation.starts[side] is None:
            conversation.starts[side] = (sequence + 1) % 2**32
        sequence += 1
    piece = content[offset : offset + payload]
    if piece:
        conversation.sent[side].append((sequence % 2**32, piece))


def _in_order(sent, start):
    """The bytes from ``start`` on without a gap."""
    data = b""
    for behind, payload in sorted((((sequence - start) % 2**32), payload) for sequence, payload in sent):
        if behind <= len(data) < behind + len(payload):
            data += payload[len(data) - behind :]
    return data
