"""etl2pcapng's comments on packets of Windows, ``PID=1234``: who was running when the packet was seen.

Of packets that came in that is often somebody else, which its README says too. Source: microsoft/etl2pcapng.
"""

from __future__ import annotations

from portcall.owners.recorded.words import number_of
from portcall.records.ownership import Owner
from portcall.records.recorded.claims import UNKNOWN_PROGRAM, RecordedOwner

SOURCE = "etl2pcapng"
_BEGINNING = "PID="


def is_one(comment: str) -> bool:
    """Whether a comment may be one of them."""
    return comment.startswith(_BEGINNING)


def owner_of(comment: str) -> RecordedOwner | None:
    """Whom a comment names; None where it names nobody."""
    words = comment.removeprefix(_BEGINNING).split(maxsplit=1)
    pid = number_of(words[0]) if words else None
    return RecordedOwner(Owner(pid, None, UNKNOWN_PROGRAM), SOURCE, is_sure=False) if pid else None
