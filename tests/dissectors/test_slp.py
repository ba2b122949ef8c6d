"""SLP, by the layouts of RFC 2608 and 2165."""

import pytest
from inspecting import TCP, UDP, inspect

from portcall.dissectors import slp


def message(language=b"en", function=1, extra=0, body=bytes(10)):
    content = b"\0\0\0\0\0" + b"\x12\x34" + len(language).to_bytes(2, "big") + language + body
    return bytes([2, function]) + (5 + len(content) + extra).to_bytes(3, "big") + content


OLD = b"\1\1\0\x1a\0\0en\0\3\x12\x34" + b"\0\x0cservice:test"
SAMPLES = [(UDP, message()), (UDP, OLD), (TCP, message())]


@pytest.mark.parametrize("transport", [TCP, UDP])
def test_a_request_tells_on_any_port(transport):
    assert dict(inspect(slp, transport, message()).details) == {"version": "2"}


@pytest.mark.parametrize(
    "sent", [message(extra=1), message(language=b"\0\1"), message(function=12), message(function=0)],
    ids=["length", "language", "function above", "function below"],
)  # fmt: skip
def test_every_field_has_to_agree(sent):
    assert inspect(slp, UDP, sent) is None


def test_the_first_version_counts_at_home_only():
    assert inspect(slp, UDP, OLD) is None
    assert dict(inspect(slp, UDP, OLD, target_port=427).details) == {"version": "1"}
