"""pymobiledevice3's comments on packets of an iPhone: what its pcapd service says of each.

    PID: 321, ProcName: Safari, EPID: 0, EProcName: , SVC: 0

EPID is the process on whose behalf another one acts. Source: doronz88/pymobiledevice3, services/pcapd.py.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from portcall.owners.recorded.darwin import owner_on_behalf

if TYPE_CHECKING:
    from portcall.records.recorded.claims import RecordedOwner

SOURCE = "pymobiledevice3"
_COMMENT = re.compile(r"PID: (-?\d{1,10}), ProcName: (.*?), EPID: (-?\d{1,10}), EProcName: (.*?), SVC: ", re.DOTALL)


def is_one(comment: str) -> bool:
    """Whether a comment is one of them."""
    return _COMMENT.match(comment) is not None


def owner_of(comment: str) -> RecordedOwner | None:
    """Whom a comment names; None where it names nobody."""
    found = _COMMENT.match(comment)
    if not found:
        return None
    pid, name, effective_pid, effective_name = found.groups()
    return owner_on_behalf((int(pid), name), (int(effective_pid), effective_name), SOURCE)
