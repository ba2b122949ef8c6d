"""Laws of the family: who claims what, on any port, cut anywhere, however mutated."""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from examples import examples
from payload_builder import SAMPLES, Sample
from portcall.dissectors import find_dissectors
from portcall.records.detections import MOST_STREAM_BYTES, NO_PAYLOAD, TCP, UDP, WAIT, Detection, Ends, Payload

_MOST_SECONDS = 2.0
"""For all dissectors together on the worst speech; some thousand times what usual speech takes."""


def _in_turn(ends: Ends):
    """The dissectors in the order in which they are asked."""
    listening = [dissector for dissector in find_dissectors() if ends.transport in dissector.TRANSPORTS]
    return sorted(listening, key=lambda dissector: (dissector.CERTAINTY, not ends.has_port(*dissector.PORTS)))


def _first_detection(data: bytes, answered: bytes, ends: Ends, *, is_ended: bool = False) -> Detection | None:
    sent, inspected = Payload(data, is_ended=is_ended), Payload(answered) if answered else NO_PAYLOAD
    for dissector in _in_turn(ends):
        found = dissector.inspect(sent, inspected, ends)
        if isinstance(found, Detection):
            return found
    return None


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_each_protocol_is_claimed_by_its_own_dissector_first(sample: Sample):
    found = _first_detection(sample.data, sample.answered, sample.ends)

    assert found is not None
    assert found.protocol == sample.protocol


@pytest.mark.parametrize("sample", [sample for sample in SAMPLES if not sample.needs_port], ids=str)
@pytest.mark.parametrize("port", [25, 53, 80, 443])
def test_a_protocol_on_the_port_of_another_keeps_its_name(sample: Sample, port: int):
    is_client = sample.target_port != 50000
    ends = Ends(sample.transport, 50000, port) if is_client else Ends(sample.transport, port, 50000)

    found = _first_detection(sample.data, sample.answered, ends)

    assert found is not None
    assert found.protocol == sample.protocol


@pytest.mark.parametrize("sample", [sample for sample in SAMPLES if sample.transport == TCP], ids=str)
def test_the_beginning_of_a_stream_is_waited_on_and_never_claimed_by_another(sample: Sample):
    for end in range(1, len(sample.data)):
        claims = {
            found.protocol
            for dissector in _in_turn(sample.ends)
            if isinstance(found := dissector.inspect(Payload(sample.data[:end]), NO_PAYLOAD, sample.ends), Detection)
        }
        assert claims <= {sample.protocol}


@pytest.mark.parametrize("sample", [sample for sample in SAMPLES if sample.transport == TCP], ids=str)
def test_the_own_dissector_does_not_give_up_before_the_last_byte(sample: Sample):
    sent, answered = Payload(sample.data), Payload(sample.answered) if sample.answered else NO_PAYLOAD
    own = next(
        dissector
        for dissector in _in_turn(sample.ends)
        if isinstance(dissector.inspect(sent, answered, sample.ends), Detection)
    )

    for end in range(1, len(sample.data)):
        assert own.inspect(Payload(sample.data[:end]), answered, sample.ends) is not None, end


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_speech_cut_at_any_byte_is_no_error_to_any_dissector(sample: Sample):
    for end in range(len(sample.data) + 1):
        cut = Payload(sample.data[:end], is_ended=True)
        for dissector in find_dissectors():
            for ends in (sample.ends, Ends(UDP, sample.target_port, sample.source_port)):
                assert dissector.inspect(cut, cut, ends) is not WAIT or ends.transport == TCP


_PORTS = sorted({50000, *(port for dissector in find_dissectors() for port in dissector.PORTS)})


@settings(max_examples=examples(150), suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_mutated_speech_gives_findings_or_nothing_but_never_an_error(data):
    sample = data.draw(st.sampled_from(SAMPLES))
    mutated = bytearray(sample.data)
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(mutated)))
        mutated[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    answered = data.draw(st.sampled_from(SAMPLES)).data
    ends = Ends(data.draw(st.sampled_from([TCP, UDP])), data.draw(st.sampled_from(_PORTS)), 50000)

    for dissector in find_dissectors():
        for sent in (Payload(bytes(mutated)), Payload(bytes(mutated), is_ended=True, is_from_start=False)):
            found = dissector.inspect(sent, Payload(answered), ends)
            assert found in {None, WAIT} or isinstance(found, Detection)
            assert not isinstance(found, Detection) or all(len(text) <= 1024 for _, text in found.details)


@pytest.mark.parametrize(
    "filler",
    [
        b"\0",
        b"\xc0\x0c",
        b"A",
        b" ",
        b"A ",
        b"\n",
        b"\r\n\r\n",
        b"a: b\r\n",
        b"\n ",
        b"\xff\xfd\x18",
        b"220 \r\n",
        b"\xff",
    ],
    ids=repr,
)
@pytest.mark.parametrize("sample", [Sample("none", b"", 50000, 9999), *SAMPLES], ids=str)
def test_as_much_speech_as_there_may_be_is_heard_in_bounded_time(sample: Sample, filler: bytes):
    data = (sample.data + filler * MOST_STREAM_BYTES)[:MOST_STREAM_BYTES]

    began_s = time.process_time()
    for dissector in find_dissectors():
        dissector.inspect(Payload(data), Payload(data), sample.ends)

    assert time.process_time() - began_s < _MOST_SECONDS
