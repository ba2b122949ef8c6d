"""What openings promise: they leave out nobody who would have known, and nearly all that nobody knows."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_contract import samples_of

from examples import examples
from inspected_captures import conversations
from portcall.dissectors import Certainty, find_dissectors
from portcall.dissectors._port_guarded import RULES
from portcall.dissectors.patterns import _RULES
from portcall.inspection.prefilter import candidates_by_prefix
from portcall.kernels.prefix_tables import FAR_BYTES
from portcall.records.detections import NO_PAYLOAD, TCP, UDP, WAIT, Detection, Ends, Payload

CAPTURES = Path(__file__).parents[2] / "captures"
DISSECTORS = find_dissectors()
MOST_OPENED = {TCP: 0.05, UDP: 0.08}
"""The share of random payloads that may open anything."""
BUSY_PORTS = {
    TCP: (22, 25, 443, 445, 514, 1883, 3306, 5222, 5432, 6379, 8333, 9000, 40000),
    UDP: (123, 161, 514, 1194, 3478, 5004, 27015, 40000),
}


def listened(dissector, data, ends, *, is_ended):
    """What a dissector says to a first payload that nothing has answered."""
    datagrams = (data,) if ends.transport == UDP else ()
    return dissector.inspect(Payload(data, datagrams, is_ended=is_ended), NO_PAYLOAD, ends)


def assert_opened(transport, data, ports):
    """Whoever finds something, or waits for another datagram, is let in; a stream's first bytes decide."""
    for source, target in ports:
        ends = Ends(transport, source, target)
        for is_ended in (False, True):
            # A stream may go on, and so may a datagram that was cut; an empty one is not heard.
            opened = candidates_by_prefix(ends, data, is_whole=transport == UDP and not is_ended and data != b"")
            for dissector in DISSECTORS:
                is_able = transport in dissector.TRANSPORTS and (
                    dissector.CERTAINTY < Certainty.PORT or ends.has_port(*dissector.PORTS)
                )
                if is_able and dissector not in opened:
                    inspected = listened(dissector, data, ends, is_ended=is_ended)
                    assert not isinstance(inspected, Detection), (dissector.__name__, data[:48], ends, inspected)
                    assert transport == TCP or inspected is not WAIT, (dissector.__name__, data[:48], ends)


def ports_of(dissector):
    """A dissector's ports at either end, and foreign ones."""
    home = sorted(dissector.PORTS)[:8]
    return [(50000, 40000), *((50000, port) for port in home), *((port, 50000) for port in home)]


EVERY_DISSECTOR = pytest.mark.parametrize(
    "dissector", DISSECTORS, ids=lambda dissector: dissector.__name__.rpartition(".")[2]
)


@EVERY_DISSECTOR
def test_samples_open_their_dissectors(dissector):
    for transport, data in samples_of(dissector):
        assert_opened(transport, data, ports_of(dissector))


@EVERY_DISSECTOR
def test_what_resembles_a_sample_opens_whoever_still_knows_it(dissector):
    random = Random(5)

    for transport, data in samples_of(dissector):
        for _ in range(40):
            changed = bytearray(data[: random.choice((len(data), random.randint(1, len(data) or 1)))])
            for _ in range(random.randint(0, 2)):
                if changed:
                    changed[random.randrange(min(len(changed), 24))] = random.choice(
                        (0, 1, 32, 128, 255, random.randrange(256))
                    )
            assert_opened(transport, bytes(changed), [(50000, 40000), *ports_of(dissector)[1:2]])


def test_recorded_speech_opens_whoever_knows_it():
    seen = set()

    for path in sorted(CAPTURES.glob("*.pcap*")):
        for conversation in conversations(path):
            for side in (0, 1):
                payload, ends = conversation.payload(side, 1)
                if payload.data and (ends.transport, payload.data[:64]) not in seen:
                    seen.add((ends.transport, payload.data[:64]))
                    assert_opened(ends.transport, payload.data, [(ends.source_port, ends.target_port)])

    assert len(seen) > 50


@pytest.mark.parametrize("rule", [*RULES, *_RULES], ids=lambda rule: f"{rule.protocol}-{rule.transport}")
def test_messages_that_a_rule_describes_open_its_table(rule):
    ports = sorted(rule.where)[:2] if isinstance(rule.where, frozenset) else [40000]

    @settings(max_examples=examples(20))
    @given(st.from_regex(re.compile(rule.pattern, re.DOTALL)), st.binary(max_size=64), st.sampled_from(ports))
    def check(beginning, rest, port):
        assert_opened(rule.transport, beginning + rest, [(50000, port), (port, 50000)])

    check()


@settings(max_examples=examples(150))
@given(st.sampled_from([TCP, UDP]), st.binary(max_size=220), st.sampled_from([22, 53, 80, 443, 500, 4500, 40000]))
def test_any_bytes_open_whoever_knows_them(transport, data, port):
    assert_opened(transport, data, [(50000, port)])


@pytest.mark.parametrize(
    ("transport", "port"), [(transport, port) for transport, ports in BUSY_PORTS.items() for port in ports]
)
def test_random_bytes_open_hardly_anything(transport, port):
    random = Random(port)

    opened = [candidates_by_prefix(Ends(transport, 50000, port), random.randbytes(200)) for _ in range(2000)]

    assert sum(map(bool, opened)) <= MOST_OPENED[transport] * len(opened)
    assert sum(map(len, opened)) <= 2 * MOST_OPENED[transport] * len(opened)


@pytest.mark.parametrize("size", [8, 10, 14, 20, 26])
def test_random_segments_that_are_short_open_hardly_anything(size):
    random = Random(size)

    opened = [
        candidates_by_prefix(Ends(TCP, 50000, port), random.randbytes(size))
        for port in BUSY_PORTS[TCP]
        for _ in range(500)
    ]

    assert sum(map(len, opened)) <= MOST_OPENED[TCP] * len(opened)


def fits(dissector, transport, data, ends, *, is_whole):
    """Whether a payload fits an opening of a dissector, by what the module states."""
    prefixes = dissector.__dict__
    plain = prefixes.get("PREFIXES", {}).get(transport, ({},))
    of_text = prefixes.get("TEXT_PREFIXES", {}).get(transport, ())
    of_length = prefixes.get("LENGTH_PREFIXES", {}).get(transport, ())
    on_ports = prefixes.get("PREFIXES_ON_PORTS", {}).get(transport, ())
    words = prefixes.get("WORDS_ON_PORTS", {}).get(transport, ())
    is_text = re.match(rb"[\t\r\x20-\xff]*(\n|\Z)", data[:64]) and not re.match(rb"[\x21-\xff]{33}", data)
    is_home = dissector.CERTAINTY < Certainty.PORT or ends.has_port(*dissector.PORTS)
    possible = [
        *(prefix for prefix in plain if is_home),
        *(prefix for prefix in of_text if is_home and is_text),
        *(prefix for prefix in of_length if is_home and not data.startswith(bytes(8))),
        *(prefix for prefix, ports in on_ports if ends.has_port(*ports)),
        *({} for word, ports in words if ends.has_port(*ports) and word in data),
    ]
    return any(
        all(
            data[at] in allowed if at < len(data) else not (is_whole or (transport == UDP and at >= FAR_BYTES))
            for at, allowed in prefix.items()
        )
        for prefix in possible
    )


@settings(max_examples=examples(300))
@given(
    st.sampled_from([TCP, UDP]),
    st.one_of(
        st.binary(max_size=100),
        st.text("AEGTHP/1. +*\r\n\t\0", max_size=80).map(str.encode),
        st.builds(lambda zeros, rest: bytes(zeros) + rest, st.integers(0, 40), st.binary(max_size=40)),
        st.text("GET", min_size=30, max_size=40).map(str.encode),
        st.sampled_from([data for dissector in DISSECTORS for _, data in samples_of(dissector)]),
    ),
    st.sampled_from([80, 443, 514, 4500, 40000]),
    st.booleans(),
)
def test_a_payload_opens_whom_the_openings_say(transport, data, port, is_whole):
    ends, is_whole = Ends(transport, port, 50000), is_whole and transport == UDP

    stated = {
        dissector
        for dissector in DISSECTORS
        if transport in dissector.TRANSPORTS and fits(dissector, transport, data, ends, is_whole=is_whole)
    }

    assert candidates_by_prefix(ends, data, is_whole=is_whole) == stated


def opened_by(transport, data):
    """Who is asked about a whole first payload between ports that are nobody's."""
    return candidates_by_prefix(Ends(transport, 50000, 40000), data, is_whole=transport == UDP)


@pytest.mark.parametrize("transport", [TCP, UDP])
@pytest.mark.parametrize("size", [8, 10, 16, 22, 64, 1200])
def test_nobody_is_asked_about_zeros(transport, size):
    asked = {dissector.__name__.rpartition(".")[2] for dissector in opened_by(transport, bytes(size))}

    assert asked <= ({"gnutella"} if transport == UDP and size > 16 else set())


@pytest.mark.parametrize("transport", [TCP, UDP])
@pytest.mark.parametrize("size", [10, 16, 40, 400])
def test_one_byte_again_and_again_opens_few_whatever_it_is(transport, size):
    asked = [len(opened_by(transport, bytes([byte]) * size)) for byte in range(256)]

    # The letters may be the beginning of a word that goes on, in the first 32 bytes of a stream.
    is_word = transport == TCP and size <= 32
    assert sum(asked) <= (500 if is_word else 120)
    assert max(asked) <= (8 if is_word else 4)


@pytest.mark.parametrize("transport", [TCP, UDP])
@pytest.mark.parametrize("zeros", range(4, 12))
def test_zeros_before_random_bytes_open_hardly_more_than_one(transport, zeros):
    random = Random(zeros)

    opened = [opened_by(transport, bytes(zeros) + random.randbytes(40)) for _ in range(1000)]

    assert sum(map(len, opened)) <= (0.4 if transport == TCP else 1.1) * len(opened)


@pytest.mark.parametrize("transport", [TCP, UDP])
def test_letters_without_an_end_open_hardly_anything(transport):
    random = Random(7)

    opened = [opened_by(transport, bytes(random.choices(range(65, 91), k=40))) for _ in range(1000)]

    assert sum(map(len, opened)) <= 0.25 * len(opened)
