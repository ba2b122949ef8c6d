"""Comments on packets, in which several programs write whose they are. Each has a module; this one knows them all.

A text is looked at once, however many packets have it; texts are remembered up to a bound, and then forgotten.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from portcall.owners.recorded import etl2pcapng, pcapdroid, ptcpdump, pymobiledevice3, rustnet
from portcall.records.recorded.claims import MOST_TEXT, ClaimedEnd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from portcall.records.recorded.claims import RecordedOwner

MOST_BYTES = 1 << 23
"""Of texts that are remembered."""
_OVERHEAD_BYTES = 150


class NamedByComments(NamedTuple):
    """Whom the comments of a packet name, and at which end; or the user id of an app."""

    recorded: RecordedOwner | None = None
    end: ClaimedEnd = ClaimedEnd.BY_DIRECTION
    user: int | None = None
    receiver: RecordedOwner | None = None
    """Who received the packet, where that is an end of the same machine; ``recorded``, if anybody, sent it."""


class CommentTexts:
    """Comments by number; 0 is any that names nobody."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.parsed = 0
        """Texts that were looked at."""
        self._most_bytes = most_bytes
        self._bytes = 0
        self._numbers: dict[bytes, int] = {}
        self._texts: list[str] = [""]

    @property
    def is_full(self) -> bool:
        """Whether they should be forgotten before the next batch."""
        return self._bytes > self._most_bytes

    def forget(self) -> None:
        """All numbers are given anew."""
        self._bytes = 0
        self._numbers.clear()
        del self._texts[1:]

    def number(self, comment: bytes) -> int:
        """The number of a text, of which the first MOST_TEXT bytes count."""
        number = self._numbers.get(comment)
        if number is None:
            text = comment[:MOST_TEXT].decode("utf-8", "replace")
            self.parsed += 1
            number = len(self._texts) if _names_somebody(text) else 0
            if number:
                self._texts.append(text)
            self._numbers[comment] = number
            self._bytes += 2 * len(comment) + _OVERHEAD_BYTES
        return number

    def named(self, numbers: Sequence[int]) -> NamedByComments:
        """Whom the comments of one packet name."""
        texts = [self._texts[number] for number in numbers]
        for text in texts:
            if rustnet.is_one(text):
                found = rustnet.owner_of(text)
                if found:
                    return NamedByComments(*found)
            elif pymobiledevice3.is_one(text):
                return NamedByComments(pymobiledevice3.owner_of(text))
            elif etl2pcapng.is_one(text):
                return NamedByComments(etl2pcapng.owner_of(text))
            elif pcapdroid.user_of(text) is not None:
                return NamedByComments(user=pcapdroid.user_of(text))
        return NamedByComments(ptcpdump.owner_of(texts), receiver=ptcpdump.receiver_of(texts))


def _names_somebody(text: str) -> bool:
    if text.startswith("u-"):
        return pcapdroid.user_of(text) is not None
    return ptcpdump.is_one(text) or rustnet.is_one(text) or etl2pcapng.is_one(text)
