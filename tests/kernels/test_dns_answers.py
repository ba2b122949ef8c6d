"""Answers are found in a table: addresses of one network do not crowd in it."""

import time

import numpy as np

from portcall.inspection.dns_cache import CACHED_ANSWER
from portcall.kernels.dns_answers import DnsAnswerStore
from portcall.records.flows import FLOW
from portcall.records.packets import NO_TIME

ROOM = 1 << 16
CLIENT = bytes(12) + bytes([10, 0, 0, 2])


def seconds_to_note(servers):
    store = DnsAnswerStore(np.zeros(ROOM, CACHED_ANSWER), np.zeros(2 * ROOM, np.uint64), 12345)
    began = time.process_time()
    for name, server in enumerate(servers, 1):
        store.note(CLIENT, server, NO_TIME, 300, name)
    return time.process_time() - began


def test_addresses_of_one_network_take_no_longer_than_others():
    """The last bytes of an address lie in the highest bits of a word; before, whole networks had one slot: 90 times."""
    near = [(0xC0000000 + number).to_bytes(4, "big").rjust(16, b"\0") for number in range(30_000)]
    far = [(number * 2_654_435_761 % (1 << 32)).to_bytes(4, "big").rjust(16, b"\0") for number in range(30_000)]

    ratios = [seconds_to_note(near) / seconds_to_note(far) for _ in range(3)]

    assert min(ratios) < 4


SERVER = bytes(12) + bytes([192, 0, 2, 80])
SECOND_NS, HOUR_S = 10**9, 3600


def store_of(answers, *, room=ROOM):
    """What a client was told of one server: (s, name) each, held for no time but the grace."""
    store = DnsAnswerStore(np.zeros(room, CACHED_ANSWER), np.zeros(2 * room, np.uint64), 12345)
    for at_s, name in answers:
        store.note(CLIENT, SERVER, at_s * SECOND_NS, 0, name)
    return store


def name_at(store, at_s):
    flows = np.zeros(1, FLOW)
    flows["low"][0], flows["high"][0] = (np.frombuffer(one, np.uint8) for one in (CLIENT, SERVER))
    flows["first_ns"] = at_s * SECOND_NS
    names = np.zeros(1, np.uint32)
    store.find(flows, np.ones(1, np.uint8), np.ones(1, np.uint8), names)
    return int(names[0])


def test_a_long_conversation_keeps_its_name_however_often_somebody_asks_again():
    store = store_of([(number * HOUR_S, 1 + number % 2) for number in range(1000)])

    assert name_at(store, 10) == 1
    assert name_at(store, HOUR_S + 10) == 2
    assert len(store) <= 65


def test_what_was_told_in_two_halves_and_joined_is_what_was_told_at_once():
    answers = [(number * HOUR_S, 1 + number % 3) for number in range(300)]
    names = np.arange(4, dtype=np.uint32)
    for cut in (1, 40, 63, 64, 65, 200):
        first, second = store_of(answers[:cut]), store_of(answers[cut:])
        held = np.zeros(len(second), CACHED_ANSWER)
        second.answers(held)
        first.absorb(held, names)

        assert first.told(CLIENT, SERVER) == store_of(answers).told(CLIENT, SERVER)
