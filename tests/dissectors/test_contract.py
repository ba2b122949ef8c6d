"""What the contract promises of every dissector, whoever wrote it: tried with real speech, mutated, cut and turned."""

from __future__ import annotations

import importlib
import time
from itertools import chain
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples import examples
from inspected_captures import conversations
from portcall.dissectors import Certainty, find_dissectors
from portcall.records.detections import (
    MOST_STREAM_BYTES,
    NO_PAYLOAD,
    TCP,
    UDP,
    WAIT,
    Detection,
    Ends,
    NameKind,
    Payload,
    Role,
)

CAPTURES = Path(__file__).parents[2] / "captures"
MOST_NAME, MOST_DETAIL, MOST_KEY, MOST_ANSWERS = 1024, 256, 64, 64
MOST_SECONDS = 0.05
"""Of processor time, for one call: a dissector that scans 32 KiB once needs a hundredth of it."""
MOST_TRIES = 5
MUTATIONS = 200
CUT_BYTES = 300
"""Speech is cut at each of its first bytes, where the headers are."""

DISSECTORS = find_dissectors()
EVERY_DISSECTOR = pytest.mark.parametrize(
    "dissector", DISSECTORS, ids=lambda dissector: dissector.__name__.rpartition(".")[2]
)


def samples_of(dissector):
    """``SAMPLES`` of its own test module: (transport, bytes), each one message or the beginning of a stream."""
    name = dissector.__name__.rpartition(".")[2]
    if not (Path(__file__).parent / f"test_{name}.py").exists():
        return []
    return list(getattr(importlib.import_module(f"test_{name}"), "SAMPLES", []))


@pytest.fixture(scope="module")
def recorded():
    """(transport, source port, target port, bytes) of each end of the repository's own conversations."""
    found = {}
    for path in sorted(CAPTURES.glob("*.pcap*")):
        for conversation in conversations(path):
            for payload, ends in conversation.payloads():
                if payload.data:
                    found[ends.transport, payload.data[:512]] = (ends.source_port, ends.target_port)
    return [(transport, *ports, data) for (transport, data), ports in found.items()]


def payload_of(transport, data, *, is_ended=False):
    return Payload(data, (data,) if transport == UDP else (), is_ended=is_ended)


def check(inspected):
    """Nothing but a finding within its bounds, WAIT, or None."""
    if inspected is None or inspected is WAIT:
        return
    assert isinstance(inspected, Detection)
    assert inspected.protocol
    assert inspected.protocol == inspected.protocol.lower()
    assert inspected.protocol.isascii()
    assert inspected.role is None or isinstance(inspected.role, Role)
    for name in inspected.names:
        assert isinstance(name.kind, NameKind)
        assert name.text.isascii()
        assert len(name.text) <= MOST_NAME
    for key, text in inspected.details:
        assert 0 < len(key) <= MOST_KEY
        assert text.isascii()
        assert len(text) <= MOST_DETAIL
    assert len(inspected.answers) <= MOST_ANSWERS
    for answer in inspected.answers:
        assert len(answer.address) in {4, 16}
        assert len(answer.name) <= MOST_NAME
        assert answer.time_to_live_s >= 0


def ports_of(dissector):
    """A port of its own, where it has one, and a foreign one."""
    return [*sorted(dissector.PORTS)[:3], 40000]


def listen_everywhere(dissector, data, other=b""):
    """What it says in every transport, on its ports and others, from either side, cut off or not."""
    for transport in dissector.TRANSPORTS:
        for port in ports_of(dissector):
            for ends in (Ends(transport, 50000, port), Ends(transport, port, 50000)):
                for is_ended in (False, True):
                    sent = payload_of(transport, data, is_ended=is_ended)
                    answered = payload_of(transport, other) if other else NO_PAYLOAD
                    check(dissector.inspect(sent, answered, ends))


def mutated(random, data):
    """The data with some bytes changed, doubled, left out, or set to what lengths fear."""
    changed = bytearray(data)
    for _ in range(random.randrange(1, 6)):
        at = random.randrange(len(changed) + 1)
        kind = random.randrange(5)
        if kind == 0:
            changed[at : at + 1] = random.randbytes(1)
        elif kind == 1:
            changed[at : at + 4] = random.choice([b"\xff" * 4, b"\0" * 4, b"\x80\0\0\0", b"\x7f\xff\xff\xff"])
        elif kind == 2:
            del changed[at : at + random.randrange(1, 9)]
        elif kind == 3:
            changed[at:at] = changed[at : at + random.randrange(1, 64)]
        else:
            changed[at:at] = random.randbytes(random.randrange(1, 16))
    return bytes(changed)


def test_the_dissectors_are_found_by_being_there():
    assert len(DISSECTORS) == len({dissector.__name__ for dissector in DISSECTORS}) > 0


def test_the_surest_come_first():
    certainties = [dissector.CERTAINTY for dissector in DISSECTORS]

    assert certainties == sorted(certainties)


@EVERY_DISSECTOR
def test_it_says_to_what_it_listens(dissector):
    assert isinstance(dissector.TRANSPORTS, frozenset)
    assert dissector.TRANSPORTS
    assert all(isinstance(transport, int) for transport in dissector.TRANSPORTS)
    assert isinstance(dissector.CERTAINTY, Certainty)
    assert isinstance(dissector.PORTS, frozenset)
    assert all(0 < port < 1 << 16 for port in dissector.PORTS)
    assert isinstance(getattr(dissector, "INSPECTS_ALWAYS", False), bool)
    assert dissector.__doc__


def prefixes_of(dissector):
    """Each dict of bytes that it states for a beginning."""
    return [
        *chain.from_iterable(dissector.__dict__.get("PREFIXES", {}).values()),
        *chain.from_iterable(dissector.__dict__.get("TEXT_PREFIXES", {}).values()),
        *chain.from_iterable(dissector.__dict__.get("LENGTH_PREFIXES", {}).values()),
        *(prefix for listed in dissector.__dict__.get("PREFIXES_ON_PORTS", {}).values() for prefix, _ in listed),
    ] or [{}]


@EVERY_DISSECTOR
@pytest.mark.parametrize("filling", [b"\0", b"\xff", b"\1", b""], ids=["zeros", "ones", "one", "random"])
def test_it_bears_any_length_of_what_begins_like_its_own(dissector, filling):
    random = Random(3)

    for prefix in prefixes_of(dissector):
        for size in range(80):
            beginning = bytearray(filling * size or random.randbytes(size))
            for at, allowed in prefix.items():
                if at < size:
                    beginning[at] = random.choice(list(allowed))
            for transport in dissector.TRANSPORTS:
                for port in ports_of(dissector)[-2:]:
                    check(
                        dissector.inspect(
                            payload_of(transport, bytes(beginning)), NO_PAYLOAD, Ends(transport, 50000, port)
                        )
                    )


@EVERY_DISSECTOR
def test_one_that_needs_its_port_names_it(dissector):
    assert dissector.PORTS or dissector.CERTAINTY != Certainty.PORT


@EVERY_DISSECTOR
def test_silence_is_no_protocol(dissector):
    for transport in dissector.TRANSPORTS:
        for port in ports_of(dissector):
            assert dissector.inspect(NO_PAYLOAD, NO_PAYLOAD, Ends(transport, 50000, port)) is None


@EVERY_DISSECTOR
def test_nothing_that_was_really_said_confuses_it(dissector, recorded):
    for transport, source, target, data in recorded:
        if transport in dissector.TRANSPORTS:
            for end in chain(range(min(len(data), CUT_BYTES)), [len(data)]):
                sent = payload_of(transport, data[:end], is_ended=not end % 2)
                check(dissector.inspect(sent, NO_PAYLOAD, Ends(transport, source, target)))


@EVERY_DISSECTOR
def test_its_own_messages_may_be_cut_at_every_byte(dissector):
    samples = samples_of(dissector)
    for (_, data), (_, other) in zip(samples, samples[1:] + samples[:1], strict=True):
        for end in range(min(len(data), CUT_BYTES) + 1):
            listen_everywhere(dissector, data[:end], other)


@EVERY_DISSECTOR
def test_a_stream_that_is_over_is_not_waited_for(dissector, recorded):
    texts = [data for transport, *_, data in recorded if transport == TCP]
    texts += [data for transport, data in samples_of(dissector) if transport == TCP]
    over = [
        dissector.inspect(Payload(data[:end], is_ended=True), NO_PAYLOAD, Ends(TCP, 50000, port))
        for data in texts
        for end in range(1, 40)
        for port in ports_of(dissector)
        if TCP in dissector.TRANSPORTS
    ]

    assert WAIT not in over


@EVERY_DISSECTOR
def test_mutated_speech_raises_nothing(dissector, recorded):
    random = Random(5)
    seeds = samples_of(dissector) * 20 + [(transport, data) for transport, _, _, data in recorded]

    for i in range(MUTATIONS):
        _, data = seeds[i % len(seeds)]
        listen_everywhere(dissector, mutated(random, data), mutated(random, random.choice(seeds)[1]))


@settings(max_examples=examples(60))
@given(st.binary(max_size=200), st.binary(max_size=60))
def test_random_speech_raises_nothing(data, other):
    for dissector in DISSECTORS:
        listen_everywhere(dissector, data, other)


@EVERY_DISSECTOR
def test_random_speech_is_nobodys(dissector):
    """On foreign ports; what is loose enough for chance is tied to its ports."""
    random = Random(7)
    claimed = []

    for _ in range(3000):
        data = random.randbytes(random.randrange(1, 400))
        for transport in dissector.TRANSPORTS:
            inspected = dissector.inspect(
                payload_of(transport, data, is_ended=True), NO_PAYLOAD, Ends(transport, 50000, 40000)
            )
            claimed += [inspected] if isinstance(inspected, Detection) else []

    assert not claimed


def hostile_bodies():
    """32 KiB that are dear to scan: one byte, one short piece, nothing but lengths, brackets, digits, or a late end."""
    pieces = [
        b"\0",
        b"\xff",
        b"\x01",
        b"A",
        b" ",
        b"\r\n",
        b"{",
        b"(",
        b"d1:",
        b"<a ",
        b"a=b;",
        b"\x00\x04",
        b"\xc0\x0c",
        b"0",
        b": ",
    ]
    return [piece * (MOST_STREAM_BYTES // len(piece)) for piece in pieces]


@EVERY_DISSECTOR
def test_no_speech_takes_long(dissector):
    bodies = hostile_bodies()
    prefixes = [b"", *(data[:64] for _, data in samples_of(dissector))]
    slow = []

    for prefix in prefixes:
        for body in bodies:
            data = (prefix + body)[:MOST_STREAM_BYTES]
            for transport in dissector.TRANSPORTS:
                ends = Ends(transport, 50000, min(dissector.PORTS, default=40000))
                sent = Payload(data, (data,) * 8 if transport == UDP else ())
                seconds = _seconds(dissector, sent, ends)
                for _ in range(MOST_TRIES):
                    if seconds > MOST_SECONDS:  # once may be a page fault
                        seconds = min(seconds, _seconds(dissector, sent, ends))
                if seconds > MOST_SECONDS:
                    slow.append((prefix, body[:8], transport, seconds))

    assert not slow


def _seconds(dissector, sent, ends):
    """Processor time of one call: other programs do not count."""
    started = time.process_time()
    check(dissector.inspect(sent, sent, ends))
    return time.process_time() - started
