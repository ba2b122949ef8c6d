"""What the dissectors that hold a family of small protocols share: several recognisers asked as one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.dissectors._text import as_text
from portcall.records.detections import TCP, WAIT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from portcall.records.detections import Detection, Ends, Payload, Wait

    Recogniser = Callable[[Payload, Payload, Ends], Detection | Wait | None]


def first_found(
    recognisers: Iterable[Recogniser], sent: Payload, answered: Payload, ends: Ends
) -> Detection | Wait | None:
    """The first finding; WAIT where there is none and one of them waits."""
    waits = None
    for recognise in recognisers:
        found = recognise(sent, answered, ends)
        if found is WAIT:
            waits = WAIT
        elif found is not None:
            return found
    return waits


def wait_for_more(sent: Payload, ends: Ends) -> Wait | None:
    """What to answer to payload that is too short: WAIT in a stream that goes on, else None."""
    return WAIT if ends.transport == TCP and not sent.is_ended else None


def text(raw: bytes, most_characters: int = 128) -> str:
    """Bytes as the details of a finding show them."""
    return as_text(raw, most_characters)
