"""Laws of the family: who claims what, on any port, cut anywhere, however mutated."""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from payload_builder import SAMPLES, Spoken
from portcall.dissectors import find_dissectors
from portcall.records.detections import MOST_STREAM_BYTES, SILENCE, TCP, UDP, WAIT, Ends, Finding, Speech

_MOST_SECONDS = 2.0
"""For all dissectors together on the worst speech; some thousand times what usual speech takes."""


def _in_turn(ends: Ends):
    """The dissectors in the order in which they are asked."""
    listening = [dissector for dissector in find_dissectors() if ends.transport in dissector.TRANSPORTS]
    return sorted(listening, key=lambda dissector: (dissector.CERTAINTY, not ends.has_port(*dissector.PORTS)))


def _first_finding(data: bytes, answered: bytes, ends: Ends, *, is_ended: bool = False) -> Finding | None:
    said, heard = Speech(data, is_ended=is_ended), Speech(answered) if answered else SILENCE
    for dissector in _in_turn(ends):
        found = dissector.listen(said, heard, ends)
        if isinstance(found, Finding):
            return found
    return None


@pytest.mark.parametrize("spoken", SAMPLES, ids=str)
def test_each_protocol_is_claimed_by_its_own_dissector_first(spoken: Spoken):
    found = _first_finding(spoken.data, spoken.answered, spoken.ends)

    assert found is not None
    assert found.protocol == spoken.protocol


@pytest.mark.parametrize("spoken", [spoken for spoken in SAMPLES if not spoken.needs_port], ids=str)
@pytest.mark.parametrize("port", [25, 53, 80, 443])
def test_a_protocol_on_the_port_of_another_keeps_its_name(spoken: Spoken, port: int):
    is_client = spoken.target_port != 50000
    ends = Ends(spoken.transport, 50000, port) if is_client else Ends(spoken.transport, port, 50000)

    found = _first_finding(spoken.data, spoken.answered, ends)

    assert found is not None
    assert found.protocol == spoken.protocol


@pytest.mark.parametrize("spoken", [spoken for spoken in SAMPLES if spoken.transport == TCP], ids=str)
def test_the_beginning_of_a_stream_is_waited_on_and_never_claimed_by_another(spoken: Spoken):
    for end in range(1, len(spoken.data)):
        claims = {
            found.protocol
            for dissector in _in_turn(spoken.ends)
            if isinstance(found := dissector.listen(Speech(spoken.data[:end]), SILENCE, spoken.ends), Finding)
        }
        assert claims <= {spoken.protocol}


@pytest.mark.parametrize("spoken", [spoken for spoken in SAMPLES if spoken.transport == TCP], ids=str)
def test_the_own_dissector_does_not_give_up_before_the_last_byte(spoken: Spoken):
    said, answered = Speech(spoken.data), Speech(spoken.answered) if spoken.answered else SILENCE
    own = next(
        dissector
        for dissector in _in_turn(spoken.ends)
        if isinstance(dissector.listen(said, answered, spoken.ends), Finding)
    )

    for end in range(1, len(spoken.data)):
        assert own.listen(Speech(spoken.data[:end]), answered, spoken.ends) is not None, end


@pytest.mark.parametrize("spoken", SAMPLES, ids=str)
def test_speech_cut_at_any_byte_is_no_error_to_any_dissector(spoken: Spoken):
    for end in range(len(spoken.data) + 1):
        cut = Speech(spoken.data[:end], is_ended=True)
        for dissector in find_dissectors():
            for ends in (spoken.ends, Ends(UDP, spoken.target_port, spoken.source_port)):
                assert dissector.listen(cut, cut, ends) is not WAIT or ends.transport == TCP


_PORTS = sorted({50000, *(port for dissector in find_dissectors() for port in dissector.PORTS)})


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_mutated_speech_gives_findings_or_nothing_but_never_an_error(data):
    spoken = data.draw(st.sampled_from(SAMPLES))
    mutated = bytearray(spoken.data)
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(mutated)))
        mutated[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    answered = data.draw(st.sampled_from(SAMPLES)).data
    ends = Ends(data.draw(st.sampled_from([TCP, UDP])), data.draw(st.sampled_from(_PORTS)), 50000)

    for dissector in find_dissectors():
        for said in (Speech(bytes(mutated)), Speech(bytes(mutated), is_ended=True, is_from_start=False)):
            found = dissector.listen(said, Speech(answered), ends)
            assert found in {None, WAIT} or isinstance(found, Finding)
            assert not isinstance(found, Finding) or all(len(text) <= 1024 for _, text in found.details)


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
@pytest.mark.parametrize("spoken", [Spoken("none", b"", 50000, 9999), *SAMPLES], ids=str)
def test_as_much_speech_as_there_may_be_is_heard_in_bounded_time(spoken: Spoken, filler: bytes):
    data = (spoken.data + filler * MOST_STREAM_BYTES)[:MOST_STREAM_BYTES]

    began_s = time.process_time()
    for dissector in find_dissectors():
        dissector.listen(Speech(data), Speech(data), spoken.ends)

    assert time.process_time() - began_s < _MOST_SECONDS
