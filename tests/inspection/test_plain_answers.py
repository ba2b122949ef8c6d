"""Answers of resolvers, however odd: the kernel tells the timeline what the dissector tells it."""

from __future__ import annotations

import struct

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, UDP

from dissectors.ech_vectors import CONFIGURATIONS
from examples import examples
from made_conversations import CLIENT, RESOLVER, batch_of, names_by_dissectors
from portcall.decoding.decoder import Decoder
from portcall.flows.table import FlowTable
from portcall.inspection.server_names import ServerNames
from portcall.records.packets import NO_TIME

QUESTION = b"\x03www\x07example\x03com\0"
ALIAS, ADDRESSES = 5, {1: 4, 28: 16}
ADDRESSES_OF_HINTS = {4: 4, 6: 16}
NAME_AT = {2: 0, 15: 2, 33: 6}
"""Where the name stands in what leads on to others: NS, MX, SRV."""
HOST = b"\4host\xc0\x10"
ADDITIONS = [
    b"\0\0\x29\x04\xd0\0\0\0\0\0\0",
    *(owner + b"\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\x07" for owner in (HOST, b"\xc0\x0c", b"\3cdn\4test\0", b"\1x\0")),
    HOST + b"\0\x1c\0\1\0\0\0\x3c\0\x10" + bytes(range(16)),
]
CLIENT_BYTES = bytes(12) + bytes(map(int, CLIENT.split(".")))


@st.composite
def bindings(draw):
    """What an HTTPS record has: a target, and parameters, mostly in order."""
    target = draw(st.sampled_from([b"\0", b"\0", b"\3cdn\4test\0", b"\xc0\x0c"]))
    keys = draw(st.lists(st.sampled_from([1, 4, 5, 6, 7]), unique=True, max_size=4))
    data = bytes([0, draw(st.sampled_from([0, 1, 1]))]) + target
    for key in draw(st.sampled_from([keys, sorted(keys), sorted(keys)])):
        width = ADDRESSES_OF_HINTS.get(key, 3)
        value = draw(st.binary(min_size=width, max_size=width)) * draw(st.sampled_from([1, 1, 2, 9]))
        value = CONFIGURATIONS if key == 5 else value[: draw(st.sampled_from([len(value), len(value), 1, 0]))]
        data += struct.pack(">HH", key, len(value)) + value
    return data


@st.composite
def messages(draw):
    """A response: records of the name asked for or of the latest alias, mostly, and perhaps some bytes changed."""
    data = bytearray(struct.pack(">6H", 7, draw(st.sampled_from([0x8180, 0x8183, 0x0100])), 1, 0, 0, 0))
    data += QUESTION + b"\0\1\0\1"
    owners, count = [12], draw(st.integers(0, 5))
    for _ in range(count):
        owner = draw(st.sampled_from([owners[-1], owners[-1], owners[0]]))
        kind = draw(st.sampled_from([1, 1, 28, ALIAS, 16, 2, 15, 33, 64, 65, 65]))
        # No name twice: in a circle of aliases the kernel takes the least time, the dissector that of the first.
        alias = b"\1%c" % (0x61 + len(owners))
        rest = draw(st.sampled_from([alias + b"\xc0\x10", alias + b"\4test\0", b""])) if kind == ALIAS else b"text"
        size = ADDRESSES.get(kind)
        rest = draw(st.binary(min_size=size, max_size=size)) if size else rest
        rest = draw(bindings()) if kind in (64, 65) else rest
        if kind in NAME_AT:
            rest = bytes(NAME_AT[kind]) + draw(st.sampled_from([HOST, HOST, b"\0", b"\xc0\x0c"]))
        data += struct.pack(">HHHIH", 0xC000 | owner, kind, 1, draw(st.sampled_from([0, 30, 2**32 - 1])), len(rest))
        owners += [len(data)] if kind == ALIAS else []
        data += rest
    data[7] = draw(st.sampled_from([count, count, count + 1]))
    additions = draw(st.lists(st.sampled_from(ADDITIONS), max_size=3))
    data[9], data[11] = draw(st.sampled_from([0, 0, 1])), draw(st.sampled_from([0, 1, len(additions), len(additions)]))
    data += b"".join(additions)
    for at, byte in draw(st.lists(st.tuples(st.integers(0, len(data) - 1), st.integers(0, 255)), max_size=2)):
        data[at] = byte
    return bytes(data)


def told(data, names):
    """What the timeline knows, and what the conversation is, when a message comes twice."""
    table, decoder = FlowTable(seed=1, inspects=True), Decoder()
    inspector = names.inspector_for(table)
    for number in (1, 2):
        batch = batch_of([IP(src=RESOLVER, dst=CLIENT) / UDP(sport=53, dport=5000) / data])
        batch.frames["ts_ns"] += number
        packets = decoder.decode(batch)
        inspector.inspect(batch, packets, table.update(packets, number), number)
        inspector.of(np.zeros(0, np.int64))  # so that the second time the name is known
    inspector.finish()
    addresses = {data[at : at + size].rjust(16, b"\0") for size in (4, 16) for at in range(len(data) - size + 1)}
    dns_answers = {
        (address, *one)
        for address in addresses
        for one in names.dns_cache.answered_before(CLIENT_BYTES, address, NO_TIME)
    }
    numbers = inspector.of(np.arange(len(table))).numbers
    return (
        dns_answers,
        len(names.dns_cache.store),
        names.dns_cache.offers.plain(),
        [names.detection(number) for number in numbers],
    )


@settings(max_examples=examples(100))
@given(messages())
def test_the_kernel_tells_the_timeline_what_the_dissector_tells_it(data):
    *answers, (known,) = told(data, ServerNames())
    *answers_with_details, detailed = told(data, ServerNames(with_details=True))

    assert [*answers_with_details, detailed] == list(told(data, names_by_dissectors()))
    assert (answers, known and known.protocol) == (answers_with_details, detailed[0] and detailed[0].protocol)


def test_an_answer_by_way_of_aliases_is_of_the_name_that_was_asked_for():
    data = struct.pack(">6H", 7, 0x8180, 1, 2, 0, 0) + QUESTION + b"\0\1\0\1"
    data += struct.pack(">HHHIH", 0xC00C, ALIAS, 1, 20, 6) + b"\3cdn\xc0\x10"
    data += struct.pack(">HHHIH", 0xC000 | len(data) - 6, 1, 1, 300, 4) + b"\xc0\0\2\x50"

    (cached_answer,), count, _, (detection,) = told(data, ServerNames())

    address, time_ns, until_ns, name = cached_answer
    assert (address[-4:], name, until_ns - time_ns) == (b"\xc0\0\2\x50", "www.example.com", 80 * 10**9 + 1)
    assert (count, detection.protocol) == (1, "dns")
