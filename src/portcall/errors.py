"""What a user can meet, each with what happened, where, and what to do next; and its exit status.

    PortcallError                 1  failed
    ├── UsageError                2  the question cannot be understood
    └── CaptureError              3  part of the input cannot be read; what came before it counts

Everything else that is raised is a bug. This module knows nothing of the rest.
"""

from __future__ import annotations


class PortcallError(Exception):
    """An expected failure: a sentence for people and an exit status, no traceback."""

    exit_status = 1


class UsageError(PortcallError):
    """The options or expressions given do not make a question."""

    exit_status = 2


class CaptureError(PortcallError):
    """A capture ends early or is damaged: ``path: at byte OFFSET: REASON``, and a remedy.

    ``offset`` is the byte in the (decompressed) stream where the damage begins; None where the file cannot be opened.
    ``is_whole`` says that nothing of it could be read.
    """

    exit_status = 3

    def __init__(self, path: str, offset: int | None, reason: str, remedy: str = "") -> None:
        self.path = path
        self.offset = offset
        self.reason = reason
        self.remedy = remedy
        self.is_whole = not offset
        where = "" if offset is None else f" at byte {offset:,}".replace(",", " ")
        super().__init__(f"{path}:{where} {reason}" + (f". {remedy}" if remedy else ""))
