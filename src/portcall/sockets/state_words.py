"""What people call the states of conversations, and what ss calls them."""

from __future__ import annotations

from portcall.errors import UsageError
from portcall.records.schema import did_you_mean
from portcall.records.sockets import STATES, WITHOUT_PEER

_STATE_OF_WORD = {
    "established": "ESTAB",
    "syn-received": "SYN-RECV",
    **{state.lower(): state for state in STATES if state not in WITHOUT_PEER},
}


def state_of(word: str) -> str:
    """The state as ss writes it, that one word means: in any case, with - or _. UsageError for another word."""
    known = word.lower().replace("_", "-")
    if known not in _STATE_OF_WORD:
        raise UsageError(f"no state '{word}'{did_you_mean(known, tuple(_STATE_OF_WORD))}")
    return _STATE_OF_WORD[known]
